"""What was found so far in the folder of a run or a comparison: read from its files, no model is run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts import (
    Attribution,
    ComparisonRow,
    DataFacts,
    ExplanationTable,
    Findings,
    InputError,
    PairingScore,
    RobustnessRow,
    TrainingCurve,
)
from comodal.contracts.records import attribution, comparison_row, pairing_score, read_records, restored, robustness_row
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import note_of
from comodal.evaluation.fitted import read_history
from comodal.evaluation.runs import SUMMARY, RunSet, SavedRun, open_runs
from comodal.metrics import METRICS, is_collapsed
from comodal.training.run_folder import ENVIRONMENT, read_config, read_json
from comodal.training.run_folder import METRICS as SCORES

__all__ = [
    "ATTRIBUTIONS",
    "EXPLANATION",
    "PAIRING",
    "ROBUSTNESS",
    "ROBUSTNESS_REPLICATION",
    "findings_of",
    "gather",
    "read_attributions",
    "read_pairing",
]

ROBUSTNESS = Path("robustness") / "rows.json"
ROBUSTNESS_REPLICATION = Path("robustness") / "replication" / "rows.json"
EXPLANATION = "explanation.parquet"
ATTRIBUTIONS = "attributions.jsonl"
PAIRING = "pairing.json"


def gather(folder: str | Path, *others: str | Path, source: str | Dataset | None = None) -> Findings:
    """Everything that is known of a finished run or comparison; what was not made yet stays empty.

    Args:
        folder: of `comodal train` or `comodal compare`.
        others: more such folders, of the same data and of other arms.
        source: where the data are now; their own place when not given.

    Raises:
        InputError: not such a folder, no finished run in it, a damaged file, folders of different data sets, or two
            that hold the same arm.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.training.config import RunConfig, TrainingConfig
        >>> folder = tempfile.mkdtemp()
        >>> short = RunConfig(training=TrainingConfig(max_epochs=2))
        >>> report = train(DataConfig(source="synthetic"), short, out=folder)
        >>> found = gather(folder)
        >>> found.seeds, len(found.curves), len(found.curves[0].values["valid_loss"]), found.robustness
        ((0,), 1, 2, ())
    """
    found = [findings_of(open_runs(each, source=source)) for each in (folder, *others)]
    return found[0] if len(found) == 1 else _together(found)


def findings_of(runs: RunSet) -> Findings:
    """The same of one folder that is open already.

    Raises:
        InputError: a damaged file.
    """
    path = runs.folder
    config = read_config(path)
    explained = [table.parent for table in sorted((path / "explanation").rglob(EXPLANATION))]
    return Findings(
        title=path.resolve().name,
        data=_data_facts(runs, config["data"]["source"]),
        config=config,
        versions=read_json(path / ENVIRONMENT) if (path / ENVIRONMENT).exists() else {},
        seeds=tuple(sorted({run.seed for run in runs.runs})),
        rows=_rows(path, runs),
        replication=_summary(path / "replication" / SUMMARY),
        curves=tuple(curve for run in runs.runs for curve in _curves(run, runs)),
        robustness=_robustness(path / ROBUSTNESS),
        robustness_replication=_robustness(path / ROBUSTNESS_REPLICATION),
        explanations=tuple(ExplanationTable.from_parquet(each / EXPLANATION) for each in explained),
        attributions=read_attributions(explained[0]) if explained else {},
        pairing=next((scores for each in explained if (scores := read_pairing(each))), ()),
    )


def _data_facts(runs: RunSet, source: str) -> DataFacts:
    dataset, spec = runs.dataset, runs.dataset.spec
    return DataFacts(
        name=spec.name,
        source=source,
        note=note_of(dataset),
        modalities={name: spec.feature_dims.get(name, 0) for name in spec.modalities},
        splits={
            partition.name: {split: len(rows) for split, rows in partition.splits.items()}
            for partition in dataset.partitions
        },
        groups=len(np.unique(dataset.group)),
        utterances=len(dataset),
        label_range=spec.label_range,
    )


def _rows(path: Path, runs: RunSet) -> tuple[ComparisonRow, ...]:
    if not (path / SCORES).exists():
        return _summary(path / SUMMARY)
    return tuple(_single_rows(runs.runs[0], read_json(path / SCORES), note_of(runs.dataset)))


def _summary(path: Path) -> tuple[ComparisonRow, ...]:
    return read_records(path, comparison_row) if path.exists() else ()


def _single_rows(run: SavedRun, scores: Mapping[str, Any], note: str) -> Iterator[ComparisonRow]:
    """One seed has no spread and no difference: the interval of the value itself goes into the note."""
    table = run.predictions()
    collapsed = is_collapsed(table.target, table.prediction)
    for name in (name for name in METRICS if name in scores and scores[name]["value"] is not None):
        low, high = scores[name]["ci_low"], scores[name]["ci_high"]
        interval = "" if low is None else f"95 % interval of the value over videos [{low:.3f}, {high:.3f}]"
        yield ComparisonRow(
            run.arm.label,
            run.arm.measure,
            run.weight,
            metric=name,
            mean=scores[name]["value"],
            std=None,
            delta=None,
            ci_low=None,
            ci_high=None,
            p_value=None,
            n_seeds=1,
            collapsed=int(collapsed),
            seconds=scores["seconds"],
            n_groups=len(np.unique(table.group)),
            better="higher" if METRICS[name].higher_is_better else "lower",
            note="; ".join(part for part in (interval, note) if part),
        )


def _curves(run: SavedRun, runs: RunSet) -> Iterator[TrainingCurve]:
    for partition, folder in zip(runs.dataset.partitions, run.folders, strict=True):
        if (history := read_history(folder)) is not None:
            values = _by_name(history["epochs"])
            label, measure = run.arm.label, run.arm.measure
            yield TrainingCurve(label, measure, run.seed, partition.name, history["best_epoch"], values)


def _by_name(epochs: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    """Name to one value an epoch; NaN where an epoch did not log it."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch if name != "epoch")
    return {name: tuple(float(epoch.get(name, math.nan)) for epoch in epochs) for name in names}


def _robustness(path: Path) -> tuple[RobustnessRow, ...]:
    return read_records(path, robustness_row) if path.exists() else ()


def read_attributions(folder: Path) -> dict[str, tuple[Attribution, ...]]:
    """The attributions of an explanation by utterance id; empty where none were made.

    Raises:
        InputError: the file is damaged.
    """
    if not (path := folder / ATTRIBUTIONS).exists():
        return {}
    try:
        # At line feeds alone: a word may hold one of the other characters that Unicode takes for the end of a line.
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); run `comodal explain` again with --force") from error
    found: dict[str, list[Attribution]] = {}
    for each in restored(attribution, lines, where=str(path)):
        found.setdefault(each.id, []).append(each)
    return {name: tuple(parts) for name, parts in found.items()}


def read_pairing(folder: Path) -> tuple[PairingScore, ...]:
    """How far the critic of an explanation may be believed; empty where nobody asked.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / PAIRING
    return read_records(path, pairing_score) if path.exists() else ()


def _together(found: Sequence[Findings]) -> Findings:
    first = found[0]
    for other in found[1:]:
        if replace(other.data, source="") != replace(first.data, source=""):
            raise InputError(
                f"{first.title} was trained on {first.data.name} ({first.data.utterances} utterances) and "
                f"{other.title} on {other.data.name} ({other.data.utterances}): make one report for each data set"
            )
    _refuse_same_arm(found)
    return replace(
        first,
        title=" + ".join(each.title for each in found),
        config={each.title: dict(each.config) for each in found},
        versions={each.title: dict(each.versions) for each in found},
        seeds=tuple(sorted({seed for each in found for seed in each.seeds})),
        rows=tuple(row for each in found for row in each.rows),
        replication=tuple(row for each in found for row in each.replication),
        curves=tuple(curve for each in found for curve in each.curves),
        robustness=tuple(row for each in found for row in each.robustness),
        robustness_replication=tuple(row for each in found for row in each.robustness_replication),
        explanations=tuple(table for each in found for table in each.explanations),
        attributions=next((each.attributions for each in found if each.explanations), {}),
        pairing=next((each.pairing for each in found if each.pairing), ()),
    )


def _refuse_same_arm(found: Sequence[Findings]) -> None:
    owner: dict[tuple[str, str], str] = {}
    for each in found:
        for arm in dict.fromkeys((row.fusion, row.measure) for row in each.rows):
            if arm in owner:
                raise InputError(
                    f"{owner[arm]} and {each.title} both hold {arm[0]}/{arm[1]}: one page cannot show both; "
                    "`comodal compare` trains several seeds of an arm"
                )
            owner[arm] = each.title
