"""Representations, fused vector and prediction of each sample.

Axis legend: N samples, K outputs, D_m width of the representation of modality m, F of the fused one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodal.contracts import FusionOutput, MultimodalBatch, Regression, Task
from comodal.data.corruption_acts import drop_modality
from comodal.data.dataset import UNLABELLED
from comodal.dependency import views_of
from comodal.evaluation.fitted import FittedFold

__all__ = ["Representations", "represent", "represent_batches", "represent_training", "without_each"]


@dataclass(frozen=True, eq=False)
class Representations:
    """Outputs of a model for N samples.

    Attributes:
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each.
        target: ``(N,)`` or ``(N, K)``, NaN where unknown.
        prediction: ``(N,)`` or ``(N, K)``, NaN where unknown.
        fused: ``(N, F)`` float32.
        views: modality to ``(N, D_m)`` float32.
        task: what is predicted.
    """

    id: NDArray[Any]
    group: NDArray[Any]
    target: NDArray[Any]
    prediction: NDArray[Any]
    fused: Tensor
    views: Mapping[str, Tensor]
    task: Task = field(default_factory=Regression)

    def __len__(self) -> int:
        return len(self.id)

    def compared(self, between: str = "modalities") -> dict[str, Tensor]:
        """Return the views of a critic, name to ``(N, D)``; see :func:`comodal.dependency.views_of`."""
        output = FusionOutput(torch.from_numpy(self.task.output_values(self.prediction)), self.fused, self.views)
        return views_of(output, between=between)

    def take(self, rows: NDArray[Any]) -> Representations:
        """Return some of the samples, chosen by row number or by a boolean mask."""
        chosen = torch.from_numpy(np.arange(len(self))[rows])
        return replace(
            self,
            id=self.id[rows],
            group=self.group[rows],
            target=self.target[rows],
            prediction=self.prediction[rows],
            fused=self.fused[chosen],
            views={name: view[chosen] for name, view in self.views.items()},
        )


def represent(fitted: FittedFold, split: str = "test") -> Representations:
    """Return the outputs of a fitted model for one split of its partition: ``train``, ``valid`` or ``test``."""
    rows = fitted.fold.partition.splits[split]
    return represent_batches(fitted.model, fitted.batches(split), group=fitted.fold.groups[rows], task=fitted.task)


def represent_training(fitted: FittedFold) -> Representations:
    """Return the same for the training part, with its unlabelled samples, which the dependency measure saw too."""
    parts = fitted.fold.partition.splits
    splits = [name for name in ("train", UNLABELLED) if name in parts]
    groups = fitted.fold.groups[np.concatenate([parts[name] for name in splits])]
    batches = chain.from_iterable(map(fitted.batches, splits))
    return represent_batches(fitted.model, batches, group=groups, task=fitted.task)


def represent_batches(
    model: nn.Module, batches: Iterable[MultimodalBatch], *, group: NDArray[Any], task: Task
) -> Representations:
    """Return the outputs of a model for batches whose samples have the groups ``(N,)``."""
    ids: list[str] = []
    targets: list[Tensor] = []
    outputs: list[FusionOutput] = []
    with torch.no_grad():  # not inference mode: a critic may be fitted on these tensors
        for batch in batches:
            ids.extend(batch.id)
            targets.append(batch.target)
            outputs.append(model(batch))
    return Representations(
        id=np.asarray(ids),
        group=np.asarray(group),
        target=torch.cat(targets).float().numpy(),
        prediction=torch.cat([task.predict(output.logits) for output in outputs]).float().numpy(),
        fused=torch.cat([output.fused for output in outputs]).float(),
        views={
            name: torch.cat([output.representations[name] for output in outputs]).float()
            for name in outputs[0].representations
        },
        task=task,
    )


def without_each(fitted: FittedFold, *, split: str = "test") -> dict[str, Tensor]:
    """Return predictions ``(N,)`` or ``(N, K)`` on one split with each modality in turn hidden from the model."""

    def prediction(batch: MultimodalBatch, name: str) -> Tensor:
        hidden = drop_modality(batch, name, probability=1.0, generator=torch.Generator())
        return fitted.task.predict(fitted.model(hidden).logits)

    batches = list(fitted.batches(split))
    with torch.inference_mode():
        return {
            name: torch.cat([prediction(batch, name) for batch in batches]).float() for name in batches[0].modalities
        }
