"""Small data sets of every task: two modalities of one latent cause, of which the labels are functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import comodal
from comodal.data.dataset import Dataset
from comodal.evaluation.experiment import train
from comodal.evaluation.runs import RunSet, open_runs
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

N = 240
LATENT = np.random.default_rng(0).normal(size=(N, 3))
LABELS: dict[str, object] = {
    "binary": np.where(LATENT[:, 0] > 0, "yes", "no"),
    "multiclass": np.array(["low", "middle", "high"])[np.digitize(LATENT[:, 0], [-0.5, 0.5])],
    "multilabel": LATENT[:, :2] > 0,
    "regression": LATENT[:, 0],
    "outputs": LATENT[:, :2],
}
OF_CLASSES = ("binary", "multiclass", "multilabel")
NAMED = (*OF_CLASSES, "outputs")
"""The tasks whose classes, labels or outputs have names."""


def dataset(kind: str, labels: object = None, **more: Any) -> Dataset:
    """240 samples in groups of four, with the labels of a kind or others."""
    rng = np.random.default_rng(1)
    features = {name: LATENT + 0.3 * rng.normal(size=(N, 3)) for name in ("left", "right")}
    return comodal.from_arrays(features, LABELS[kind] if labels is None else labels, group=np.arange(N) // 4, **more)


def penalised_run(kind: str, folder: Path, labels: object = None, **more: Any) -> RunSet:
    """A short run with a critic."""
    data, penalty = dataset(kind, labels, **more), PenaltyConfig(measure="kl", weight=0.1)
    train(data, RunConfig(penalty=penalty, training=TrainingConfig(max_epochs=8, lr=5e-3)), out=folder)
    return open_runs(folder, source=data)
