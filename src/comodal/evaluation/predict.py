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
    """Run a model in evaluation mode over batches, in their order; critic scores are NaN without a penalty."""
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
