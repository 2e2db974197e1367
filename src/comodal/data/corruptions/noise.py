"""Gaussian noise on frames of features."""

from __future__ import annotations

import torch

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch
from comodal.data.corruptions.modality import frames_of, with_sequence

__all__ = ["add_noise"]


def add_noise(batch: MultimodalBatch, name: str, *, severity: float, generator: torch.Generator) -> MultimodalBatch:
    r"""Add independent Gaussian noise to every real frame of a modality.

    .. math:: x_{btj} \leftarrow x_{btj} + s\,\sigma_j\,\varepsilon_{btj}, \qquad \varepsilon_{btj} \sim N(0, 1)

    Features are standardised, so the spread of a feature is 1 but for one: a feature that was constant in training is 0
    everywhere, its spread is 0 and it gets no noise. The weights that a model has for it were never trained, and what
    noise there would show is their initial values. It is known by being 0 in every frame of the batch.

    Args:
        batch: B utterances with standardised features.
        name: the modality.
        severity: standard deviation of the noise, in units of the features' own; 0 changes nothing.
        generator: where chance comes from.

    Raises:
        InputError: unknown modality, one of word pieces, or a negative severity.

    Example:
        >>> import torch
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> noisy = add_noise(few, "audio", severity=0.5, generator=torch.Generator().manual_seed(0))
        >>> bool((noisy.modalities["audio"].values != few.modalities["audio"].values).all())
        True
    """
    values, mask = frames_of(batch, name, act="noise")
    if not severity >= 0:
        raise InputError(f"severity {severity} of noise on {name!r}: give a number of standard deviations, 0 or more")
    noise = torch.randn(values.shape, generator=generator, device=generator.device).to(values)
    varies = (values != 0).any(dim=1).any(dim=0)
    return with_sequence(batch, name, ModalitySequence(values + severity * noise * (mask.unsqueeze(-1) & varies), mask))
