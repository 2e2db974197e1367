"""A small data set and short runs for the training tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from comodal.data.dataset import Dataset
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
from comodal.training.data import FoldData, prepare
from comodal.training.fit import FitResult, fit_fold


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return synthetic(
        SyntheticConfig(n_train=60, n_valid=24, n_test=32, dims={"text": 6, "audio": 5, "vision": 5}, label_shared=0.9)
    )


@pytest.fixture(scope="session")
def fold(dataset: Dataset) -> FoldData:
    return prepare(dataset, dataset.partitions[0])


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_config(*, seed: int = 0, penalty: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    options = {"max_epochs": 3, "batch_size": 16, **training}
    return RunConfig(seed=seed, penalty=PenaltyConfig(**(penalty or {})), training=TrainingConfig(**options))


@pytest.fixture
def config() -> Callable[..., RunConfig]:
    """Builder of short runs; ``penalty`` is a dict, other options go to the training config."""
    return make_config


@pytest.fixture
def run(fold: FoldData) -> Callable[..., FitResult]:
    """Fit the small data set."""

    def fit(config: RunConfig, **options: Any) -> FitResult:
        return fit_fold(fold, config, **options)

    return fit
