"""Put word-aligned modalities on one time axis.

Axis legend: B samples, T_m frames of modality m, T the longest of them, d_m features of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch

__all__ = ["align"]


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
        mask = steps & (lengths[name] > 0)
        if sequence.mask.shape[1] == longest == 1:
            values = sequence.values
        else:
            # Repeat the last frame: it is at the end already, or it is the only one.
            frame = torch.minimum(position, (lengths[name] - 1).clamp_min(0))
            values = _frames_at(sequence.values, frame)
        # Select rather than multiply: padding may hold NaN or infinity.
        aligned[name] = ModalitySequence(torch.where(mask.unsqueeze(-1), values, 0), mask)
    return aligned, steps


def _frames_at(values: Tensor, frame: Tensor) -> Tensor:
    """Return the frames ``(B, T, d)`` of ``values`` ``(B, T_m, d)`` at positions ``(B, T)``; rows copy fastest."""
    rows, steps, dim = values.shape
    row = frame + steps * torch.arange(rows, device=frame.device).unsqueeze(1)
    return values.flatten(0, 1).index_select(0, row.flatten()).view(*frame.shape, dim)
