"""Hide, disturb or exchange one modality of a batch, as pure functions: the batch given never changes.

Every function takes the batch, the name of the modality and ``generator``, the source of its random numbers. It keeps
the shapes of all tensors, leaves values of 0 where a mask is false, and raises ``InputError`` for an unknown modality
and for a probability or share outside [0, 1]. It draws as many numbers whatever the severity, so with one seed a higher
severity changes all that a lower one changes: points of a severity curve differ by severity, not by chance.

Axis legend: B samples, T time steps or word pieces, d features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch, TokenSpec

__all__ = ["add_noise", "drop_frames", "drop_modality", "keep_only", "replace_words", "shift_frames", "swap_modality"]


def drop_modality(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Hide one modality of some samples: their mask becomes false, their values 0.

    ``probability`` is the chance of each sample to lose the modality.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> blind = drop_modality(few, "vision", probability=1.0, generator=torch.Generator())
        >>> bool(blind.modalities["vision"].present.any())
        False
    """
    sequence = _sequence_of(batch, name)
    lost = _chosen(len(batch), probability=probability, like=sequence.mask, generator=generator)
    return _with_sequence(batch, name, _hide(sequence, ~lost))


def keep_only(batch: MultimodalBatch, names: Iterable[str]) -> MultimodalBatch:
    """Hide every modality but these; hidden ones stay in the batch, with masks all false.

    Raises:
        InputError: no name.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> [bool(s.present.all()) for s in keep_only(few, ["text"]).modalities.values()]
        [True, False, False]
    """
    wanted = list(names)
    if not wanted:
        raise InputError(f"no modality to keep; name at least one of {', '.join(batch.modalities)}", code="empty")
    for name in wanted:
        _sequence_of(batch, name)
    none = torch.zeros(len(batch), dtype=torch.bool, device=batch.target.device)
    hidden = {n: s if n in wanted else _hide(s, none) for n, s in batch.modalities.items()}
    return replace(batch, modalities=hidden)


def drop_frames(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Remove single frames, as a camera or a microphone does that loses some.

    The remaining frames move together, so a modality that was aligned with others slips against them.

    ``probability`` is the chance of each real frame to be lost; a sample that loses all is absent.

    Raises:
        InputError: a modality of word pieces.

    Example:
        >>> frames = ModalitySequence(torch.ones(1, 100, 2), torch.ones(1, 100, dtype=torch.bool))
        >>> film = MultimodalBatch(("u",), {"vision": frames}, torch.zeros(1))
        >>> poor = drop_frames(film, "vision", probability=0.5, generator=torch.Generator().manual_seed(0))
        >>> 30 < int(poor.modalities["vision"].mask.sum()) < 70
        True
    """
    sequence = _frames_of(batch, name, act="frames")
    lost = _chosen(*sequence.mask.shape, probability=probability, like=sequence.mask, generator=generator)
    return _with_sequence(batch, name, compact(sequence, ~lost))


def add_noise(batch: MultimodalBatch, name: str, *, severity: float, generator: torch.Generator) -> MultimodalBatch:
    r"""Add independent Gaussian noise to every real frame of a modality.

    .. math:: x_{btj} \leftarrow x_{btj} + s\,\sigma_j\,\varepsilon_{btj}, \qquad \varepsilon_{btj} \sim N(0, 1)

    Standardised features have spread 1, except those that were constant in training: they are 0 everywhere and get no
    noise, because the weights of a model for them were never trained. A feature counts as constant when it is 0 in
    every frame of the batch.

    ``severity`` is the standard deviation of the noise, in units of the features' own; 0 changes nothing.

    Raises:
        InputError: a modality of word pieces, or a negative severity.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> noisy = add_noise(few, "audio", severity=0.5, generator=torch.Generator().manual_seed(0))
        >>> bool((noisy.modalities["audio"].values != few.modalities["audio"].values).all())
        True
    """
    values, mask = _frames_of(batch, name, act="noise")
    if not severity >= 0:
        raise InputError(f"noise of {severity} on {name!r}: give 0 or more", code="out_of_range")
    noise = torch.randn(values.shape, generator=generator, device=generator.device).to(values)
    varies = (values != 0).any(dim=1).any(dim=0)
    noisy = values + severity * noise * (mask.unsqueeze(-1) & varies)
    return _with_sequence(batch, name, ModalitySequence(noisy, mask))


def swap_modality(
    batch: MultimodalBatch, name: str, *, probability: float, generator: torch.Generator
) -> MultimodalBatch:
    """Give some samples this modality of another sample of the batch, never their own.

    ``probability`` is the chance of each sample to receive another's.

    Raises:
        InputError: a batch of one.

    Example:
        >>> frames = ModalitySequence(torch.arange(3.0).view(3, 1, 1), torch.ones(3, 1, dtype=torch.bool))
        >>> sounds = MultimodalBatch(("u", "v", "w"), {"audio": frames}, torch.zeros(3))
        >>> swapped = swap_modality(sounds, "audio", probability=1.0, generator=torch.Generator().manual_seed(0))
        >>> bool((swapped.modalities["audio"].values == frames.values).any())
        False
    """
    sequence = _sequence_of(batch, name)
    if len(batch) < 2:
        raise InputError(f"a batch of {len(batch)} sample cannot swap {name!r}; give at least 2", code="empty")
    order = torch.randperm(len(batch), generator=generator, device=generator.device).to(sequence.values.device)
    own = torch.arange(len(batch), device=order.device)
    donor = own.scatter(0, order, order.roll(1))
    received = _chosen(len(batch), probability=probability, like=order, generator=generator)
    source = torch.where(received, donor, own)
    return _with_sequence(batch, name, ModalitySequence(sequence.values[source], sequence.mask[source]))


def shift_frames(batch: MultimodalBatch, name: str, *, share: float, generator: torch.Generator) -> MultimodalBatch:
    r"""Shift a modality ahead in time: its first frames are lost, and its last are missing.

    .. math:: k_b \sim U\{0, \dots, \min(\lfloor s\,n_b \rfloor, n_b - 1)\}, \qquad
        x_{bt} \leftarrow x_{b,t+k_b} \; (t < n_b - k_b)

    for a sample of :math:`n_b` real frames. There is no shift backwards: it would begin with a gap, which encoders
    cannot read. At least one frame stays, so a sample of one frame does not change.

    ``share`` is the longest shift s as a share of each sample's own length.

    Raises:
        InputError: a modality of word pieces.

    Example:
        >>> frames = ModalitySequence(torch.arange(1.0, 6.0).view(1, 5, 1), torch.ones(1, 5, dtype=torch.bool))
        >>> sound = MultimodalBatch(("u",), {"audio": frames}, torch.zeros(1))
        >>> early = shift_frames(sound, "audio", share=1.0, generator=torch.Generator().manual_seed(4))
        >>> early.modalities["audio"].values.flatten().tolist()
        [3.0, 4.0, 5.0, 0.0, 0.0]
    """
    _require_share(share, of="share")
    sequence = _frames_of(batch, name, act="shift")
    lengths = sequence.mask.sum(dim=1).to(generator.device).double()
    # A little more than the product: 0.29 * 100 is less than 29 in floating point.
    longest = torch.minimum((share * lengths + 1e-9).floor(), (lengths - 1).clamp(min=0))
    uniform = torch.rand(len(batch), generator=generator, device=generator.device, dtype=torch.float64)
    steps = (uniform * (longest + 1)).floor().long().to(sequence.mask.device)
    position = sequence.mask.cumsum(dim=1)  # of each real frame, from 1
    return _with_sequence(batch, name, compact(sequence, position > steps.unsqueeze(1)))


def replace_words(
    batch: MultimodalBatch, *, probability: float, generator: torch.Generator, tokens: TokenSpec | None = None
) -> MultimodalBatch:
    """Replace words of the text by an unknown one; their positions stay.

    A word piece becomes the tokenizer's unknown piece; special tokens stay. A frame of features becomes the mean of the
    training part, which is 0 after standardisation. With one vector per sample, that is the whole text.

    ``probability`` is the chance of each piece or frame; ``tokens``, for word pieces alone, is in the spec of the data
    set.

    Raises:
        InputError: no text, or word pieces without ``tokens``.

    Example:
        >>> tokens = TokenSpec("toy", 9, pad_id=0, unknown_id=1, max_length=4, special_ids=(2, 3))
        >>> pieces = torch.tensor([[[2, 0], [7, 0], [8, 0], [3, 0]]])
        >>> text = ModalitySequence(pieces, torch.ones(1, 4, dtype=torch.bool))
        >>> said = MultimodalBatch(("u",), {"text": text}, torch.zeros(1))
        >>> muffled = replace_words(said, probability=1.0, generator=torch.Generator(), tokens=tokens)
        >>> muffled.modalities["text"].values[0, :, 0].tolist()
        [2, 1, 1, 3]
    """
    text = _sequence_of(batch, "text")
    lost = _chosen(*text.mask.shape, probability=probability, like=text.mask, generator=generator) & text.mask
    if text.values.is_floating_point():
        values = text.values.masked_fill(lost.unsqueeze(-1), 0)
    elif tokens is not None:
        ids, types = text.values.unbind(-1)
        special = torch.isin(ids, torch.tensor(tokens.special_ids, dtype=ids.dtype, device=ids.device))
        values = torch.stack([ids.masked_fill(lost & ~special, tokens.unknown_id), types], dim=-1)
    else:
        raise InputError("the text is word pieces of an unknown tokenizer; give tokens=spec.tokens", code="missing")
    return _with_sequence(batch, "text", ModalitySequence(values, text.mask))


def compact(sequence: ModalitySequence, kept: Tensor) -> ModalitySequence:
    """Keep the ``(B, T)`` real frames that are ``kept``, moved to the left: encoders read the first frames of a row."""
    kept = kept & sequence.mask
    order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)
    mask = kept.gather(1, order)
    values = sequence.values.gather(1, order.unsqueeze(-1).expand_as(sequence.values))
    return ModalitySequence(values.masked_fill(~mask.unsqueeze(-1), 0), mask)


def _sequence_of(batch: MultimodalBatch, name: str) -> ModalitySequence:
    if name not in batch.modalities:
        raise InputError.unknown("modality", name, batch.modalities)
    return batch.modalities[name]


def _frames_of(batch: MultimodalBatch, name: str, *, act: str) -> ModalitySequence:
    sequence = _sequence_of(batch, name)
    if not sequence.values.is_floating_point():
        raise InputError(
            f"{act} of {name!r}: it is word pieces; use 'words', 'drop' or 'swap' instead", code="unsupported"
        )
    return sequence


def _with_sequence(batch: MultimodalBatch, name: str, sequence: ModalitySequence) -> MultimodalBatch:
    return replace(batch, modalities={**batch.modalities, name: sequence})


def _hide(sequence: ModalitySequence, kept: Tensor) -> ModalitySequence:
    mask = sequence.mask & kept.unsqueeze(1)
    return ModalitySequence(sequence.values.masked_fill(~mask.unsqueeze(-1), 0), mask)


def _require_share(value: float, *, of: str) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{of} {value}: give a number between 0 and 1", code="out_of_range")


def _chosen(*shape: int, probability: float, like: Tensor, generator: torch.Generator) -> Tensor:
    _require_share(probability, of="probability")
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return (uniform < probability).to(like.device)
