"""Corruptions of a batch as values: kind, modality, severity. Robustness and training use the same ones.

The functions that change a batch, in :mod:`comodal.data.corruption_acts`, are loaded on first use, so that reading a
configuration needs no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comodal.contracts import DatasetSpec, InputError, MultimodalBatch, TokenSpec

if TYPE_CHECKING:
    import torch

__all__ = ["KINDS", "Corruption", "corrupt", "kinds_for", "parse_corruption"]

# The function of each kind in comodal.data.corruption_acts, and its argument that is the severity.
_ACTS = {
    "drop": ("drop_modality", "probability"),
    "frames": ("drop_frames", "probability"),
    "noise": ("add_noise", "severity"),
    "swap": ("swap_modality", "probability"),
    "shift": ("shift_frames", "share"),
    "words": ("replace_words", "probability"),
}
KINDS = tuple(_ACTS)
"""Every kind of corruption."""

_PATTERN = re.compile(r"\s*([^:=]+?)\s*:\s*([^=]+?)\s*=\s*(\S+)\s*")


def kinds_for(spec: DatasetSpec, modality: str) -> tuple[str, ...]:
    """Return the kinds that apply to a modality, in the order of :data:`KINDS`.

    Losing frames and shifting need sequences; they and noise need features, not ids of word pieces; ``words`` needs the
    text.

    Raises:
        InputError: the data set has no such modality.

    Example:
        >>> spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 50})
        >>> kinds_for(spec, "text"), kinds_for(spec, "audio")
        (('drop', 'noise', 'swap', 'words'), ('drop', 'frames', 'noise', 'swap', 'shift'))
    """
    if modality not in spec.dims:
        raise InputError.unknown("modality", modality, spec.dims, where=spec.name)
    features = modality in spec.feature_dims
    frames = features and spec.max_lengths[modality] > 1
    unfit = {"frames": not frames, "noise": not features, "shift": not frames, "words": modality != "text"}
    return tuple(kind for kind in KINDS if not unfit.get(kind))


@dataclass(frozen=True)
class Corruption:
    """One modality, corrupted in one way.

    Attributes:
        kind: one of :data:`KINDS`.
        modality: which modality.
        severity: from 0, which changes nothing, to 1; its meaning depends on the kind.

    Raises:
        InputError: unknown kind, a severity outside [0, 1], or ``words`` of a modality other than text.

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
        if not 0 <= self.severity <= 1:
            where = f"severity of {self.kind}:{self.modality} {self.severity}"
            raise InputError(f"{where}: give a number between 0 and 1", code="out_of_range")
        if self.kind == "words" and self.modality != "text":
            raise InputError(f"words:{self.modality}: only the text has words; write words:text", code="unsupported")

    @property
    def name(self) -> str:
        """The text that :func:`parse_corruption` reads back exactly."""
        return f"{self.kind}:{self.modality}={repr(float(self.severity)).removesuffix('.0')}"

    def require(self, spec: DatasetSpec) -> None:
        """Raise an ``InputError`` when the data set has no such modality, or one of another kind."""
        if self.kind not in (known := kinds_for(spec, self.modality)):
            remedy = f"does not apply to its {self.modality}; use {', '.join(known)}"
            raise InputError(f"{spec.name}: {self.name} {remedy}", code="unsupported")

    def apply(
        self, batch: MultimodalBatch, generator: torch.Generator, *, tokens: TokenSpec | None = None
    ) -> MultimodalBatch:
        """Return the corrupted batch, as :func:`corrupt` does.

        It draws as much from the generator whatever the severity, so later draws do not depend on it.
        """
        from comodal.data import corruption_acts  # noqa: PLC0415 - configurations are checked without torch

        name, option = _ACTS[self.kind]
        more = {"tokens": tokens} if self.kind == "words" else {"name": self.modality}
        options: dict[str, Any] = {option: self.severity, "generator": generator, **more}
        corrupted: MultimodalBatch = getattr(corruption_acts, name)(batch, **options)
        return corrupted if self.severity > 0 else batch


def parse_corruption(text: str) -> Corruption:
    """Read ``KIND:MODALITY=SEVERITY``; another form is an ``InputError``.

    Example:
        >>> parse_corruption("noise:audio=0.5")
        Corruption(kind='noise', modality='audio', severity=0.5)
    """
    remedy = "write KIND:MODALITY=SEVERITY, for example noise:audio=0.5"
    if (found := _PATTERN.fullmatch(text)) is None:
        raise InputError(f"corruption {text!r}: {remedy}", code="invalid")
    kind, modality, severity = found.groups()
    try:
        number = float(severity)
    except ValueError as error:
        raise InputError(
            f"corruption {text!r}: severity {severity!r} is not a number; {remedy}", code="wrong_type"
        ) from error
    return Corruption(kind, modality, number)


def corrupt(
    batch: MultimodalBatch,
    corruptions: Iterable[Corruption],
    generator: torch.Generator,
    *,
    tokens: TokenSpec | None = None,
) -> MultimodalBatch:
    """Apply several corruptions, one after another.

    Args:
        batch: B samples with standardised features; stays as it is.
        corruptions: applied in this order; of one modality there may be several.
        generator: source of random numbers.
        tokens: how to read word pieces, from the spec of the data set.

    Raises:
        InputError: unknown modality, or one that a kind does not apply to.

    Example:
        >>> import torch
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
