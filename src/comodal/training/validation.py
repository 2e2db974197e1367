"""The validation loss: that of the task, or without a task the dependency between the modalities.

Axis legend: B samples of a batch, N samples of the validation part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from comodal.contracts import MultimodalBatch
from comodal.dependency import DependencyPenalty, views_of
from comodal.training.data import EVALUATION_BATCH

__all__ = ["dependency_losses", "task_losses"]


def task_losses(
    model: nn.Module, batches: Iterable[MultimodalBatch], loss: Callable[[Tensor, Tensor], Tensor]
) -> Iterator[tuple[Tensor, int]]:
    """Yield the mean task loss of each batch, and its number of samples."""
    for batch in batches:
        yield loss(model(batch).logits, batch.target), len(batch)


def dependency_losses(
    model: nn.Module, batches: Iterable[MultimodalBatch], penalty: DependencyPenalty, *, between: str
) -> Iterator[tuple[Tensor, int]]:
    """Yield minus the dependency of nearly equal parts of at most 1024 samples, and their numbers of samples.

    Plus the dependency where a negative weight reduces it: smaller is better in both cases.
    """
    found = [views_of(model(batch), between=between) for batch in batches]
    whole = {name: torch.cat([views[name] for views in found]) for name in found[0]}
    count = len(next(iter(whole.values())))
    sign = -math.copysign(1.0, penalty.weight)
    for rows in torch.arange(count).tensor_split(-(-count // EVALUATION_BATCH)):
        yield sign * penalty.measure.value({name: view[rows] for name, view in whole.items()}), len(rows)
