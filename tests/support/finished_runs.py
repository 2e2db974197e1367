"""Small finished runs: a data set of two folds, trained once and compared over two seeds and two fresh ones."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodal.data.dataset import Dataset, Partition
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.evaluation import comparison
from comodal.evaluation.comparison import compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import CompareConfig
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

SHORT = TrainingConfig(max_epochs=2, batch_size=16)


def two_folds() -> Dataset:
    """Two halves of ten videos, each tested by the model that was trained on the other."""
    whole = synthetic(SyntheticConfig(n_train=48, n_valid=32, n_test=80))
    (first,) = whole.partitions
    half = np.concatenate([first.train, first.valid])
    second = Partition("fold 1", train=first.test[:48], valid=first.test[48:], test=half)
    return replace(whole, partitions=(replace(first, name="fold 0"), second))


def config(measure: str = "kl", **options: Any) -> RunConfig:
    return RunConfig(penalty=PenaltyConfig(measure=measure, weight=0.3), training=SHORT, **options)


def two_arms(training: TrainingConfig) -> CompareConfig:
    """Early fusion with and without a penalty of a fixed weight, over two seeds."""
    base = RunConfig(training=training)
    return CompareConfig(measures=("none", "kl"), weight=0.3, seeds=2, selection_seeds=1, base=base)


def compared(folder: Path, dataset: Dataset) -> Path:
    """Early fusion with and without a penalty, of another weight in each fold, and on text alone."""
    turns = itertools.count()

    def choose(losses: dict[Any, Any]) -> Any:
        choices = list(losses)
        return "text" if "text" in choices else choices[next(turns) % len(choices)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataConfig, "load", lambda _: dataset)
        patch.setattr(comparison, "best_by_validation", choose)
        chosen = CompareConfig(
            measures=("none", "kl"), weight_grid=(0.5, 1.0), seeds=2, selection_seeds=1, base=RunConfig(training=SHORT)
        )
        compare(DataConfig(source="elsewhere"), chosen, out=folder, replicate=True)
    return folder
