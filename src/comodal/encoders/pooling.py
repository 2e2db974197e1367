"""Masking and pooling of padded sequences.

Axis legend: B samples, T frames, d features of a frame.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence

__all__ = ["last_frame", "masked_mean", "zero_padding"]


def zero_padding(sequence: ModalitySequence) -> Tensor:
    """Return the frames ``(B, T, d)`` with padding set to zero, NaN and infinity included.

    Example:
        >>> values = torch.tensor([[[1.0], [float("nan")]]])
        >>> zero_padding(ModalitySequence(values, torch.tensor([[True, False]])))
        tensor([[[1.],
                 [0.]]])
    """
    return torch.where(sequence.mask.unsqueeze(-1), sequence.values, 0.0)


def masked_mean(sequence: ModalitySequence) -> Tensor:
    r"""Return the mean of the real frames of each sample.

    .. math:: \bar x_b = \sum_t m_{bt} x_{bt} / \max(1, \sum_t m_{bt})

    Args:
        sequence: values ``(B, T, d)`` and mask ``(B, T)``.

    Returns:
        ``(B, d)``; a row of zeros where the modality is absent.

    Example:
        >>> values = torch.tensor([[[1.0], [3.0], [99.0]]])
        >>> masked_mean(ModalitySequence(values, torch.tensor([[True, True, False]])))
        tensor([[2.]])
    """
    total = zero_padding(sequence).sum(dim=1)
    return total if sequence.values.shape[1] == 1 else total / sequence.mask.sum(dim=1, keepdim=True).clamp_min(1)


def last_frame(sequence: ModalitySequence) -> Tensor:
    """Return the last real frame of each sample.

    Args:
        sequence: values ``(B, T, d)`` and mask ``(B, T)``, real frames first.

    Returns:
        ``(B, d)``; a row of zeros where the modality is absent.

    Example:
        >>> values = torch.tensor([[[1.0], [3.0], [99.0]]])
        >>> last_frame(ModalitySequence(values, torch.tensor([[True, True, False]])))
        tensor([[3.]])
    """
    length = sequence.mask.sum(dim=1)
    position = (length - 1).clamp_min(0).view(-1, 1, 1).expand(-1, 1, sequence.values.shape[2])
    found = sequence.values.gather(1, position).squeeze(1)
    return torch.where((length > 0).unsqueeze(1), found, 0.0)
