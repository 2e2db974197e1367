"""A fitted model with the data of its partition; save it in a folder and load it again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from comodal.atomic_write import write_text
from comodal.contracts import InputError, MultimodalBatch, PredictionTable
from comodal.data.loader import OrderedSampler, loader
from comodal.dependency import DependencyPenalty
from comodal.evaluation.predict import predict
from comodal.training.build import build_model, build_penalty
from comodal.training.config import RunConfig
from comodal.training.data import EVALUATION_BATCH, FoldData
from comodal.training.fit import FitResult
from comodal.training.run_folder import read_json
from comodal.training.weights import copy_weights, load_weights, restore_weights, save_weights

__all__ = ["STANDARDIZER", "WEIGHTS", "FittedFold", "load_fitted", "read_history", "save_fitted", "save_history"]

WEIGHTS = "weights.safetensors"
STANDARDIZER = "standardizer.safetensors"
_HISTORY = "history.json"


@dataclass(frozen=True)
class FittedFold:
    """A model at the weights that validation selected, and the standardised data of its partition.

    Attributes:
        fold: the partition.
        config: how it was trained.
        model: in evaluation mode.
        penalty: with its critic, ``None`` for a run without a penalty.
    """

    fold: FoldData
    config: RunConfig
    model: nn.Module
    penalty: DependencyPenalty | None

    @classmethod
    def of(cls, fold: FoldData, config: RunConfig, result: FitResult) -> FittedFold:
        """Return the model of a fit with the data of its partition."""
        return cls(fold, config, result.model, result.penalty)

    def batches(self, split: str = "test") -> list[MultimodalBatch]:
        """Return every sample of one split in order."""
        rows = self.fold.partition.splits[split]
        return list(loader(self.fold.view, OrderedSampler(rows, batch_size=EVALUATION_BATCH)))

    def predict(self, split: str = "test") -> PredictionTable:
        """Return predictions and critic scores on one split."""
        rows = self.fold.partition.splits[split]
        return predict(
            self.model,
            loader(self.fold.view, OrderedSampler(rows, batch_size=EVALUATION_BATCH)),
            group=self.fold.groups[rows],
            split=split,
            penalty=self.penalty,
            between=self.config.penalty.between,
        )


def save_fitted(fold: FoldData, result: FitResult, folder: Path) -> None:
    """Write the selected weights and the training statistics."""
    save_weights(folder / WEIGHTS, copy_weights(result.model, result.penalty))
    fold.standardizer.save(folder / STANDARDIZER)


def save_history(result: FitResult, folder: Path) -> None:
    """Write the logged means of every epoch, the training curves of a report."""
    write_text(folder / _HISTORY, json.dumps({"best_epoch": result.best_epoch, "epochs": result.history}))


def read_history(folder: Path) -> dict[str, Any] | None:
    """Return ``best_epoch`` and ``epochs`` as :func:`save_history` wrote them, ``None`` without a history."""
    return read_json(folder / _HISTORY) if (folder / _HISTORY).exists() else None


def load_fitted(fold: FoldData, config: RunConfig, folder: Path) -> FittedFold:
    """Build a model and load its weights from a folder."""
    model = build_model(fold.view.spec, config)
    penalty = build_penalty(model, config, 1)
    path = folder / WEIGHTS
    try:
        restore_weights(model, penalty, load_weights(path))
    except InputError as error:
        raise error.at(path) from error
    return FittedFold(fold, config, model.eval(), None if penalty is None else penalty.eval())
