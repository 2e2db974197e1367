"""Run the trials of a comparison, several at a time; finished trials are never repeated."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from comodal.atomic_write import write_text
from comodal.contracts import PredictionTable
from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.fitted import FittedFold, save_fitted, save_history
from comodal.evaluation.grid import Trial
from comodal.evaluation.pool import Advance, no_advance, run_each
from comodal.evaluation.runs import PREDICTIONS, RESULT, tokenizer_key
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare
from comodal.training.fit import fit_fold

__all__ = ["TrialResult", "run_trials"]
from comodal.contracts.json_records import read_json


@dataclass(frozen=True)
class TrialResult:
    """Result of a finished trial."""

    valid_loss: float  # the lowest
    seconds: float
    epochs: int
    folder: Path  # of the predictions, if the test part was read

    def predictions(self) -> PredictionTable:
        """Read the predictions on the test part."""
        return PredictionTable.from_parquet(self.folder / PREDICTIONS)


def run_trials(
    trials: Sequence[Trial],
    *,
    data: DataConfig,
    bases: Mapping[str, RunConfig],
    root: Path,
    jobs: int = 1,
    keep: bool = True,
    advance: Advance = no_advance,
) -> dict[Trial, TrialResult]:
    """Train every trial that has no result yet, and return the results of all, in order.

    Finished trials survive an interruption and are not repeated.
    """
    results = {trial: result for trial in trials if (result := _finished(trial, root)) is not None}
    advance(len(results))
    todo = [trial for trial in trials if trial not in results]
    try:
        for trial, result in run_each(partial(_run, data=data, bases=bases, root=root, keep=keep), todo, jobs):
            results[trial] = result
            advance(1)
    finally:  # the next call may find other data under the same name
        _fold.cache_clear()
        _dataset.cache_clear()
    return {trial: results[trial] for trial in trials}


def _run(trial: Trial, *, data: DataConfig, bases: Mapping[str, RunConfig], root: Path, keep: bool) -> TrialResult:
    config = trial.config(bases[trial.arm.fusion])
    fold = _fold(json.dumps(dataclasses.asdict(data)), tokenizer_key(config), trial.arm.modality, trial.partition)
    result = fit_fold(fold, config)
    folder = trial.folder(root)
    partly = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partly, ignore_errors=True)
    partly.mkdir(parents=True)
    if trial.reads_test:
        FittedFold.of(fold, config, result).predict().to_parquet(partly / PREDICTIONS)
        save_history(result, partly)
        if keep:
            save_fitted(fold, result, partly)
    found = {"valid_loss": result.valid_loss, "seconds": result.seconds, "epochs": result.epochs}
    write_text(partly / RESULT, json.dumps(found))
    shutil.rmtree(folder, ignore_errors=True)
    partly.replace(folder)
    return TrialResult(result.valid_loss, result.seconds, result.epochs, folder)


def _finished(trial: Trial, root: Path) -> TrialResult | None:
    folder = trial.folder(root)
    if not (folder / RESULT).exists():
        return None
    found = read_json(folder / RESULT)
    return TrialResult(found["valid_loss"], found["seconds"], found["epochs"], folder)


@lru_cache(maxsize=1)
def _dataset(data: str) -> Dataset:
    return DataConfig(**json.loads(data)).load()


@lru_cache(maxsize=32)
def _fold(data: str, tokenizer: str, modality: str, partition: int) -> FoldData:
    """Prepare a fold once for all architectures that read the same tensors."""
    dataset = _dataset(data)
    fusion, options = json.loads(tokenizer) if tokenizer else (RunConfig().fusion, {})
    config = RunConfig(fusion=fusion, fusion_config=options)
    return prepare(dataset, dataset.partitions[partition], config, modality=modality)
