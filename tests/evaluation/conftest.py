"""Short runs on a small preset of the embedded data for the tests that train."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from finished_runs import compared, config, two_folds

from comodal.data.dataset import Dataset
from comodal.evaluation import runner
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig


@pytest.fixture
def data() -> DataConfig:
    """120 samples to train on, 100 to validate, 800 to test."""
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


@pytest.fixture(scope="session")
def folds() -> Dataset:
    return two_folds()


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, folds: Dataset, _one_thread: None) -> Path:
    """One finished run of two folds; do not write into it."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(folds, config(), out=folder)
    return folder


@pytest.fixture(scope="session")
def compared_folder(tmp_path_factory: pytest.TempPathFactory, folds: Dataset, _one_thread: None) -> Path:
    """A finished comparison of two folds; do not write into it."""
    return compared(tmp_path_factory.mktemp("compared") / "comparison", folds)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """Configuration of every fit of a trial that is really done."""
    done: list[RunConfig] = []
    fit = runner.fit_fold

    def counted(fold: Any, config: RunConfig) -> Any:
        done.append(config)
        return fit(fold, config)

    monkeypatch.setattr(runner, "fit_fold", counted)
    return done
