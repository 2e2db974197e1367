"""The validation loss: that of the task, or without a task the dependency between the modalities.

Axis legend: B samples of a batch, N samples of the validation part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from comodal.contracts import MultimodalBatch
from comodal.dependency import DependencyPenalty, views_with_gaps
from comodal.dependency.gaps import parts_of
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

    Samples that lack a modality are left out as in training; a part with too few others is left out, too. A negative
    weight, which reduces the dependency, makes it plus the dependency: smaller is better in both cases.
    """
    found = [views_with_gaps(model(batch), batch, between=between) for batch in batches]
    names = penalty.measure.layout.names
    views = [torch.cat([each.views[name] for each in found]) for name in names]  # type: ignore[call-overload]
    present = torch.stack([torch.cat([each.mask[name] for each in found]) for name in names], dim=1).cpu()
    sign = -math.copysign(1.0, penalty.weight)
    for rows in torch.arange(len(present)).tensor_split(-(-len(present) // EVALUATION_BATCH)):
        parts = parts_of(penalty.measure, [view[rows] for view in views], present[rows])
        if parts:
            yield sign * torch.stack([measure.value(each) for measure, each in parts]).mean(), len(rows)
