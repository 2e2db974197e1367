"""Frames that are missing."""

from __future__ import annotations

import torch

from comodal.contracts import MultimodalBatch
from comodal.data.corruptions.chance import chosen
from comodal.data.corruptions.compaction import compact
from comodal.data.corruptions.modality import frames_of, with_sequence

__all__ = ["drop_frames"]


def drop_frames(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Take single frames away, as a camera or a microphone does that loses some.

    The frames that remain move together, so a modality that was aligned with others word by word slips against them.

    Args:
        batch: B utterances.
        name: the modality, of frames of features.
        probability: chance of each real frame to be missing, in [0, 1]; an utterance that loses all is absent.
        generator: where chance comes from.

    Raises:
        InputError: unknown modality, one of word pieces, or a probability outside [0, 1].

    Example:
        >>> from comodal.contracts import ModalitySequence
        >>> frames = ModalitySequence(torch.ones(1, 100, 2), torch.ones(1, 100, dtype=torch.bool))
        >>> film = MultimodalBatch(("u",), {"vision": frames}, torch.zeros(1))
        >>> poor = drop_frames(film, "vision", probability=0.5, generator=torch.Generator().manual_seed(0))
        >>> 30 < int(poor.modalities["vision"].mask.sum()) < 70
        True
    """
    sequence = frames_of(batch, name, act="losing frames")
    lost = chosen(*sequence.mask.shape, probability=probability, like=sequence.mask, generator=generator)
    return with_sequence(batch, name, compact(sequence, ~lost))
