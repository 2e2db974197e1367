"""Run the tasks of a comparison, several at a time, and never one twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from comodal.atomic_write import write_text
from comodal.contracts import PredictionTable
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import fit_fold
from comodal.evaluation.fitted import FittedFold, keep_history, keep_weights
from comodal.evaluation.grid import Trial
from comodal.evaluation.pool import in_processes, one_thread
from comodal.evaluation.runs import PREDICTIONS, RESULT
from comodal.fusion import fusion_family
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare
from comodal.training.run_folder import read_json

__all__ = ["TrialResult", "run_tasks"]


@dataclass(frozen=True)
class TrialResult:
    """What a task left.

    Attributes:
        valid_loss: lowest validation loss.
        seconds: wall-clock seconds of the fit.
        epochs: epochs run.
        folder: where the predictions lie, if the test part was read.
    """

    valid_loss: float
    seconds: float
    epochs: int
    folder: Path

    def predictions(self) -> PredictionTable:
        """Predictions on the test part."""
        return PredictionTable.from_parquet(self.folder / PREDICTIONS)


def run_tasks(
    tasks: Sequence[Trial],
    *,
    data: DataConfig,
    bases: Mapping[str, RunConfig],
    root: Path,
    jobs: int = 1,
    keep: bool = True,
    advance: Callable[[int], None] | None = None,
) -> dict[Trial, TrialResult]:
    """Train every task that has no result yet.

    Args:
        tasks: what to train.
        data: where the data come from; each process reads them once.
        bases: base configuration by architecture.
        root: folder of the results.
        jobs: processes, each with one thread.
        keep: keep the weights of each run.
        advance: called with the number of tasks that are done, for a progress bar.

    Returns:
        Every task's result, in the order of the tasks. Interrupted, the results so far stay and are not repeated.

    Raises:
        InputError: bad data or options, or a run that diverged.
    """
    results = {task: result for task in tasks if (result := _finished(task, root)) is not None}
    report = advance or _silent
    report(len(results))
    todo = [_Job(task, data, bases[task.arm.fusion], root, keep) for task in tasks if task not in results]
    for task, result in _run_jobs(todo, jobs):
        results[task] = result
        report(1)
    return {task: results[task] for task in tasks}


@dataclass(frozen=True)
class _Job:
    task: Trial
    data: DataConfig
    base: RunConfig
    root: Path
    keep: bool


def _run_jobs(jobs: Sequence[_Job], processes: int) -> Iterator[tuple[Trial, TrialResult]]:
    if processes == 1 or len(jobs) < 2:
        with one_thread():
            try:
                for job in jobs:
                    yield job.task, _run(job)
            finally:  # the next call may find other data under the same name
                _fold.cache_clear()
                _dataset.cache_clear()
        return
    for finished, result in in_processes(_run, jobs, processes):
        yield finished.task, result


def _run(job: _Job) -> TrialResult:
    task = job.task
    config = task.config(job.base)
    words = json.dumps([config.fusion, config.fusion_config]) if fusion_family(config.fusion).tokenizer else ""
    fold = _fold(json.dumps(dataclasses.asdict(job.data)), words, task.arm.modality, task.partition)
    result = fit_fold(fold, config)
    folder = task.folder(job.root)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if task.reads_test:
        FittedFold.of(fold, config, result).predict().to_parquet(partial / PREDICTIONS)
        keep_history(result, partial)
        if job.keep:
            keep_weights(fold, result, partial)
    outcome = TrialResult(result.valid_loss, result.seconds, result.epochs, folder)
    kept = {"valid_loss": outcome.valid_loss, "seconds": outcome.seconds, "epochs": outcome.epochs}
    write_text(partial / RESULT, json.dumps(kept))
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return outcome


def _finished(task: Trial, root: Path) -> TrialResult | None:
    folder = task.folder(root)
    if not (folder / RESULT).exists():
        return None
    kept = read_json(folder / RESULT)
    return TrialResult(kept["valid_loss"], kept["seconds"], kept["epochs"], folder)


@lru_cache(maxsize=1)
def _dataset(data: str) -> Dataset:
    return DataConfig(**json.loads(data)).load()


@lru_cache(maxsize=32)
def _fold(data: str, words: str, modality: str, partition: int) -> FoldData:
    """Prepared once for all architectures that read features; a language model's pieces are its own."""
    dataset = _dataset(data)
    fusion, options = json.loads(words) if words else (RunConfig().fusion, {})
    config = RunConfig(fusion=fusion, fusion_config=options)
    return prepare(dataset, dataset.partitions[partition], config, modality=modality)


def _silent(count: int) -> Any:
    del count
