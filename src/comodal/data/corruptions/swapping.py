"""Exchange a modality between utterances."""

from __future__ import annotations

import torch

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch
from comodal.data.corruptions.chance import chosen
from comodal.data.corruptions.modality import sequence_of, with_sequence

__all__ = ["swap_modality"]


def swap_modality(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Give some utterances this modality of another utterance of the batch, never of themselves.

    Args:
        batch: B >= 2 utterances.
        name: the modality.
        probability: chance of each utterance to receive another's, in [0, 1].
        generator: where chance comes from.

    Raises:
        InputError: unknown modality, a probability outside [0, 1], or a batch of one.

    Example:
        >>> import torch
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> swapped = swap_modality(few, "audio", probability=1.0, generator=torch.Generator().manual_seed(0))
        >>> same = swapped.modalities["audio"].values == few.modalities["audio"].values
        >>> bool(same.any())
        False
    """
    sequence = sequence_of(batch, name)
    if len(batch) < 2:
        raise InputError(f"a batch of {len(batch)} has no other utterance to swap {name!r} with; give at least 2")
    order = torch.randperm(len(batch), generator=generator, device=generator.device).to(sequence.values.device)
    own = torch.arange(len(batch), device=order.device)
    donor = own.scatter(0, order, order.roll(1))
    received = chosen(len(batch), probability=probability, like=order, generator=generator)
    source = torch.where(received, donor, own)
    return with_sequence(batch, name, ModalitySequence(sequence.values[source], sequence.mask[source]))
