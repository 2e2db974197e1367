"""Masking, pooling and aligning of padded sequences.

Axis legend: B samples, T_m frames of modality m, T the longest of them, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch

__all__ = ["align", "last_frame", "masked_mean", "zero_padding"]


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


def align(batch: MultimodalBatch, names: Iterable[str]) -> tuple[dict[str, ModalitySequence], Tensor]:
    """Return the frames of aligned modalities on a common time axis.

    The only frame of a modality is repeated at every step; an absent modality is zero with a mask that is all false.
    Models refuse data whose modalities have different numbers of frames (``InputSpec.aligned``).

    Args:
        batch: aligned samples, real frames first.
        names: modalities, in order.

    Returns:
        Name to values ``(B, T, d_m)`` and mask ``(B, T)``, zero and false where the modality is absent; and the
        steps ``(B, T)`` of each sample, those of its longest modality.

    Example:
        >>> words = ModalitySequence(torch.ones(1, 3, 2), torch.tensor([[True, True, False]]))
        >>> voice = ModalitySequence(torch.full((1, 1, 1), 5.0), torch.ones(1, 1, dtype=torch.bool))
        >>> sequences, steps = align(MultimodalBatch(("a",), {"text": words, "audio": voice}, torch.zeros(1)),
        ...                          ["text", "audio"])
        >>> sequences["audio"].values[0, :, 0].tolist(), steps.tolist()
        ([5.0, 5.0, 0.0], [[True, True, False]])
    """
    chosen = {name: batch.modalities[name] for name in names}
    longest = max(sequence.mask.shape[1] for sequence in chosen.values())
    lengths = {name: sequence.mask.sum(dim=1, keepdim=True) for name, sequence in chosen.items()}
    most = torch.stack(list(lengths.values())).amax(dim=0)
    position = torch.arange(longest, device=most.device)
    steps = position < most
    aligned = {}
    for name, sequence in chosen.items():
        mask, values = steps & (lengths[name] > 0), sequence.values
        if longest > 1:  # repeat the last frame: it is at the end already, or it is the only one
            values = _frames_at(values, torch.minimum(position, (lengths[name] - 1).clamp_min(0)))
        # Select rather than multiply: padding may hold NaN or infinity.
        aligned[name] = ModalitySequence(torch.where(mask.unsqueeze(-1), values, 0), mask)
    return aligned, steps


def _frames_at(values: Tensor, frame: Tensor) -> Tensor:
    """Return the frames ``(B, T, d)`` of ``values`` ``(B, T_m, d)`` at positions ``(B, T)``; rows copy fastest."""
    rows, steps, dim = values.shape
    row = frame + steps * torch.arange(rows, device=frame.device).unsqueeze(1)
    return values.flatten(0, 1).index_select(0, row.flatten()).view(*frame.shape, dim)
