"""Fit the reference models of a comparison, keep their predictions in its folder, and name arms that beat none."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic, write_text
from comodal.contracts import ComparisonRow, InputError, Multilabel, PredictionTable
from comodal.contracts.json_records import read_json
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.data.dataset import Dataset, Partition
from comodal.evaluation.grid import NONE
from comodal.evaluation.groups import Grouping, grouping
from comodal.evaluation.paired import ArmMetrics
from comodal.evaluation.pool import Advance, Progress, no_advance, no_progress
from comodal.evaluation.reference_features import frame_means
from comodal.evaluation.rows import ArmResult, SeedRun, Setting, arm_rows, mean_intervals
from comodal.evaluation.runs import PREDICTIONS, RESULT
from comodal.metrics import metrics_named
from comodal.metrics.metric import Metric, RankMetric
from comodal.training.config import RunConfig
from comodal.training.data import prepare
from comodal.training.training_rows import TrainingRows

if TYPE_CHECKING:  # scikit-learn takes a second to import, and most commands fit no reference model
    from comodal.evaluation.reference_models import Predict, ReferenceData

__all__ = ["ReferenceRuns", "compared_with_references", "reference_result", "reference_scores", "unbeaten"]

_MOST_NUMBERS = 10_000_000

Array = NDArray[Any]
Rows = NDArray[np.int64]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Fitted:
    """Predictions of a reference model on the test part of a partition, and the duration of its fit."""

    table: PredictionTable
    seconds: float


@dataclass(frozen=True, eq=False)
class ReferenceFold:
    """A partition for the reference models.

    Attributes:
        dataset: all samples, with features for all modalities.
        partition: which of them train, validate and test.
        config: of the networks.
    """

    dataset: Dataset
    partition: Partition
    config: RunConfig

    def rows(self, seed: int) -> tuple[Rows, Rows]:
        """Return the labelled and the unlabelled rows of the training part of the runs with a seed."""
        data, config = self.dataset, replace(self.config, seed=seed)
        found = TrainingRows.of(self.partition, config, group=data.group, target=data.target, task=data.spec.task)
        return found.labelled, found.unlabelled

    def features(self, rows: Rows | None = None) -> Array:
        """Return ``(N, d)`` standardised features of all modalities side by side, 0 outside the rows (all used)."""
        standardizer = prepare(self.dataset, self.partition).standardizer
        rows = np.unique(np.concatenate(list(self.partition.splits.values()))) if rows is None else rows
        found = np.zeros((len(self.dataset), sum(self.dataset.spec.dims.values())))
        parts = [frame_means(each, rows, standardizer.of(name)) for name, each in self.dataset.modalities.items()]
        found[rows] = np.concatenate(parts, axis=1)
        return found

    def data(self, features: Array, labelled: Rows, unlabelled: Rows) -> ReferenceData:
        """Return what a reference model learns from."""
        from comodal.evaluation.reference_models import ReferenceData  # noqa: PLC0415

        task, options = self.dataset.spec.task, self.config.training
        dims = tuple(self.dataset.spec.dims.values())
        rows, loss = (labelled, unlabelled, self.partition.valid), task.require_loss(options.task_loss)
        return ReferenceData(features, dims, self.dataset.target, *rows, task, loss, options.class_weight)

    def thinned(self) -> ReferenceData:
        """Return the same for one run, with every k-th of its labelled samples where they would take long to fit."""
        labelled, unlabelled = self.rows(self.config.seed)
        numbers = len(labelled) * self.dataset.spec.task.width * sum(self.dataset.spec.dims.values())
        kept = labelled[:: max(1, -(-numbers // _MOST_NUMBERS))]
        rows = np.unique(np.concatenate([kept, self.partition.valid, self.partition.test]))
        return self.data(self.features(rows), kept, unlabelled[:0])

    def shared(
        self,
        names: Sequence[str],
        seeds: Sequence[int],
        make: Callable[[str, tuple[Rows, Rows]], Made],
        advance: Advance = no_advance,
    ) -> dict[tuple[str, int], Made]:
        """Return what is made for the name of each model and the rows of each seed, once for the same rows."""
        known: dict[tuple[str, str], Made] = {}
        found = {}
        for seed in seeds:
            rows = self.rows(seed)
            digest = _digest(*rows)
            for name in names:
                if (name, digest) not in known:
                    known[name, digest] = make(name, rows)
                found[name, seed] = known[name, digest]
            advance(1)
        return found

    def tested(self, learn: Callable[[ReferenceData], Predict], data: ReferenceData) -> PredictionTable:
        """Return the predictions of a model on the test part."""
        return self.table(learn(data)(data.features[self.partition.test]))

    def table(self, prediction: Array, *, scenario: str = "clean") -> PredictionTable:
        """Return predictions of the test part as a table."""
        rows, dataset = self.partition.test, self.dataset
        return PredictionTable.of(
            dataset.target[rows],
            prediction.astype(np.float32),
            group=dataset.group[rows],
            id=[str(each) for each in dataset.id[rows]],
            scenario=scenario,
            task=dataset.spec.task,
        )


@dataclass(frozen=True, eq=False)
class ReferenceRuns:
    """The reference models of all partitions.

    Attributes:
        folds: one per partition.
        root: folder that keeps their predictions; ``None`` for none.
        settings: name of a model to its setting in tables; only these are fitted.
    """

    folds: tuple[ReferenceFold, ...]
    root: Path | None = None
    settings: Mapping[str, Setting] = field(
        default_factory=lambda: {name: (name, NONE, 0.0) for name in REFERENCE_NAMES}
    )

    @classmethod
    def of(cls, dataset: Dataset, config: RunConfig, root: Path | None = None) -> ReferenceRuns:
        """Return the reference models for networks that are trained like this on a data set."""
        return cls(tuple(ReferenceFold(dataset, partition, config) for partition in dataset.partitions), root)

    @property
    def dataset(self) -> Dataset:
        """Return the data set."""
        return self.folds[0].dataset

    def names(self, seeds: Sequence[int]) -> tuple[str, ...]:
        """Return the models that suit the task and the rows."""
        task = self.dataset.spec.task
        hidden = any(len(fold.rows(seed)[1]) for fold in self.folds for seed in seeds)
        semi_supervised = hidden and bool(task.classes) and not isinstance(task, Multilabel)
        suited = REFERENCE_NAMES if semi_supervised else REFERENCE_NAMES[:2]
        return tuple(name for name in suited if name in self.settings)

    def rows(
        self, seeds: Sequence[int], metrics: Sequence[str] | None = None, *, progress: Progress = no_progress
    ) -> list[ComparisonRow]:
        """Return the rows of every reference model, which is compared with nothing."""
        results = {setting: reference_result(runs, metrics) for setting, runs in self.runs(seeds, progress).items()}
        return arm_rows(results, dict.fromkeys(results))

    def runs(self, seeds: Sequence[int], progress: Progress = no_progress) -> dict[Setting, list[SeedRun]]:
        """Return the setting of every reference model to its runs, one per seed.

        Seeds with the same labelled rows share one fit, and a fit that the folder keeps is not repeated.
        """
        names = self.names(seeds)
        advance = progress("reference models", len(self.folds) * len(seeds))
        parts = [self._part(part, names, seeds, advance) for part in range(len(self.folds))]
        joined = cache(_joined)
        return {
            self.settings[name]: [
                SeedRun(seed, *joined(tuple(part[name, seed] for part in parts)), collapsed=False) for seed in seeds
            ]
            for name in names
        }

    def _part(
        self, part: int, names: Sequence[str], seeds: Sequence[int], advance: Advance
    ) -> dict[tuple[str, int], Fitted]:
        fold = self.folds[part]
        features = cache(fold.features)

        def fitted(name: str, rows: tuple[Rows, Rows]) -> Fitted:
            folder = self.root and self.root / name.replace(" ", "-") / f"part-{part}" / _digest(*rows)
            return _kept(folder) or _fitted(fold, name, fold.data(features(), *rows), folder)

        return fold.shared(names, seeds, fitted, advance)


def reference_scores(dataset: Dataset, config: RunConfig) -> dict[str, Any]:
    """Return the test metrics of the constant and the linear model that a run is to beat, at the cost of seconds.

    They are the reference rows of a comparison, on every k-th labelled sample of a partition where samples times
    features times outputs would be more than 10 million.

    Returns:
        ``constant`` and ``linear`` to the value of each metric that is defined, and ``samples`` to the number of
        labelled samples of each partition that they were fitted on. Nothing where there is no task.
    """
    if not dataset.spec.task.predicts:
        return {}
    from comodal.evaluation.reference_models import REFERENCE_MODELS  # noqa: PLC0415

    folds = [(fold, fold.thinned()) for fold in ReferenceRuns.of(dataset, config).folds]
    found: dict[str, Any] = {}
    for name in REFERENCE_NAMES[:2]:
        table = PredictionTable.concatenate([fold.tested(REFERENCE_MODELS[name], data) for fold, data in folds])
        found[name] = {}
        for metric in metrics_named(table.task.metrics, table.task):
            with contextlib.suppress(InputError):  # not defined for these labels
                found[name][metric.name] = metric(table.target, table.prediction)
    return {**found, "samples": [len(data.labelled) for _, data in folds]}


def compared_with_references(rows: Sequence[ComparisonRow], metric: str) -> list[ComparisonRow]:
    """Return the rows of a comparison; a note names each network whose mean metric is no better than a reference's."""
    references = {row.fusion: row.mean for row in rows if row.fusion in REFERENCE_NAMES and row.metric == metric}

    def note(row: ComparisonRow) -> str:
        noted = row.metric == metric and row.fusion not in REFERENCE_NAMES
        names = unbeaten(row.mean, references, higher=row.better == "higher") if noted else ()
        return "; ".join(f"{row.NO_BETTER} the {name} reference in {metric}" for name in names)

    return [row.with_note(note(row)) for row in rows]


def unbeaten(value: float | None, references: Mapping[str, float], *, higher: bool) -> tuple[str, ...]:
    """Return the references that a value does not beat; ``higher`` is better or not, and ``None`` beats none."""
    sign = 1 if higher else -1
    return tuple(name for name, other in references.items() if value is None or not sign * value > sign * other)


def _joined(parts: tuple[Fitted, ...]) -> tuple[PredictionTable, float]:
    """Return the table of all partitions and their seconds."""
    return PredictionTable.concatenate([each.table for each in parts]), sum(each.seconds for each in parts)


def reference_result(runs: Sequence[SeedRun], metrics: Sequence[str] | None) -> ArmResult:
    """Return the metrics of a model, one run per seed; those that rank have no interval, since it outlasts the fit."""
    tables = {id(run.table): run.table for run in runs}
    groups = grouping(runs[0].table)
    values, left_out = {}, {}
    for metric in metrics_named(metrics, runs[0].table.task):
        found = {key: _on_groups(metric, table, groups) for key, table in tables.items()}
        values[metric.name] = np.array([found[id(run.table)][0] for run in runs])
        left_out[metric.name] = np.stack([found[id(run.table)][1] for run in runs], axis=1)
    judged = ArmMetrics(values, left_out, groups)
    seconds = float(np.mean([run.seconds for run in runs]))
    return ArmResult(tuple(run.seed for run in runs), judged, seconds, collapsed=0, intervals=mean_intervals(judged))


def _on_groups(metric: Metric, table: PredictionTable, groups: Grouping) -> tuple[float, Array]:
    if isinstance(metric, RankMetric):
        return metric(table.target, table.prediction), np.full(groups.count, np.nan)
    return metric.on_groups(table.target, table.prediction, groups.codes, groups.count)


def _kept(folder: Path | None) -> Fitted | None:
    """Return what was computed before."""
    if folder is None or not (folder / RESULT).exists():
        return None
    return Fitted(PredictionTable.from_parquet(folder / PREDICTIONS), float(read_json(folder / RESULT)["seconds"]))


def _fitted(fold: ReferenceFold, name: str, data: ReferenceData, folder: Path | None) -> Fitted:
    from comodal.evaluation.reference_models import REFERENCE_MODELS  # noqa: PLC0415

    start = time.perf_counter()
    table = fold.tested(REFERENCE_MODELS[name], data)
    seconds = time.perf_counter() - start
    if folder is not None:
        write_atomic(folder / PREDICTIONS, table.to_parquet)
        write_text(folder / RESULT, json.dumps({"seconds": seconds}))  # last: the predictions are whole
    return Fitted(table, seconds)


def _digest(labelled: Rows, unlabelled: Rows) -> str:
    found = hashlib.blake2b(digest_size=8)
    for rows in (labelled, unlabelled):
        found.update(np.append(rows, -1).astype(np.int64).tobytes())
    return found.hexdigest()
