"""`comodal explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from comodal.cli.options import Force, Json, MovedData, PenalisedArm, Seed
from comodal.cli.screen import one_thread, print_json
from comodal.contracts.errors import InputError

if TYPE_CHECKING:
    from comodal.contracts import Attribution, ExplanationTable, PairingScore
    from comodal.evaluation.runs import RunSet, SavedRun

__all__ = ["explain"]

_PRINTED = 5


def explain(
    run: Annotated[str | None, "folder that `comodal train` or `comodal compare` wrote"] = None,
    *,
    representations: Annotated[str | None, ".npz file of another model's representations, instead of a run"] = None,
    arm: PenalisedArm = "",
    seed: Seed = None,
    data: MovedData = None,
    output: Annotated[str, "class, label or output to explain; by default the predicted class, or all outputs"] = "",
    fit_critic: Annotated[str, "measure of a critic to fit now: kl, f, wasserstein, ..."] = "",
    out: Annotated[str | None, "folder to write; below the run by default"] = None,
    force: Force = False,
    json: Json = False,
    validate: Annotated[bool, "also measure how well the critic finds artificially broken pairs"] = False,
    save_representations: Annotated[str | None, "write the representations to this .npz file, and stop"] = None,
    donors: Annotated[int, "largest number of samples that a modality is exchanged with"] = 200,
    attributions: Annotated[int, "samples of each ranking that get attributions; 0 for none"] = 100,
    map_: Annotated[str, "pca, or umap where umap-learn is installed"] = "pca",
    share: Annotated[float, "share of samples that --validate breaks"] = 0.5,
    repetitions: Annotated[int, "number of times that --validate draws them"] = 20,
) -> None:
    """Explain the predictions of a run: dependency and disagreement of its modalities per sample.

    For every test sample: the critic's pointwise dependency and its percentile, the modality that disagrees, the
    prediction without each modality, and attributions, those of the predicted class where classes are predicted. Every
    sample is explained by the model that was not trained on it. With --representations, another model's
    representations are explained instead.

    Example: comodal explain runs/c --arm early/kl --seed 0
    """
    from comodal.evaluation.runs import open_runs
    from comodal.explain.explain import ExplanationConfig, explained_run
    from comodal.explain.explain import explain as explain_run
    from comodal.explain.of_representations import explain_representations, validate_representations
    from comodal.explain.output import claim, write_explanation, write_pairing
    from comodal.explain.pairing import validate_pairing

    one_thread()
    _require_one(run, representations, save_representations)
    pairing: Sequence[PairingScore] = ()
    attributed: Sequence[Attribution] = ()
    if representations:
        file, measure, fit_seed = Path(representations), fit_critic or "kl", seed or 0
        folder = Path(out) if out else file.with_name(f"{file.stem}-explanation")
        claim(folder, force=force)
        table = explain_representations(file, measure=measure, seed=fit_seed, donors=donors, kind=map_, output=output)
        if validate:
            pairing = validate_representations(
                file, measure=measure, seed=fit_seed, share=share, repetitions=repetitions
            )
    else:
        runs = open_runs(str(run), source=data)
        chosen = explained_run(runs, arm=arm, seed=seed)
        if save_representations:
            _save(runs, chosen, Path(save_representations), force=force, as_json=json)
            return
        folder = Path(out) if out else runs.folder / "explanation" / _folder_name(runs, chosen)
        claim(folder, force=force)
        config = ExplanationConfig(
            fit_critic=fit_critic, donors=donors, attributions=attributions, map=map_, output=output
        )
        found = explain_run(runs, chosen, config)
        table, attributed = found.table, found.attributions
        if validate:
            pairing = validate_pairing(
                runs, chosen, measure_to_fit=fit_critic or None, share=share, repetitions=repetitions
            )
    write_explanation(folder, table, attributed)
    if pairing:
        write_pairing(folder, pairing)
    _print(table, folder, pairing, as_json=json)


def _require_one(run: str | None, representations: str | None, save: str | None) -> None:
    if bool(run) == bool(representations):
        message = "give either the folder of a run or --representations FILE.npz (see comodal explain --help)"
        raise InputError(message, code="conflict" if run else "missing")
    if save and not run:
        raise InputError(f"--save-representations {save} needs a run; give its folder instead", code="conflict")


def _folder_name(runs: RunSet, run: SavedRun) -> str:
    if len(runs.runs) == 1:
        return ""
    return f"{run.arm.label.replace(':', '-')}-{run.arm.measure}-seed-{run.seed}"


def _save(runs: RunSet, run: SavedRun, path: Path, *, force: bool, as_json: bool) -> None:
    from comodal.explain.representation_file import save_representations
    from comodal.explain.representations import represent

    written = []
    for place, fitted in enumerate(runs.fitted(run)):
        target = path if len(run.folders) == 1 else path.with_name(f"{path.stem}-part-{place}{path.suffix}")
        parts = {split: represent(fitted, split) for split in ("train", "valid", "test")}
        save_representations(target, parts, force=force)
        written.append(str(target))
    if as_json:
        print_json({"representations": written})
    else:
        print(f"Written: {', '.join(written)}")


def _print(table: ExplanationTable, folder: Path, pairing: Sequence[PairingScore], *, as_json: bool) -> None:
    from comodal.explain.output import rank_text
    from comodal.explain.ranking import rankings

    if as_json:
        ranks = {each.name: table.id[each.rows].tolist() for each in rankings(table, _PRINTED)}
        known = {"folder": folder, "samples": len(table), "facts": dict(table.facts)}
        print_json({**known, "ranks": ranks, "pairing": [asdict(score) for score in pairing]})
        return
    print(rank_text(table, _PRINTED))
    for score in pairing:
        where = f" ({score.modality})" if score.modality else ""
        print(
            f"{score.score} finds {score.target}{where}: AUROC {score.auroc:.3f} "
            f"[{score.auroc_low:.3f}, {score.auroc_high:.3f}], average precision {score.average_precision:.3f}"
        )
    print(f"Written: {folder}")
