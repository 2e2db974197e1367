"""Pure acts on a batch: hide, disturb or exchange a modality. The batch given is never changed.

Axis legend: B utterances, T time steps, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch

__all__ = ["add_noise", "drop_modality", "keep_only", "swap_modality"]


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
    sequence = _sequence(batch, name)
    kept = ~_chosen(len(batch), probability, generator).to(sequence.mask.device)
    return _replace(batch, name, _hide(sequence, kept))


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
        _sequence(batch, name)
    nobody = torch.zeros(len(batch), dtype=torch.bool, device=batch.target.device)
    hidden = {n: s if n in wanted else _hide(s, nobody) for n, s in batch.modalities.items()}
    return replace(batch, modalities=hidden)


def add_noise(batch: MultimodalBatch, name: str, *, severity: float, generator: torch.Generator) -> MultimodalBatch:
    """Add independent Gaussian noise to every real frame of a modality.

    Args:
        batch: B utterances with standardised features.
        name: the modality.
        severity: standard deviation of the noise, in units of the features' own; 0 changes nothing.
        generator: where chance comes from.

    Raises:
        InputError: unknown modality, or a negative severity.

    Example:
        >>> import torch
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> noisy = add_noise(few, "audio", severity=0.5, generator=torch.Generator().manual_seed(0))
        >>> bool((noisy.modalities["audio"].values != few.modalities["audio"].values).all())
        True
    """
    sequence = _sequence(batch, name)
    if not severity >= 0:
        raise InputError(f"severity {severity} of noise on {name!r}: give a number of standard deviations, 0 or more")
    noise = torch.randn(sequence.values.shape, generator=generator, device=generator.device)
    noise = noise.to(sequence.values) * sequence.mask.unsqueeze(-1)
    return _replace(batch, name, ModalitySequence(sequence.values + severity * noise, sequence.mask))


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
    sequence = _sequence(batch, name)
    if len(batch) < 2:
        raise InputError(f"a batch of {len(batch)} has no other utterance to swap {name!r} with; give at least 2")
    order = torch.randperm(len(batch), generator=generator, device=generator.device)
    source = torch.arange(len(batch), device=order.device)
    donor = source.scatter(0, order, order.roll(1))
    chosen = _chosen(len(batch), probability, generator)
    source = torch.where(chosen, donor, source).to(sequence.values.device)
    return _replace(batch, name, ModalitySequence(sequence.values[source], sequence.mask[source]))


def _sequence(batch: MultimodalBatch, name: str) -> ModalitySequence:
    if name not in batch.modalities:
        raise InputError.unknown("modality", name, batch.modalities)
    return batch.modalities[name]


def _chosen(n: int, probability: float, generator: torch.Generator) -> Tensor:
    if not 0 <= probability <= 1:
        raise InputError(f"probability {probability}: give a number between 0 and 1")
    return torch.rand(n, generator=generator, device=generator.device) < probability


def _hide(sequence: ModalitySequence, kept: Tensor) -> ModalitySequence:
    mask = sequence.mask & kept.unsqueeze(1)
    return ModalitySequence(sequence.values.masked_fill(~mask.unsqueeze(-1), 0.0), mask)


def _replace(batch: MultimodalBatch, name: str, sequence: ModalitySequence) -> MultimodalBatch:
    return replace(batch, modalities={**batch.modalities, name: sequence})
