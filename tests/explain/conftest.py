"""A short run of the embedded data with a critic, and one without."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodal.data.dataset import Dataset
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet, open_runs
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

SOURCE = "synthetic:redundant"


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return DataConfig(source=SOURCE).load()


def _run(folder: Path, measure: str, between: str = "modalities") -> RunSet:
    penalty = PenaltyConfig(measure=measure, weight=0.3, between=between)
    config = RunConfig(penalty=penalty, training=TrainingConfig(max_epochs=3, batch_size=32))
    train(DataConfig(source=SOURCE), config, out=folder)
    return open_runs(folder)


@pytest.fixture(scope="session")
def with_kl(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    return _run(tmp_path_factory.mktemp("kl"), "kl")


@pytest.fixture(scope="session")
def with_fusion(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    return _run(tmp_path_factory.mktemp("fusion"), "f", "fusion")


@pytest.fixture(scope="session")
def without_critic(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    return _run(tmp_path_factory.mktemp("none"), "none")


@pytest.fixture(scope="session")
def with_statistic(tmp_path_factory: pytest.TempPathFactory) -> RunSet:
    """A run of a measure that scores no sample."""
    return _run(tmp_path_factory.mktemp("dhsic"), "dhsic")


@pytest.fixture(scope="session")
def fitted(with_kl: RunSet) -> FittedFold:
    return next(with_kl.fitted(with_kl.runs[0]))
