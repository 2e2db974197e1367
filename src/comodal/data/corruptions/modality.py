"""One modality of a batch: found, and put back."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch

__all__ = ["frames_of", "hide", "sequence_of", "with_sequence"]


def sequence_of(batch: MultimodalBatch, name: str) -> ModalitySequence:
    """The modality of that name.

    Raises:
        InputError: the batch has none; the nearest known one is offered.
    """
    if name not in batch.modalities:
        raise InputError.unknown("modality", name, batch.modalities)
    return batch.modalities[name]


def frames_of(batch: MultimodalBatch, name: str, *, act: str) -> ModalitySequence:
    """The same, of a modality that is frames of features and not word pieces.

    Raises:
        InputError: unknown modality, or its values are ids, on which the act has no meaning.
    """
    sequence = sequence_of(batch, name)
    if not sequence.values.is_floating_point():
        raise InputError(f"{name!r} is word pieces, which {act} is not for; use 'words', 'drop' or 'swap'")
    return sequence


def with_sequence(batch: MultimodalBatch, name: str, sequence: ModalitySequence) -> MultimodalBatch:
    """A new batch with another sequence for one modality."""
    return replace(batch, modalities={**batch.modalities, name: sequence})


def hide(sequence: ModalitySequence, kept: Tensor) -> ModalitySequence:
    """The modality of the utterances ``kept`` ``(B,)``; of the others the mask is false and values are 0."""
    mask = sequence.mask & kept.unsqueeze(1)
    return ModalitySequence(sequence.values.masked_fill(~mask.unsqueeze(-1), 0), mask)
