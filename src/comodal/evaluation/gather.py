"""Read the results of a run or comparison from the files in its folder; no model is run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from comodal.contracts import (
    ArmPredictions,
    Attribution,
    BreakdownRow,
    ComparisonRow,
    DataFacts,
    ExplanationTable,
    Findings,
    InputError,
    PairingScore,
    RobustnessRow,
    TrainingCurve,
)
from comodal.contracts.json_records import from_records, read_json, read_records
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import note_of
from comodal.evaluation.fitted import read_history
from comodal.evaluation.paired import require_same_samples
from comodal.evaluation.rows import SeedRun, breakdown_rows
from comodal.evaluation.runs import SUMMARY, RunSet, SavedRun, open_runs
from comodal.metrics import METRICS
from comodal.training.run_folder import ENVIRONMENT, read_config
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
]

Kind = TypeVar("Kind")

ROBUSTNESS = Path("robustness") / "rows.json"
ROBUSTNESS_REPLICATION = Path("robustness") / "replication" / "rows.json"
EXPLANATION = "explanation.parquet"
ATTRIBUTIONS = "attributions.jsonl"
PAIRING = "pairing.json"


def gather(
    folder: str | Path,
    *others: str | Path,
    source: str | Dataset | None = None,
    metrics: Sequence[str] | None = None,
) -> Findings:
    """Return the results of a finished run or comparison; parts that were not computed yet are empty.

    Args:
        folder: folder of `comodal train` or `comodal compare`.
        others: more such folders, of the same data and of other arms.
        source: where the data are now; their original place when not given.
        metrics: names of the metrics of the tables, the leading one first; all that they hold when ``None``.

    Raises:
        InputError: not such a folder, no finished run in it, a damaged file, folders of different data sets, the
            same arm in two folders, or a metric that they do not hold.

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
    together = found[0] if len(found) == 1 else _together(found)
    return together if metrics is None else _showing(together, metrics)


def _showing(found: Findings, metrics: Sequence[str]) -> Findings:
    """Return the tables of some metrics, in the order asked for."""
    held = dict.fromkeys(row.metric for row in found.rows)
    for name in metrics:
        if name not in held:
            raise InputError.unknown("metric", name, held, where=found.title)
    tables: dict[str, Any] = {
        name: tuple(row for metric in metrics for row in getattr(found, name) if row.metric == metric)
        for name in ("rows", "replication")
    }
    tables |= {
        name: tuple(row for metric in metrics for row in getattr(found, name) if row.row.metric == metric)
        for name in ("robustness", "robustness_replication")
    }
    return replace(found, **tables)


def findings_of(runs: RunSet) -> Findings:
    """Return the results in one folder that is open already."""
    path = runs.folder
    config = read_config(path)
    predicted = tuple(_predicted(runs))
    explained = [table.parent for table in sorted((path / "explanation").rglob(EXPLANATION))]
    return Findings(
        title=path.resolve().name,
        data=_data_facts(runs, config["data"]["source"]),
        config=config,
        versions=read_json(path / ENVIRONMENT) if (path / ENVIRONMENT).exists() else {},
        seeds=tuple(sorted({run.seed for run in runs.runs})),
        rows=_rows(path, runs),
        replication=_optional(path / "replication" / SUMMARY, ComparisonRow),
        predictions=tuple(each for each, _ in predicted),
        breakdown=tuple(row for _, rows in predicted for row in rows),
        curves=tuple(curve for run in runs.runs for curve in _curves(run, runs)),
        robustness=_optional(path / ROBUSTNESS, RobustnessRow),
        robustness_replication=_optional(path / ROBUSTNESS_REPLICATION, RobustnessRow),
        explanations=tuple(ExplanationTable.from_parquet(each / EXPLANATION) for each in explained),
        attributions=read_attributions(explained[0]) if explained else {},
        pairing=next((scores for each in explained if (scores := _optional(each / PAIRING, PairingScore))), ()),
        label_budget=runs.runs[0].configs[0].training.label_budget,
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
        samples=len(dataset),
        task=spec.task,
    )


def _predicted(runs: RunSet) -> Iterator[tuple[ArmPredictions, list[BreakdownRow]]]:
    """Yield the predictions of every arm and their numbers by class; nothing where the task has no figure of them."""
    for arm, own in runs.arms().items() if runs.dataset.spec.task.diagnostics else ():
        read = [SeedRun(run.seed, run.predictions(), 0.0) for run in own]
        require_same_samples([run.table for run in read])
        prediction = np.stack([run.table.prediction for run in read])
        rows = breakdown_rows({(arm.label, arm.measure, own[0].weight): read})
        yield ArmPredictions(arm.label, arm.measure, read[0].table.target, prediction), rows


def _rows(path: Path, runs: RunSet) -> tuple[ComparisonRow, ...]:
    if not (path / SCORES).exists():
        return _optional(path / SUMMARY, ComparisonRow)
    return tuple(_single_rows(runs.runs[0], read_json(path / SCORES), note_of(runs.dataset)))


def _optional(path: Path, kind: type[Kind]) -> tuple[Kind, ...]:
    return read_records(path, kind) if path.exists() else ()


def _single_rows(run: SavedRun, scores: Mapping[str, Any], note: str) -> Iterator[ComparisonRow]:
    """A single run has no spread and no difference; the interval of its value goes into the note."""
    table = run.predictions()
    collapsed = table.is_collapsed
    for name in (name for name in scores if name in METRICS and scores[name]["value"] is not None):
        low, high = scores[name]["ci_low"], scores[name]["ci_high"]
        interval = "" if low is None else f"95 % interval of the value over groups [{low:.3f}, {high:.3f}]"
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
    """Return name to one value per epoch, NaN where an epoch did not log it."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch if name != "epoch")
    return {name: tuple(float(epoch.get(name, math.nan)) for epoch in epochs) for name in names}


def read_attributions(folder: Path) -> dict[str, tuple[Attribution, ...]]:
    """Return the attributions of an explanation by sample id, empty where none were computed."""
    if not (path := folder / ATTRIBUTIONS).exists():
        return {}
    try:
        # Not splitlines: a word may contain other characters that Unicode treats as line ends.
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except ValueError as error:
        message = f"{path}: damaged ({error}); run `comodal explain` again with --force"
        raise InputError(message, code="damaged") from error
    found: dict[str, list[Attribution]] = {}
    for each in from_records(Attribution, lines, where=str(path)):
        found.setdefault(each.id, []).append(each)
    return {name: tuple(parts) for name, parts in found.items()}


def _together(found: Sequence[Findings]) -> Findings:
    first = found[0]
    for other in found[1:]:
        if replace(other.data, source="") != replace(first.data, source=""):
            raise InputError(
                f"{first.title} was trained on {first.data.name} ({first.data.samples} samples) and "
                f"{other.title} on {other.data.name} ({other.data.samples}): make one report for each data set",
                code="mismatch",
            )
    _refuse_same_arm(found)
    joined = ("predictions", "breakdown", "curves", "robustness", "robustness_replication", "explanations")
    tables: dict[str, Any] = {name: tuple(row for each in found for row in getattr(each, name)) for name in joined}
    tables |= {name: _rows_of([getattr(each, name) for each in found]) for name in ("rows", "replication")}
    return replace(
        first,
        title=" + ".join(each.title for each in found),
        config={each.title: dict(each.config) for each in found},
        versions={each.title: dict(each.versions) for each in found},
        seeds=tuple(sorted({seed for each in found for seed in each.seeds})),
        attributions=next((each.attributions for each in found if each.explanations), {}),
        pairing=next((each.pairing for each in found if each.pairing), ()),
        **tables,
    )


def _rows_of(tables: Sequence[Sequence[ComparisonRow]]) -> tuple[ComparisonRow, ...]:
    """Return the rows of several comparisons; reference models, the same in all, are those of the first."""
    first = next((rows for rows in tables if any(row.fusion in REFERENCE_NAMES for row in rows)), ())
    return tuple(row for rows in tables for row in rows if rows is first or row.fusion not in REFERENCE_NAMES)


def _refuse_same_arm(found: Sequence[Findings]) -> None:
    owner: dict[tuple[str, str], str] = {}
    for each in found:
        networks = (row for row in each.rows if row.fusion not in REFERENCE_NAMES)
        for arm in dict.fromkeys((row.fusion, row.measure) for row in networks):
            if arm in owner:
                raise InputError(
                    f"{owner[arm]} and {each.title} both hold {arm[0]}/{arm[1]}, and one page shows an arm once; "
                    "train several seeds of an arm with `comodal compare`",
                    code="duplicate",
                )
            owner[arm] = each.title
