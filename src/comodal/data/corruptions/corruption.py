"""A corruption as a value: kind, modality, severity. Several are applied one after another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from comodal.contracts import DatasetSpec, InputError, MultimodalBatch, TokenSpec
from comodal.data.corruptions.chance import require_share
from comodal.data.corruptions.kinds import KINDS, kinds_for
from comodal.data.corruptions.words import TEXT

__all__ = ["Corruption", "corrupt", "parse_corruption"]

_WRITTEN = re.compile(r"\s*([^:=]+?)\s*:\s*([^=]+?)\s*=\s*(\S+)\s*")


@dataclass(frozen=True)
class Corruption:
    """One modality, corrupted in one way.

    Attributes:
        kind: a key of ``KINDS``.
        modality: which modality.
        severity: from 0, which changes nothing, to 1; what it means is said by the kind.

    Raises:
        InputError: unknown kind, a severity outside [0, 1], or words of a modality that has none.

    Example:
        >>> Corruption("noise", "audio", 0.5).name
        'noise:audio=0.5'
    """

    kind: str
    modality: str
    severity: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError.unknown("corruption", self.kind, KINDS)
        require_share(self.severity, of=f"severity of {self.kind}:{self.modality}")
        if self.kind == "words" and self.modality != TEXT:
            raise InputError(f"words of {self.modality!r}: only {TEXT!r} has words; write words:{TEXT}")

    @property
    def name(self) -> str:
        """How it is written; :func:`parse_corruption` reads it back exactly."""
        return f"{self.kind}:{self.modality}={repr(float(self.severity)).removesuffix('.0')}"

    def require(self, spec: DatasetSpec) -> None:
        """Refuse a data set it makes no sense for.

        Raises:
            InputError: the data set has no such modality, or one that this kind is not for.

        Example:
            >>> Corruption("shift", "audio", 0.5).require(DatasetSpec("toy", {"audio": 2}, {"audio": 1}))
            Traceback (most recent call last):
            comodal.contracts.InputError: toy: shift:audio=0.5 makes no sense for its audio; use drop, noise, swap
        """
        if self.kind not in (known := kinds_for(spec, self.modality)):
            raise InputError(f"{spec.name}: {self.name} makes no sense for its {self.modality}; use {', '.join(known)}")

    def apply(
        self, batch: MultimodalBatch, generator: torch.Generator, *, tokens: TokenSpec | None = None
    ) -> MultimodalBatch:
        """The corrupted batch; the one given stays as it is.

        As much is drawn from the generator whatever the severity, so what is drawn after it does not depend on it.

        Args:
            batch: B utterances with standardised features.
            generator: where chance comes from.
            tokens: how to read word pieces, from the spec of the data set; for ``words`` on such a text alone.

        Raises:
            InputError: unknown modality, or one that this kind is not for.
        """
        corrupted = KINDS[self.kind].act(batch, self.modality, self.severity, generator, tokens)
        return corrupted if self.severity > 0 else batch


def parse_corruption(text: str) -> Corruption:
    """Read ``KIND:MODALITY=SEVERITY``.

    Raises:
        InputError: written otherwise, unknown kind, or a severity outside [0, 1].

    Example:
        >>> parse_corruption("noise:audio=0.5")
        Corruption(kind='noise', modality='audio', severity=0.5)
    """
    remedy = "write KIND:MODALITY=SEVERITY, for example noise:audio=0.5"
    if (found := _WRITTEN.fullmatch(text)) is None:
        raise InputError(f"corruption {text!r}: {remedy}")
    kind, modality, severity = found.groups()
    try:
        return Corruption(kind, modality, float(severity))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"corruption {text!r}: severity {severity!r} is no number; {remedy}") from error


def corrupt(
    batch: MultimodalBatch,
    corruptions: Iterable[Corruption],
    generator: torch.Generator,
    *,
    tokens: TokenSpec | None = None,
) -> MultimodalBatch:
    """Several corruptions, one after another.

    Args:
        batch: B utterances with standardised features; stays as it is.
        corruptions: applied in this order; of one modality there may be several.
        generator: where chance comes from.
        tokens: how to read word pieces, from the spec of the data set.

    Returns:
        A batch of the same shapes.

    Raises:
        InputError: unknown modality, or one that a kind is not for.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> both = [parse_corruption("drop:vision=1"), parse_corruption("noise:audio=0.3")]
        >>> found = corrupt(few, both, torch.Generator().manual_seed(0))
        >>> bool(found.modalities["vision"].present.any()), bool(found.modalities["audio"].present.all())
        (False, True)
    """
    for corruption in corruptions:
        batch = corruption.apply(batch, generator, tokens=tokens)
    return batch
