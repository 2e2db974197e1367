"""``comodal.fit``: the model that a run saves, in memory, from data that need no test part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import fit, train
from comodal.evaluation.predictor import load_model
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

CONFIG = RunConfig(penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=2, batch_size=32))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("synthetic:redundant")


def test_it_is_the_model_of_a_saved_run_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    model = fit(DataConfig(source="synthetic:redundant"), CONFIG)
    report = train(DataConfig(source="synthetic:redundant"), CONFIG, out=tmp_path)
    test = dataset.subset(dataset.partitions[0].test)
    found, saved = model.predict(test), load_model(tmp_path).predict(test)
    for name in ("prediction", "critic_score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(saved, name))
        np.testing.assert_array_equal(getattr(found, name), getattr(report.predictions, name))


def test_it_needs_no_test_part_and_reads_none(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partition = dataset.partitions[0]
    without = dataset.subset(np.concatenate([partition.train, partition.valid]))
    assert len(without.partitions[0].test) == 0
    monkeypatch.chdir(tmp_path)
    test = dataset.subset(partition.test)
    found = fit(without, CONFIG).predict(test)
    np.testing.assert_array_equal(found.prediction, fit(dataset, CONFIG).predict(test).prediction)
    assert list(tmp_path.iterdir()) == [], "nothing is written"
    with refused("empty", "test"):
        train(without, CONFIG)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_the_other_parts_are_needed(split: str, dataset: Dataset) -> None:
    partition = dataset.partitions[0]
    rows = {"train": partition.valid, "valid": partition.train}[split]
    with refused("empty", split):
        fit(dataset.subset(rows), CONFIG)
