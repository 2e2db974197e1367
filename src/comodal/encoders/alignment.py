"""Modalities brought to one time axis.

Axis legend: B utterances, T_m frames of modality m, T the longest of them, d_m features of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch

__all__ = ["align"]


def align(batch: MultimodalBatch, names: Iterable[str]) -> tuple[dict[str, ModalitySequence], Tensor]:
    """Frames of aligned modalities side by side.

    A modality with a single frame says it of every step; one that is absent says zero everywhere, and its mask is false
    there. Data in which two modalities have different numbers of frames are refused before a model is built
    (``InputSpec.aligned``).

    Args:
        batch: aligned utterances, every run of frames at the left.
        names: modalities, in order.

    Returns:
        Name to values ``(B, T, d_m)`` and mask ``(B, T)``, zero and false where the modality says nothing; and the
        steps ``(B, T)`` of each utterance, those of its longest modality.

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
            # The last frame goes on to the end, which for an aligned modality is either the end itself or its only one.
            frame = torch.minimum(position, (lengths[name] - 1).clamp_min(0))
            values = _frames_at(sequence.values, frame)
        # Selected, not multiplied: what stands in the padding of a batch of one's own may be infinite or NaN.
        aligned[name] = ModalitySequence(torch.where(mask.unsqueeze(-1), values, 0), mask)
    return aligned, steps


def _frames_at(values: Tensor, frame: Tensor) -> Tensor:
    """Frames ``(B, T, d)`` of ``values`` ``(B, T_m, d)`` at the positions ``(B, T)``; whole rows copy fastest."""
    rows, steps, dim = values.shape
    row = frame + steps * torch.arange(rows, device=frame.device).unsqueeze(1)
    return values.flatten(0, 1).index_select(0, row.flatten()).view(*frame.shape, dim)
