"""Compare fusion models with and without penalties: choose weights on validation, train all arms, make the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from comodal.atomic_write import write_text
from comodal.contracts import BreakdownRow, ComparisonRow, InputError, PredictionTable
from comodal.contracts.json_records import json_text
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig, note_of
from comodal.evaluation.grid import (
    NONE,
    REPLICATION_SEED,
    SELECTION_SEED,
    Arm,
    CompareConfig,
    Trial,
    arms_of,
    best_by_validation,
)
from comodal.evaluation.pool import Progress, no_progress
from comodal.evaluation.preflight import preflight, require_test_part
from comodal.evaluation.reference_runs import ReferenceRuns, compared_with_references
from comodal.evaluation.rows import SeedRun, Setting, breakdown_rows, comparison_rows
from comodal.evaluation.runner import TrialResult, run_trials
from comodal.evaluation.runs import SELECTION, SUMMARY
from comodal.metrics import metrics_named
from comodal.training.data import inputs
from comodal.training.run_folder import RunFolder

__all__ = ["Comparison", "Selection", "compare"]


@dataclass(frozen=True)
class Selection:
    """Weights and single modalities, chosen on validation with seeds that are not reported.

    Partitions choose separately, since the validation part of one is in the test part of another.
    """

    weights: dict[Arm, list[float]]  # one per partition
    modality: dict[str, str]  # fusion to its best one, empty for a data set of one modality
    losses: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the selection as plain values."""
        return {
            "weights": {arm.name: weights for arm, weights in self.weights.items() if arm.has_penalty},
            "single_modality": self.modality,
            "mean_validation_loss": self.losses,
        }


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        rows: one per arm or reference model and metric.
        replication: the same rows from fresh seeds, empty without a replication.
        selection: chosen weights and single modalities.
        breakdown: one per arm, class (label, output) and number; see :attr:`comodal.contracts.Task.breakdown`.
    """

    rows: list[ComparisonRow]
    replication: list[ComparisonRow]
    selection: Selection
    breakdown: list[BreakdownRow] = field(default_factory=list)


def compare(
    data: DataConfig,
    config: CompareConfig | None = None,
    *,
    out: str | Path,
    jobs: int = 1,
    replicate: bool = False,
    keep_weights: bool = True,
    metrics: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Train fusion models with and without each penalty over many seeds, and compare them.

    The same seed gives the same initial weights, batches and dropout masks in every arm of a fusion. Weights and the
    best single modality are chosen on the validation parts with seeds that are not reported; test parts are read once.
    A constant and a linear model on the same features follow as reference rows, and with unlabelled training samples of
    classes self-training and label spreading; a note names every arm that is no better than one of them.

    Args:
        data: where the data come from.
        config: architectures, measures, weights, seeds and their shared configuration.
        out: folder of the comparison. The same call resumes an interrupted comparison without repeating finished runs,
            and extends one with more seeds; the folder of another configuration is refused.
        jobs: number of processes, each with one thread.
        replicate: repeat all reported runs with fresh seeds and the weights already chosen.
        keep_weights: save the weights of every reported run.
        metrics: names of the metrics of the rows, the leading one first; those that the task reports when ``None``.
            p-values are corrected over the chosen ones.
        progress: called with the name of a stage and its number of runs; returns the function that counts them.

    Raises:
        InputError: bad data or options, the folder of another comparison, or a run that diverged.
    """
    config = config or CompareConfig()
    if jobs < 1:
        raise InputError(f"jobs is {jobs}: give 1 or more", code="out_of_range")
    dataset = data.load()
    require_test_part(dataset)
    chosen = tuple(metric.name for metric in metrics_named(metrics, dataset.spec.task))
    read = {fusion: inputs(dataset, config.base_for(fusion)) for fusion in config.fusions}
    for fusion in config.fusions:
        _require_modalities(read[fusion], config)
        preflight(dataset, config.base_for(fusion))
    folder = RunFolder(out, {"data": asdict(data), "task": dataset.spec.task.to_dict(), **config.to_dict()}).path
    reference_models = ReferenceRuns.of(dataset, config.base_for(config.fusions[0]), folder / "references")
    stages = _Stages(data, config, read, reference_models, folder, jobs, keep_weights, chosen, progress)
    selection = stages.select()
    rows, breakdown = stages.report(selection, "runs", 0)
    write_text(folder / SUMMARY, json_text(rows))
    replication = stages.report(selection, "replication", REPLICATION_SEED)[0] if replicate else []
    if replicate:
        write_text(folder / "replication" / SUMMARY, json_text(replication))
    return Comparison(rows, replication, selection, breakdown)


def _require_modalities(dataset: Dataset, config: CompareConfig) -> None:
    if config.penalties and len(dataset.spec.modalities) < 2:
        only = dataset.spec.modalities[0]
        message = f"{dataset.spec.name} has one modality, {only}: a dependency penalty needs two or more"
        raise InputError(message, code="unsupported")


@dataclass(frozen=True)
class _Stages:
    data: DataConfig
    config: CompareConfig
    inputs: dict[str, Dataset]
    references: ReferenceRuns
    folder: Path
    jobs: int
    keep: bool
    metrics: tuple[str, ...]
    progress: Progress

    @property
    def partitions(self) -> range:
        return range(len(next(iter(self.inputs.values())).partitions))

    def run(self, stage: str, trials: list[Trial]) -> dict[Trial, TrialResult]:
        return run_trials(
            trials,
            data=self.data,
            bases={fusion: self.config.base_for(fusion) for fusion in self.config.fusions},
            root=self.folder / stage,
            jobs=self.jobs,
            keep=self.keep,
            advance=self.progress(stage, len(trials)),
        )

    def single_modalities(self, fusion: str) -> tuple[str, ...]:
        """Return the modalities to try alone: all of several, but only text for a language model."""
        spec = self.inputs[fusion].spec
        if len(spec.modalities) < 2:
            return ()
        return spec.modalities if spec.tokens is None else ("text",)

    def select(self) -> Selection:
        config, parts = self.config, self.partitions
        fixed = config.fixed_weights()
        names = {fusion: self.single_modalities(fusion) for fusion in config.fusions}
        open_arms = [arm for arm in config.arms() if arm.has_penalty and arm.measure not in fixed]
        choices = [(Arm(fusion, NONE, name), 0.0) for fusion in config.fusions for name in names[fusion]]
        choices += [(arm, weight) for arm in open_arms for weight in config.weight_grid]
        seeds = range(SELECTION_SEED, SELECTION_SEED + config.selection_seeds)
        results = self.run(
            "selection", [Trial(arm, w, seed, part, False) for seed in seeds for arm, w in choices for part in parts]
        )

        def losses(arm: Arm, weight: float, parts: Sequence[int]) -> list[float]:
            return [results[Trial(arm, weight, seed, part, False)].valid_loss for seed in seeds for part in parts]

        weights = {arm: [fixed.get(arm.measure, 0.0)] * len(parts) for arm in config.arms()}
        for arm in open_arms:
            weights[arm] = [
                best_by_validation({w: losses(arm, w, [part]) for w in config.weight_grid}) for part in parts
            ]
        modality = {
            fusion: best_by_validation({n: losses(Arm(fusion, NONE, n), 0.0, parts) for n in names[fusion]})
            for fusion in config.fusions
            if names[fusion]
        }
        table = [
            {"arm": arm.name, "weight": w, "valid_loss": sum(found) / len(found)}
            for arm, w in choices
            if (found := losses(arm, w, parts))
        ]
        selection = Selection(weights, modality, table)
        write_text(self.folder / SELECTION, json.dumps(selection.to_dict(), indent=2))
        return selection

    def report(
        self, selection: Selection, stage: str, first_seed: int
    ) -> tuple[list[ComparisonRow], list[BreakdownRow]]:
        seeds = range(first_seed, first_seed + self.config.seeds)
        arms = arms_of(self.config.fusions, self.config.measures, selection.modality)
        weights = {arm: selection.weights.get(arm, [0.0] * len(self.partitions)) for arm in arms}
        results = self.run(
            stage,
            [
                Trial(arm, weights[arm][part], seed, part, True)
                for seed in seeds
                for arm in arms
                for part in self.partitions
            ],
        )
        table: dict[Setting, list[SeedRun]] = {}
        for arm in arms:
            setting = (arm.label, arm.measure, sum(weights[arm]) / len(weights[arm]))
            trials = [[Trial(arm, w, seed, part, True) for part, w in enumerate(weights[arm])] for seed in seeds]
            table[setting] = [_seed_run([results[trial] for trial in of_seed], of_seed[0].seed) for of_seed in trials]
        parents = {f"{fusion}:{name}": fusion for fusion, name in selection.modality.items()}
        rows = comparison_rows(table, parents=parents, metrics=self.metrics)
        simple = self.references.rows(seeds, self.metrics, progress=self.progress)
        noted = compared_with_references([*rows, *simple], self.metrics[0])
        return [row.with_note(self.note(row.fusion)) for row in noted], breakdown_rows(table)

    def note(self, fusion: str) -> str:
        """Return the note on the data as an architecture or a reference model reads them."""
        if fusion in REFERENCE_NAMES:
            return note_of(self.references.dataset)
        return note_of(self.inputs[fusion.partition(":")[0]])


def _seed_run(runs: Sequence[TrialResult], seed: int) -> SeedRun:
    """Return the runs of one seed on all partitions as one run; it has collapsed when one of them has."""
    tables = [run.predictions() for run in runs]
    collapsed = any(table.is_collapsed for table in tables)
    return SeedRun(seed, PredictionTable.concatenate(tables), sum(run.seconds for run in runs), collapsed)
