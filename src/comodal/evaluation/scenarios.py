"""What may happen to the modalities of a test part: each subset of them present, or one of them corrupted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from comodal.contracts import DatasetSpec, InputError, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.data.corruptions import KINDS, Corruption, drop_modality, kinds_for, parse_corruption
from comodal.training.streams import stream_seed

__all__ = ["CHOICES", "CLEAN", "SEVERITIES", "Scenario", "Variants", "curves", "parse_scenario", "subsets"]

CLEAN = "clean"
CHOICES = ("all", "subsets", "curves")
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Scenario:
    """One thing that may happen to a test part.

    Attributes:
        kept: the modalities that are there; empty for all.
        corruption: what happens to one of them; ``None`` for nothing.
    """

    kept: tuple[str, ...] = ()
    corruption: Corruption | None = None

    @property
    def name(self) -> str:
        """How it is called: ``clean``, ``text+audio`` or ``noise:audio=0.5``."""
        if self.corruption is not None:
            return self.corruption.name
        return "+".join(self.kept) or CLEAN

    @property
    def curve(self) -> str:
        """The severity curve it is a point of, ``noise:audio``; empty for a subset."""
        return self.name.partition("=")[0] if self.corruption else ""

    @property
    def severity(self) -> float:
        """Of the corruption; 0 for a subset."""
        return self.corruption.severity if self.corruption else 0.0

    def suits(self, spec: DatasetSpec) -> bool:
        """Whether it says something of a model on this data: its modalities are there and can be corrupted like that.

        Example:
            >>> text = DatasetSpec("toy", {"text": 4}, {"text": 1})
            >>> [parse_scenario(name, ("text", "audio")).suits(text) for name in ("clean", "text", "audio")]
            [True, True, False]
        """
        if self.corruption is None:
            return set(self.kept) <= set(spec.dims)
        return self.corruption.modality in spec.dims and self.corruption.kind in kinds_for(
            spec, self.corruption.modality
        )


def subsets(modalities: Sequence[str]) -> list[Scenario]:
    """Every non-empty subset, all modalities first, single ones last.

    Example:
        >>> [scenario.name for scenario in subsets(["text", "audio", "vision"])]
        ['clean', 'text+audio', 'text+vision', 'audio+vision', 'text', 'audio', 'vision']
    """
    smaller = [kept for size in range(len(modalities) - 1, 0, -1) for kept in itertools.combinations(modalities, size)]
    return [Scenario(), *map(Scenario, smaller)]


def curves(
    spec: DatasetSpec,
    *,
    severities: Sequence[float] = SEVERITIES,
    kinds: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
) -> list[Scenario]:
    """The points of every severity curve, severity 0 included: it is the clean test part.

    Args:
        spec: of the data set as the model reads it.
        severities: from 0 to 1.
        kinds: of corruption; all that make sense for a modality when ``None``.
        modalities: which are corrupted; all when ``None``.

    Raises:
        InputError: unknown kind or modality, a severity outside [0, 1], or kinds of which none makes sense.

    Example:
        >>> toy = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})
        >>> [point.name for point in curves(toy, severities=[0.5], kinds=["noise"], modalities=["audio"])]
        ['noise:audio=0', 'noise:audio=0.5']
    """
    for kind in kinds or ():
        if kind not in KINDS:
            raise InputError.unknown("corruption", kind, KINDS)
    offered = {name: kinds_for(spec, name) for name in (spec.modalities if modalities is None else modalities)}
    chosen = [(kind, name) for name, known in offered.items() for kind in known if kinds is None or kind in kinds]
    if not chosen:
        known = ", ".join(dict.fromkeys(kind for each in offered.values() for kind in each))
        raise InputError(f"{spec.name}: {', '.join(kinds or ())} makes no sense for {', '.join(offered)}; use {known}")
    points = sorted({0.0, *map(float, severities)})
    return [Scenario(corruption=Corruption(*each, severity)) for each in chosen for severity in points]


def parse_scenario(text: str, modalities: Sequence[str]) -> Scenario:
    """Read the name of a scenario.

    Args:
        text: ``clean``, modalities joined by ``+``, or ``KIND:MODALITY=SEVERITY``.
        modalities: of the data set, in order.

    Raises:
        InputError: a modality that does not exist, an unknown corruption, or a severity outside [0, 1].

    Example:
        >>> parse_scenario("audio+text", ["text", "audio", "vision"]).name
        'text+audio'
    """
    if ":" in text:
        corruption = parse_corruption(text)
        _require_known([corruption.modality], modalities)
        return Scenario(corruption=corruption)
    if text.strip() == CLEAN:
        return Scenario()
    wanted = [word.strip() for word in text.split("+")]
    _require_known(wanted, modalities)
    kept = tuple(name for name in modalities if name in wanted)
    return Scenario(() if len(kept) == len(modalities) else kept)


def _require_known(wanted: Sequence[str], modalities: Sequence[str]) -> None:
    for name in wanted:
        if name not in modalities:
            raise InputError.unknown("modality", name, modalities)


class Variants:
    """One batch in any scenario. What a scenario leaves alone are the very same tensors, so they need no new encoding.

    Chance depends on the curve, the partition and the number of the batch, and on nothing else: all runs see the same
    corrupted utterances, and a higher severity touches all that a lower one does.

    Args:
        batch: as it is.
        partition: position of the partition in the data set.
        number: position of the batch in the test part.
        tokens: how to read a text of word pieces.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> given = Variants(few).of(parse_scenario("text", list(few.modalities)))
        >>> [bool(sequence.present.any()) for sequence in given.modalities.values()]
        [True, False, False]
        >>> given.modalities["text"].values is few.modalities["text"].values
        True
    """

    def __init__(
        self, batch: MultimodalBatch, *, partition: int = 0, number: int = 0, tokens: TokenSpec | None = None
    ) -> None:
        self.batch = batch
        self._place = (partition, number)
        self._tokens = tokens
        self._hidden = {
            name: drop_modality(batch, name, probability=1.0, generator=torch.Generator()).modalities[name]
            for name in batch.modalities
        }

    @property
    def shared(self) -> list[ModalitySequence]:
        """The sequences that come in several scenarios."""
        return [*self.batch.modalities.values(), *self._hidden.values()]

    def of(self, scenario: Scenario) -> MultimodalBatch:
        """The batch in a scenario.

        Raises:
            InputError: a corruption that makes no sense for the batch.
        """
        if scenario.corruption is not None:
            chance = torch.Generator().manual_seed(stream_seed(0, scenario.curve, *self._place))
            return scenario.corruption.apply(self.batch, chance, tokens=self._tokens)
        if not scenario.kept:
            return self.batch
        present = {
            name: sequence if name in scenario.kept else self._hidden[name]
            for name, sequence in self.batch.modalities.items()
        }
        return replace(self.batch, modalities=present)
