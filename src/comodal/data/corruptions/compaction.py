"""Take frames out of sequences."""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence

__all__ = ["compact"]


def compact(sequence: ModalitySequence, kept: Tensor) -> ModalitySequence:
    """Keep some real frames and close the gaps: what is kept moves to the left, the rest of a row is padding.

    Encoders read the first so many frames of a row, hence no gap may stay.

    Args:
        sequence: values ``(B, T, d)``.
        kept: ``(B, T)`` bool; frames where the mask is false are kept by no means.

    Returns:
        A sequence of the same shape. An utterance of which nothing is kept is absent.

    Example:
        >>> sequence = ModalitySequence(torch.tensor([[[1.0], [2.0], [3.0]]]), torch.tensor([[True, True, True]]))
        >>> values, mask = compact(sequence, torch.tensor([[False, True, True]]))
        >>> values.flatten().tolist(), mask.tolist()
        ([2.0, 3.0, 0.0], [[True, True, False]])
    """
    kept = kept & sequence.mask
    order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)
    mask = kept.gather(1, order)
    values = sequence.values.gather(1, order.unsqueeze(-1).expand_as(sequence.values))
    return ModalitySequence(values.masked_fill(~mask.unsqueeze(-1), 0), mask)
