"""A fitted model comes back from its folder as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from finished_runs import config

from comodal.data.dataset import Dataset
from comodal.evaluation.fitted import (
    FittedFold,
    load_fitted,
    save_fitted,
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
