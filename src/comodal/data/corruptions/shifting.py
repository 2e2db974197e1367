"""A modality that runs ahead of the others.

Axis legend: B utterances, T time steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import MultimodalBatch
from comodal.data.corruptions.chance import require_share, uniform
from comodal.data.corruptions.compaction import compact
from comodal.data.corruptions.modality import frames_of, with_sequence

__all__ = ["shift_frames"]


def shift_frames(batch: MultimodalBatch, name: str, *, share: float, generator: torch.Generator) -> MultimodalBatch:
    r"""Shift a modality in time: it runs ahead by some frames, of which the first are lost and the last are missing.

    .. math:: k_b \sim U\{0, \dots, \min(\lfloor s\,n_b \rfloor, n_b - 1)\}, \qquad
        x_{bt} \leftarrow x_{b,t+k_b} \; (t < n_b - k_b)

    for an utterance of :math:`n_b` real frames. It only runs ahead: a modality that lags would begin with a gap, which
    encoders cannot read. At least one frame stays, so nothing changes in an utterance of one frame.

    Args:
        batch: B utterances.
        name: the modality, of frames of features.
        share: longest shift s as a share of each utterance's own length, in [0, 1].
        generator: where chance comes from.

    Raises:
        InputError: unknown modality, one of word pieces, or a share outside [0, 1].

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> frames = ModalitySequence(torch.arange(1.0, 6.0).view(1, 5, 1), torch.ones(1, 5, dtype=torch.bool))
        >>> sound = MultimodalBatch(("u",), {"audio": frames}, torch.zeros(1))
        >>> early = shift_frames(sound, "audio", share=1.0, generator=torch.Generator().manual_seed(4))
        >>> early.modalities["audio"].values.flatten().tolist()
        [3.0, 4.0, 5.0, 0.0, 0.0]
    """
    require_share(share, of="share")
    sequence = frames_of(batch, name, act="a shift in time")
    steps = _steps(sequence.mask.sum(dim=1).to(generator.device), share, generator).to(sequence.mask.device)
    position = sequence.mask.cumsum(dim=1)  # of each real frame, from 1
    return with_sequence(batch, name, compact(sequence, position > steps.unsqueeze(1)))


def _steps(lengths: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """``(B,)`` frames that each utterance runs ahead."""
    # A little more than the product: 0.29 * 100 is less than 29 in floating point.
    longest = torch.minimum((share * lengths.double() + 1e-9).floor(), (lengths.double() - 1).clamp(min=0))
    return (uniform(len(lengths), generator=generator) * (longest + 1)).floor().long()
