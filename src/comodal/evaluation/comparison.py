"""The main job: choose weights on validation, train every arm over the seeds, compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from comodal.atomic_write import write_text
from comodal.contracts import ComparisonRow, InputError, PredictionTable
from comodal.contracts.json_records import json_text
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig, note_of
from comodal.evaluation.experiment import preflight
from comodal.evaluation.grid import (
    NONE,
    REPLICATION_SEED,
    SELECTION_SEED,
    Arm,
    CompareConfig,
    Trial,
    best_by_validation,
)
from comodal.evaluation.rows import SeedRun, Setting, comparison_rows
from comodal.evaluation.runner import TrialResult, run_tasks
from comodal.evaluation.runs import SELECTION, SUMMARY
from comodal.metrics import is_collapsed
from comodal.training.data import inputs
from comodal.training.run_folder import RunFolder

__all__ = ["Comparison", "Selection", "compare"]


@dataclass(frozen=True)
class Selection:
    """What was chosen on validation, with seeds that are not reported.

    Attributes:
        weights: arm to the weight of each partition; every partition chooses for itself, because its validation part is
            another partition's test part.
        modality: fusion to its best single modality, empty for a data set of one modality.
        losses: what the choices rest on: arm, weight or modality, and mean validation loss.
    """

    weights: dict[Arm, list[float]]
    modality: dict[str, str]
    losses: list[dict[str, Any]] = field(default_factory=list)

    def reported_arms(self) -> list[Arm]:
        """Every arm of the table, each fusion's single-modality network behind its own arms."""
        fusions = list(dict.fromkeys(arm.fusion for arm in self.weights))
        listed: list[Arm] = []
        for fusion in fusions:
            listed += [arm for arm in self.weights if arm.fusion == fusion]
            if self.modality.get(fusion):
                listed.append(Arm(fusion, NONE, self.modality[fusion]))
        return listed

    def weight(self, arm: Arm, partition: int) -> float:
        """The weight of an arm on a partition, 0 without a penalty."""
        return self.weights[arm][partition] if arm in self.weights else 0.0


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        rows: one a metric of every arm.
        replication: the same on fresh seeds, empty when none was asked for.
        selection: the chosen weights and single modalities.
    """

    rows: list[ComparisonRow]
    replication: list[ComparisonRow]
    selection: Selection


Progress = Callable[[str, int], Callable[[int], None]]


def compare(
    data: DataConfig,
    config: CompareConfig | None = None,
    *,
    out: str | Path,
    jobs: int = 1,
    replicate: bool = False,
    keep_weights: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Train fusion models with and without each penalty over many seeds, and compare them.

    The same seed gives the same initial weights, batches and dropout masks in every arm of a fusion. Weights, and the
    best single modality, are chosen on the validation parts of seeds that are not reported; the test parts are read
    once.

    Args:
        data: where the data come from.
        config: architectures, measures, weights, seeds and the configuration they share.
        out: folder of the comparison. Interrupted, the same call resumes it and repeats no finished run; with more
            seeds it grows; one of another configuration is refused.
        jobs: processes, each with one thread.
        replicate: repeat everything reported on fresh seeds, with the weights already chosen.
        keep_weights: keep the weights of every reported run.
        progress: called with a stage's name and its number of runs, gives the function that counts them.

    Raises:
        InputError: bad data or options, a folder of another comparison, or a run that diverged.
    """
    config = config or CompareConfig()
    if jobs < 1:
        raise InputError(f"jobs is {jobs}: give 1 or more")
    dataset = data.load()
    read = {fusion: inputs(dataset, config.base_for(fusion)) for fusion in config.fusions}
    for fusion in config.fusions:
        _check_modalities(read[fusion], config)
        preflight(dataset, config.base_for(fusion))
    folder = RunFolder(out, {"data": asdict(data), **config.to_dict()}).path
    stages = _Stages(data, config, read, folder, jobs, keep_weights, progress or _no_progress)
    selection = stages.select()
    rows = stages.report(selection, "runs", 0)
    write_text(folder / SUMMARY, json_text(rows))
    replication = stages.report(selection, "replication", REPLICATION_SEED) if replicate else []
    if replicate:
        write_text(folder / "replication" / SUMMARY, json_text(replication))
    return Comparison(rows, replication, selection)


def _no_progress(stage: str, total: int) -> Callable[[int], None]:
    del stage, total
    return lambda count: None  # noqa: ARG005 - counts for nobody


def _check_modalities(dataset: Dataset, config: CompareConfig) -> None:
    if config.penalties and len(dataset.spec.modalities) < 2:
        only = dataset.spec.modalities[0]
        raise InputError(f"{dataset.spec.name} has one modality, {only}: a dependency penalty needs two or more")


@dataclass(frozen=True)
class _Stages:
    data: DataConfig
    config: CompareConfig
    inputs: dict[str, Dataset]
    folder: Path
    jobs: int
    keep: bool
    progress: Progress

    @property
    def partitions(self) -> range:
        return range(len(next(iter(self.inputs.values())).partitions))

    def run(self, stage: str, tasks: list[Trial]) -> dict[Trial, TrialResult]:
        return run_tasks(
            tasks,
            data=self.data,
            bases={fusion: self.config.base_for(fusion) for fusion in self.config.fusions},
            root=self.folder / stage,
            jobs=self.jobs,
            keep=self.keep,
            advance=self.progress(stage, len(tasks)),
        )

    def _alone(self, fusion: str) -> tuple[str, ...]:
        """Modalities that are tried alone: each of several, but only text where a language model reads it."""
        spec = self.inputs[fusion].spec
        if len(spec.modalities) < 2:
            return ()
        return spec.modalities if spec.tokens is None else ("text",)

    def select(self) -> Selection:
        fixed = self.config.fixed_weights()
        names = {fusion: self._alone(fusion) for fusion in self.config.fusions}
        single = [Arm(fusion, NONE, name) for fusion in self.config.fusions for name in names[fusion]]
        open_arms = [arm for arm in self.config.arms() if arm.has_penalty and arm.measure not in fixed]
        choices = [(arm, 0.0) for arm in single]
        choices += [(arm, weight) for arm in open_arms for weight in self.config.weight_grid]
        seeds = range(SELECTION_SEED, SELECTION_SEED + self.config.selection_seeds)
        tasks = [Trial(arm, w, seed, part, False) for seed in seeds for arm, w in choices for part in self.partitions]
        results = self.run("selection", tasks)

        def losses(arm: Arm, weight: float, parts: Sequence[int]) -> list[float]:
            return [results[Trial(arm, weight, seed, part, False)].valid_loss for seed in seeds for part in parts]

        weights = {arm: [fixed.get(arm.measure, 0.0)] * len(self.partitions) for arm in self.config.arms()}
        for arm in open_arms:
            weights[arm] = [
                best_by_validation({w: losses(arm, w, [part]) for w in self.config.weight_grid})
                for part in self.partitions
            ]
        modality = {
            fusion: best_by_validation({n: losses(Arm(fusion, NONE, n), 0.0, self.partitions) for n in names[fusion]})
            for fusion in self.config.fusions
            if names[fusion]
        }
        table = [
            {"arm": f"{arm.label}/{arm.measure}", "weight": w, "valid_loss": sum(found) / len(found)}
            for arm, w in choices
            if (found := losses(arm, w, self.partitions))
        ]
        selection = Selection(weights, modality, table)
        write_text(self.folder / SELECTION, json.dumps(_plain(selection), indent=2))
        return selection

    def report(self, selection: Selection, stage: str, first_seed: int) -> list[ComparisonRow]:
        seeds = range(first_seed, first_seed + self.config.seeds)
        arms = selection.reported_arms()
        tasks = [
            Trial(arm, selection.weight(arm, part), seed, part, True)
            for seed in seeds
            for arm in arms
            for part in self.partitions
        ]
        results = self.run(stage, tasks)
        table: dict[Setting, list[SeedRun]] = {}
        for arm in arms:
            weights = [selection.weight(arm, part) for part in self.partitions]
            setting = (arm.label, arm.measure, sum(weights) / len(weights))
            table[setting] = [self._seed_run(arm, weights, seed, results) for seed in seeds]
        parents = {f"{fusion}:{name}": fusion for fusion, name in selection.modality.items()}
        return [self._noted(row) for row in comparison_rows(table, parents=parents)]

    def _noted(self, row: ComparisonRow) -> ComparisonRow:
        """The row with what must be known of the data: it goes wherever the number goes."""
        return replace(
            row, note="; ".join(part for part in (row.note, note_of(self.inputs[row.fusion.partition(":")[0]])) if part)
        )

    def _seed_run(self, arm: Arm, weights: list[float], seed: int, results: dict[Trial, TrialResult]) -> SeedRun:
        runs = [results[Trial(arm, weights[part], seed, part, True)] for part in self.partitions]
        tables = [run.predictions() for run in runs]
        collapsed = any(is_collapsed(table.target, table.prediction) for table in tables)
        return SeedRun(seed, PredictionTable.concatenate(tables), sum(run.seconds for run in runs), collapsed)


def _plain(selection: Selection) -> dict[str, Any]:
    return {
        "weights": {f"{arm.label}/{arm.measure}": w for arm, w in selection.weights.items() if arm.has_penalty},
        "single_modality": selection.modality,
        "mean_validation_loss": selection.losses,
    }
