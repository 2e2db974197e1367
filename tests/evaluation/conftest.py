"""Short runs on a small preset of the embedded data for the tests that train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig


@pytest.fixture
def data() -> DataConfig:
    """120 utterances to train on, 100 to validate, 800 to test."""
    return DataConfig(source="synthetic:redundant")


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return DataConfig(source="synthetic:redundant").load()


@pytest.fixture(scope="session")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def short(_one_thread: None) -> Callable[..., RunConfig]:
    """Builder of short runs; ``penalty`` is a dict, other options go to the training config."""

    def build(
        *, seed: int = 0, fusion: str = "early", penalty: dict[str, Any] | None = None, **training: Any
    ) -> RunConfig:
        options = {"max_epochs": 2, "batch_size": 32, **training}
        return RunConfig(
            seed=seed, fusion=fusion, penalty=PenaltyConfig(**(penalty or {})), training=TrainingConfig(**options)
        )

    return build
