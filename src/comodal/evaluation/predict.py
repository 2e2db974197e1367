"""Predict with a fitted model, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comodal.contracts import FusionOutput, MultimodalBatch, PredictionTable
from comodal.dependency import DependencyPenalty, views_of

__all__ = ["predict"]


def predict(
    model: nn.Module,
    batches: Iterable[MultimodalBatch],
    *,
    group: NDArray[Any],
    split: str,
    scenario: str = "clean",
    penalty: DependencyPenalty | None = None,
    between: str = "modalities",
) -> PredictionTable:
    """Run a model over batches, in their order.

    Args:
        model: a fusion model, in evaluation mode.
        batches: batches, moved to the model's device.
        group: ``(N,)`` the group of each sample, in the order of the batches.
        split: which part of the data set this is.
        scenario: which modalities are present or corrupted.
        penalty: its critic, on the same device, scores every sample; ``None`` leaves NaN.
        between: which variables the critic compares.

    Example:
        >>> from comodal.data.load import load
        >>> from comodal.training.config import RunConfig
        >>> from comodal.training.data import prepare
        >>> from comodal.training.build import build_model
        >>> dataset = load("synthetic")
        >>> fold = prepare(dataset, dataset.partitions[0])
        >>> model = build_model(dataset.spec, RunConfig()).eval()
        >>> table = predict(model, fold.valid_loader(), group=dataset.group[fold.partition.valid], split="valid")
        >>> len(table) == len(fold.partition.valid)
        True
    """
    ids: list[str] = []
    parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        for batch in (given.to(device) for given in batches):
            output: FusionOutput = model(batch)
            ids.extend(batch.id)
            parts.append((batch.target, output.logits.squeeze(1), _scores(penalty, output, between)))
    target, prediction, critic = (torch.cat(column).float().cpu().numpy() for column in zip(*parts, strict=True))
    return PredictionTable(
        id=np.asarray(ids),
        group=np.asarray(group),
        split=np.full(len(ids), split),
        scenario=np.full(len(ids), scenario),
        target=target,
        prediction=prediction,
        critic_score=critic,
    )


def _scores(penalty: DependencyPenalty | None, output: FusionOutput, between: str) -> torch.Tensor:
    if penalty is None:
        return output.logits.new_full((len(output.logits),), float("nan"))
    return penalty.measure.scores(views_of(output, between=between))
