"""Sequences to vectors, ignoring padding."""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence

__all__ = ["last_frame", "masked_mean"]


def masked_mean(sequence: ModalitySequence) -> Tensor:
    r"""Mean of the real frames of each utterance.

    .. math:: \bar x_b = \sum_t m_{bt} x_{bt} / \max(1, \sum_t m_{bt})

    Args:
        sequence: values ``(B, T, d)`` and mask ``(B, T)``.

    Returns:
        ``(B, d)``; a row of zeros where the modality is absent.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[1.0], [3.0], [99.0]]])
        >>> masked_mean(ModalitySequence(values, torch.tensor([[True, True, False]])))
        tensor([[2.]])
    """
    mask = sequence.mask.unsqueeze(-1)
    # Selected, not multiplied: what stands in the padding of a batch of one's own may be infinite or NaN.
    total = torch.where(mask, sequence.values, 0.0).sum(dim=1)
    return total if sequence.values.shape[1] == 1 else total / mask.sum(dim=1).clamp_min(1)


def last_frame(sequence: ModalitySequence) -> Tensor:
    """The last real frame of each utterance.

    Args:
        sequence: values ``(B, T, d)`` and mask ``(B, T)``, every run of frames at the left.

    Returns:
        ``(B, d)``; a row of zeros where the modality is absent.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[1.0], [3.0], [99.0]]])
        >>> last_frame(ModalitySequence(values, torch.tensor([[True, True, False]])))
        tensor([[3.]])
    """
    length = sequence.mask.sum(dim=1)
    position = (length - 1).clamp_min(0).view(-1, 1, 1).expand(-1, 1, sequence.values.shape[2])
    found = sequence.values.gather(1, position).squeeze(1)
    return torch.where((length > 0).unsqueeze(1), found, 0.0)
