"""Hide whole modalities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from comodal.contracts import InputError, MultimodalBatch
from comodal.data.corruptions.chance import chosen
from comodal.data.corruptions.modality import hide, sequence_of, with_sequence

__all__ = ["drop_modality", "keep_only"]


def drop_modality(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Hide one modality of some utterances: their mask becomes false, their values 0.

    Args:
        batch: B utterances.
        name: the modality.
        probability: chance of each utterance to lose it, in [0, 1].
        generator: where chance comes from.

    Returns:
        A new batch.

    Raises:
        InputError: unknown modality, or a probability outside [0, 1].

    Example:
        >>> import torch
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> blind = drop_modality(few, "vision", probability=1.0, generator=torch.Generator())
        >>> bool(blind.modalities["vision"].present.any())
        False
    """
    sequence = sequence_of(batch, name)
    lost = chosen(len(batch), probability=probability, like=sequence.mask, generator=generator)
    return with_sequence(batch, name, hide(sequence, ~lost))


def keep_only(batch: MultimodalBatch, names: Iterable[str]) -> MultimodalBatch:
    """Hide every modality but these; the hidden ones stay in the batch, with masks all false.

    Args:
        batch: B utterances.
        names: the modalities that stay, at least one.

    Raises:
        InputError: unknown modality, or none.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> [bool(s.present.all()) for s in keep_only(few, ["text"]).modalities.values()]
        [True, False, False]
    """
    wanted = list(names)
    if not wanted:
        raise InputError(f"no modality to keep; name at least one of {', '.join(batch.modalities)}")
    for name in wanted:
        sequence_of(batch, name)
    nobody = torch.zeros(len(batch), dtype=torch.bool, device=batch.target.device)
    hidden = {n: s if n in wanted else hide(s, nobody) for n, s in batch.modalities.items()}
    return replace(batch, modalities=hidden)
