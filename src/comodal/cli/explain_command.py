"""`comodal explain`: from parsed options to calls, from their results to folder and screen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from comodal.contracts import ExplanationTable, InputError, PairingScore

__all__ = ["explain_command"]

_PRINTED = 5


def explain_command(options: Any) -> None:
    """Explain a run, or the representations of another model."""
    torch.set_num_threads(1)  # small models are slower on more
    if bool(options.run) == bool(options.representations):
        raise InputError("give either the folder of a run or --representations FILE.npz (see comodal explain --help)")
    if options.representations:
        _of_file(options)
    else:
        _of_run(options)


def _of_file(options: Any) -> None:
    from comodal.explain.of_representations import explain_representations, validate_representations
    from comodal.explain.output import claim, write_explanation, write_pairing

    if options.save_representations:
        raise InputError("--save-representations needs a run; give its folder instead")
    file = Path(options.representations)
    out = Path(options.out) if options.out else file.with_name(f"{file.stem}-explanation")
    claim(out, force=options.force)
    measure, seed = options.fit_critic or "kl", options.seed or 0
    table = explain_representations(file, measure=measure, seed=seed, donors=options.donors, kind=options.map)
    pairing: Sequence[PairingScore] = ()
    if options.validate:
        pairing = validate_representations(
            file, measure=measure, seed=seed, share=options.share, repetitions=options.repetitions
        )
    write_explanation(out, table)
    if pairing:
        write_pairing(out, pairing)
    _print(table, out, pairing, as_json=options.json)


def _of_run(options: Any) -> None:
    from comodal.evaluation.runs import open_runs
    from comodal.explain.explain import ExplanationConfig, explain, explained_run
    from comodal.explain.output import claim, write_explanation, write_pairing

    runs = open_runs(options.run, source=options.data)
    run = explained_run(runs, arm=options.arm, seed=options.seed)
    if options.save_representations:
        _save(runs, run, Path(options.save_representations), options)
        return
    name = "" if len(runs.runs) == 1 else f"{run.arm.label.replace(':', '-')}-{run.arm.measure}-seed-{run.seed}"
    out = Path(options.out) if options.out else runs.folder / "explanation" / name
    claim(out, force=options.force)
    config = ExplanationConfig(
        fit_critic=options.fit_critic, donors=options.donors, attributions=options.attributions, map=options.map
    )
    found = explain(runs, run, config)
    pairing = _validated(runs, run, options) if options.validate else ()
    write_explanation(out, found.table, found.attributions)
    if pairing:
        write_pairing(out, pairing)
    _print(found.table, out, pairing, as_json=options.json)


def _save(runs: Any, run: Any, path: Path, options: Any) -> None:
    from comodal.explain.representation_file import save_representations
    from comodal.explain.representations import represent

    written = []
    for place, fitted in enumerate(runs.fitted(run)):
        target = path if len(run.folders) == 1 else path.with_name(f"{path.stem}-part-{place}{path.suffix}")
        parts = {split: represent(fitted, split) for split in ("train", "valid", "test")}
        save_representations(target, parts, force=options.force)
        written.append(str(target))
    print(json.dumps({"representations": written}, indent=2) if options.json else f"Written: {', '.join(written)}")


def _validated(runs: Any, run: Any, options: Any) -> Sequence[PairingScore]:
    from comodal.explain.pairing import validate_pairing

    found: Sequence[PairingScore] = validate_pairing(
        runs,
        run,
        measure_to_fit=options.fit_critic or None,
        share=options.share,
        repetitions=options.repetitions,
    )
    return found


def _print(table: ExplanationTable, out: Path, pairing: Sequence[PairingScore], *, as_json: bool) -> None:
    from comodal.explain.output import rank_text
    from comodal.explain.ranking import rankings

    if as_json:
        ranks = {each.name: table.id[each.rows].tolist() for each in rankings(table, _PRINTED)}
        scores = [dataclasses.asdict(score) for score in pairing]
        known = {"folder": str(out), "utterances": len(table), "facts": dict(table.facts)}
        print(json.dumps({**known, "ranks": ranks, "pairing": scores}, indent=2, ensure_ascii=False))
        return
    console = Console()
    console.print(rank_text(table, _PRINTED), markup=False, highlight=False, soft_wrap=True)
    for score in pairing:
        where = f" ({score.modality})" if score.modality else ""
        console.print(
            f"{score.score} finds {score.target}{where}: AUROC {score.auroc:.3f} "
            f"[{score.auroc_low:.3f}, {score.auroc_high:.3f}], average precision {score.average_precision:.3f}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"Written: {out}", markup=False, highlight=False, soft_wrap=True)
