"""The kinds of corruption by name: what each does, what its severity is, and for which data it makes sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from comodal.contracts import DatasetSpec, InputError, MultimodalBatch, TokenSpec
from comodal.data.corruptions.dropping import drop_modality
from comodal.data.corruptions.missing import drop_frames
from comodal.data.corruptions.noise import add_noise
from comodal.data.corruptions.shifting import shift_frames
from comodal.data.corruptions.swapping import swap_modality
from comodal.data.corruptions.words import TEXT, replace_words

__all__ = ["KINDS", "Kind", "kinds_for"]

Act = Callable[[MultimodalBatch, str, float, torch.Generator, TokenSpec | None], MultimodalBatch]


@dataclass(frozen=True)
class Kind:
    """One kind of corruption.

    Attributes:
        act: batch, modality, severity in [0, 1], generator and the reading of word pieces to the corrupted batch.
        fits: whether it makes sense for a modality of a data set.
        severity: what the severity is, for the legend of a figure.
    """

    act: Act
    fits: Callable[[DatasetSpec, str], bool]
    severity: str


def _always(spec: DatasetSpec, modality: str) -> bool:
    del spec, modality
    return True


def _is_features(spec: DatasetSpec, modality: str) -> bool:
    return modality in spec.feature_dims


def _is_frames(spec: DatasetSpec, modality: str) -> bool:
    return _is_features(spec, modality) and spec.max_lengths[modality] > 1


def _is_text(spec: DatasetSpec, modality: str) -> bool:
    del spec
    return modality == TEXT


def _by(corrupt: Callable[..., MultimodalBatch], option: str) -> Act:
    """A corruption under the signature of all of them: what it calls its severity is an option of that name."""

    def act(
        batch: MultimodalBatch, name: str, severity: float, generator: torch.Generator, tokens: TokenSpec | None
    ) -> MultimodalBatch:
        del tokens  # a matter of words alone
        return corrupt(batch, name, generator=generator, **{option: severity})

    return act


def _words(
    batch: MultimodalBatch, name: str, severity: float, generator: torch.Generator, tokens: TokenSpec | None
) -> MultimodalBatch:
    del name  # there is one text
    return replace_words(batch, probability=severity, generator=generator, tokens=tokens)


KINDS: Mapping[str, Kind] = {
    "drop": Kind(_by(drop_modality, "probability"), _always, "probability that an utterance loses the modality"),
    "frames": Kind(_by(drop_frames, "probability"), _is_frames, "probability that a frame is missing"),
    "noise": Kind(_by(add_noise, "severity"), _is_features, "standard deviation of the noise, in those of the feature"),
    "swap": Kind(
        _by(swap_modality, "probability"), _always, "probability that an utterance has the modality of another"
    ),
    "shift": Kind(_by(shift_frames, "share"), _is_frames, "longest shift in time, as a share of the utterance"),
    "words": Kind(_words, _is_text, "probability that a word is replaced by an unknown one"),
}
"""Every kind of corruption, by name."""


def kinds_for(spec: DatasetSpec, modality: str) -> tuple[str, ...]:
    """The kinds that make sense for a modality, in the order of :data:`KINDS`.

    Losing frames and shifting need sequences; they and noise need features, not ids of word pieces; words are of the
    text.

    Args:
        spec: of the data set as the model reads it.
        modality: one of its modalities.

    Raises:
        InputError: the data set has no such modality.

    Example:
        >>> spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 50})
        >>> kinds_for(spec, "text"), kinds_for(spec, "audio")
        (('drop', 'noise', 'swap', 'words'), ('drop', 'frames', 'noise', 'swap', 'shift'))
    """
    if modality not in spec.dims:
        raise InputError.unknown("modality", modality, spec.dims, where=spec.name)
    return tuple(name for name, kind in KINDS.items() if kind.fits(spec, modality))
