"""Predictions without one modality.

Axis legend: N samples.
"""

from __future__ import annotations

import torch

from comodal.contracts import MultimodalBatch
from comodal.data.corruptions import drop_modality
from comodal.evaluation.fitted import FittedFold

__all__ = ["without_each"]


def without_each(fitted: FittedFold, *, split: str = "test") -> dict[str, torch.Tensor]:
    """Return predictions on one split with each modality in turn hidden from the model.

    Args:
        fitted: a model and its data.
        split: ``train``, ``valid`` or ``test``.

    Returns:
        Modality to ``(N,)``.
    """
    batches = fitted.batches(split)
    with torch.inference_mode():
        return {
            name: torch.cat([fitted.model(_hidden(batch, name)).logits.squeeze(1) for batch in batches]).float()
            for name in batches[0].modalities
        }


def _hidden(batch: MultimodalBatch, name: str) -> MultimodalBatch:
    return drop_modality(batch, name, probability=1.0, generator=torch.Generator())
