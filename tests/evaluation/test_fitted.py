"""A fitted model comes back from its folder as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from finished_runs import config
from refusals import refused

from comodal.data.dataset import Dataset
from comodal.evaluation.fitted import (
    WEIGHTS,
    FittedFold,
    load_fitted,
    read_history,
    save_fitted,
    save_history,
)
from comodal.evaluation.runs import open_runs
from comodal.training.data import prepare
from comodal.training.fit import fit_fold


def test_weights_critic_and_statistics_survive_the_disk(tmp_path: Path, folds: Dataset) -> None:
    fold = prepare(folds, folds.partitions[0], config())
    result = fit_fold(fold, config())
    save_fitted(fold, result, tmp_path)
    before, after = FittedFold.of(fold, config(), result), load_fitted(fold, config(), tmp_path)
    assert not after.model.training
    for split in ("train", "valid", "test"):
        one, other = before.predict(split), after.predict(split)
        np.testing.assert_array_equal(one.prediction, other.prediction)
        np.testing.assert_array_equal(one.critic_score, other.critic_score)
        assert np.isfinite(other.critic_score).all()
        assert set(other.split) == {split}


def test_batches_are_the_split_in_order_and_standardised(trained_folder: Path, folds: Dataset) -> None:
    found = open_runs(trained_folder, source=folds)
    for fitted, partition in zip(found.fitted(found.runs[0]), folds.partitions, strict=True):
        (batch,) = fitted.batches()
        assert list(batch.id) == folds.id[partition.test].tolist()
        raw = folds.modalities["text"].values
        mean, std = raw[partition.train].mean(axis=0), raw[partition.train].std(axis=0)
        expected = (raw[partition.test] - mean) / std
        np.testing.assert_allclose(batch.modalities["text"].values[:, 0], expected, atol=1e-4)
        with torch.inference_mode():
            np.testing.assert_array_equal(fitted.model(batch).logits.squeeze(1), fitted.predict().prediction)


def test_a_run_without_a_penalty_has_no_critic(tmp_path: Path, folds: Dataset) -> None:
    fold, plain = prepare(folds, folds.partitions[0], config("none")), config("none")
    save_fitted(fold, fit_fold(fold, plain), tmp_path)
    fitted = load_fitted(fold, plain, tmp_path)
    assert fitted.penalty is None
    assert np.isnan(fitted.predict().critic_score).all()


def test_weights_of_another_model_are_refused(trained_folder: Path, tmp_path: Path, folds: Dataset) -> None:
    fold = prepare(folds, folds.partitions[0], config())
    with refused("mismatch", WEIGHTS):
        load_fitted(fold, config(fusion="lfn"), trained_folder / "fold 0")
    damaged = Path(shutil.copytree(trained_folder / "fold 0", tmp_path / "damaged"))
    (damaged / WEIGHTS).write_bytes(b"no weights")
    with refused("damaged", WEIGHTS):
        load_fitted(fold, config(), damaged)


def test_history_tells_every_epoch(tmp_path: Path, folds: Dataset) -> None:
    assert read_history(tmp_path) is None
    fold = prepare(folds, folds.partitions[0], config())
    result = fit_fold(fold, config())
    save_history(result, tmp_path)
    kept = read_history(tmp_path)
    assert kept is not None
    assert (len(kept["epochs"]), kept["best_epoch"]) == (result.epochs, result.best_epoch)
    assert min(epoch["valid_loss"] for epoch in kept["epochs"]) == pytest.approx(result.valid_loss)
