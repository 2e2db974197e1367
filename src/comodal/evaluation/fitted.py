"""A fitted model with the data of its partition: predict with it, save it in a folder and load it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from comodal.atomic_write import write_text
from comodal.contracts import DatasetSpec, FusionOutput, InputError, MultimodalBatch, PredictionTable, Task
from comodal.contracts.json_records import read_json
from comodal.data.loader import loader, ordered
from comodal.dependency import DependencyPenalty, views_of
from comodal.training.build import build_model, build_penalty
from comodal.training.config import RunConfig
from comodal.training.data import EVALUATION_BATCH, FoldData
from comodal.training.fit import FitResult
from comodal.training.weights import copy_weights, load_weights, restore_weights, save_weights

__all__ = [
    "STANDARDIZER",
    "WEIGHTS",
    "FittedFold",
    "load_fitted",
    "load_networks",
    "predict",
    "read_history",
    "save_fitted",
    "save_history",
]

WEIGHTS = "weights.safetensors"
STANDARDIZER = "standardizer.safetensors"
_HISTORY = "history.json"


@dataclass(frozen=True)
class FittedFold:
    """A model at the weights that validation selected, and the standardised data of its partition."""

    fold: FoldData
    config: RunConfig
    model: nn.Module
    penalty: DependencyPenalty | None  # with its critic, in evaluation mode like the model

    @property
    def task(self) -> Task:
        """Return what is predicted."""
        return self.fold.view.spec.task

    @property
    def has_critic(self) -> bool:
        """Return whether it was trained with a penalty that scores samples."""
        return self.penalty is not None and self.penalty.measure.facts.pointwise is not None

    @classmethod
    def of(cls, fold: FoldData, config: RunConfig, result: FitResult) -> FittedFold:
        """Return the model of a fit with the data of its partition."""
        return cls(fold, config, result.model, result.penalty)

    def batches(self, split: str = "test") -> DataLoader[MultimodalBatch]:
        """Return every sample of one split in order."""
        return loader(self.fold.view, ordered(self.fold.partition.splits[split], batch_size=EVALUATION_BATCH))

    def predict(self, split: str = "test") -> PredictionTable:
        """Return predictions and critic scores on one split."""
        return predict(
            self.model,
            self.batches(split),
            task=self.task,
            group=self.fold.groups[self.fold.partition.splits[split]],
            split=split,
            penalty=self.penalty,
            between=self.config.penalty.between,
        )

    @torch.inference_mode()
    def representations(self, split: str = "test") -> dict[str, NDArray[np.float32]]:
        """Return modality to ``(N, D_m)`` representations of one split."""
        device = _device(self.model)
        found = [self.model(batch.to(device)).representations for batch in self.batches(split)]
        return {name: torch.cat([each[name] for each in found]).float().cpu().numpy() for name in found[0]}


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
    return FittedFold(fold, config, *load_networks(fold.view.spec, config, folder / WEIGHTS))


def load_networks(spec: DatasetSpec, config: RunConfig, weights: Path) -> tuple[nn.Module, DependencyPenalty | None]:
    """Build the model and the penalty of a run in evaluation mode, and load their weights from a file."""
    model = build_model(spec, config)
    penalty = build_penalty(model, config, 1)
    try:
        restore_weights(model, penalty, load_weights(weights))
    except InputError as error:
        raise error.at(weights) from error
    return model.eval(), None if penalty is None else penalty.eval()


def predict(
    model: nn.Module,
    batches: Iterable[MultimodalBatch],
    *,
    task: Task,
    group: NDArray[Any],
    split: str,
    scenario: str = "clean",
    penalty: DependencyPenalty | None = None,
    between: str = "modalities",
) -> PredictionTable:
    """Run a model in evaluation mode over batches, in their order; critic scores are NaN without any."""
    ids: list[str] = []
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    device = _device(model)
    with torch.inference_mode():
        for batch in (given.to(device) for given in batches):
            output: FusionOutput = model(batch)
            ids.extend(batch.id)
            parts.append((batch.target, task.predict(output.logits), _scores(penalty, output, between)))
    target, prediction, critic = (torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True))
    return PredictionTable(
        id=np.asarray(ids),
        group=np.asarray(group),
        split=np.full(len(ids), split),
        scenario=np.full(len(ids), scenario),
        target=target,
        prediction=prediction,
        critic_score=critic,
        task=task,
    )


def _device(model: nn.Module) -> torch.device:
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def _scores(penalty: DependencyPenalty | None, output: FusionOutput, between: str) -> torch.Tensor:
    scores = None if penalty is None else penalty.measure.pointwise(views_of(output, between=between))
    return output.logits.new_full((len(output.logits),), float("nan")) if scores is None else scores
