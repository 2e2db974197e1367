"""Frames without what stands in the padding."""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence

__all__ = ["zero_padding"]


def zero_padding(sequence: ModalitySequence) -> Tensor:
    """The frames ``(B, T, d)``, zero where the mask is false, whatever stands there.

    Example:
        >>> values = torch.tensor([[[1.0], [float("nan")]]])
        >>> zero_padding(ModalitySequence(values, torch.tensor([[True, False]])))
        tensor([[[1.],
                 [0.]]])
    """
    return torch.where(sequence.mask.unsqueeze(-1), sequence.values, 0.0)
