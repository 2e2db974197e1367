"""Scenarios of a test part: a subset of the modalities is present, or one modality is corrupted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from comodal.contracts import DatasetSpec, InputError, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.data.corruption_acts import drop_modality
from comodal.data.corruptions import Corruption, kinds_for
from comodal.training.streams import stream_seed

__all__ = ["CHOICES", "CLEAN", "SEVERITIES", "Scenario", "Variants", "curves", "subsets"]

CLEAN = "clean"
CHOICES = ("all", "subsets", "curves")
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Scenario:
    """One scenario of a test part."""

    kept: tuple[str, ...] = ()  # the modalities that are present; empty for all
    corruption: Corruption | None = None  # of one of them

    @property
    def name(self) -> str:
        """Return the name, such as ``clean``, ``text+audio`` or ``noise:audio=0.5``."""
        if self.corruption is not None:
            return self.corruption.name
        return "+".join(self.kept) or CLEAN

    @property
    def curve(self) -> str:
        """Return the name of its severity curve, such as ``noise:audio``; empty for a subset."""
        return self.name.partition("=")[0] if self.corruption else ""

    @property
    def severity(self) -> float:
        """Return the severity of the corruption, 0 for a subset."""
        return self.corruption.severity if self.corruption else 0.0

    def suits(self, spec: DatasetSpec) -> bool:
        """Return whether data have the modalities of the scenario, and its corruption applies to them.

        Example:
            >>> text = DatasetSpec("toy", {"text": 4}, {"text": 1})
            >>> [Scenario(kept).suits(text) for kept in ((), ("text",), ("audio",))]
            [True, True, False]
        """
        if self.corruption is None:
            return set(self.kept) <= set(spec.dims)
        return self.corruption.modality in spec.dims and self.corruption.kind in kinds_for(
            spec, self.corruption.modality
        )


def subsets(modalities: Sequence[str]) -> list[Scenario]:
    """Return a scenario for every non-empty subset, from all modalities to single ones."""
    smaller = [kept for size in range(len(modalities) - 1, 0, -1) for kept in itertools.combinations(modalities, size)]
    return [Scenario(), *map(Scenario, smaller)]


def curves(
    spec: DatasetSpec,
    *,
    severities: Sequence[float] = SEVERITIES,
    kinds: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
) -> list[Scenario]:
    """Return the points of every severity curve, including the clean point at severity 0."""
    offered = {name: kinds_for(spec, name) for name in (spec.modalities if modalities is None else modalities)}
    chosen = [(kind, name) for name, known in offered.items() for kind in known if kinds is None or kind in kinds]
    if not chosen:
        known = ", ".join(dict.fromkeys(kind for each in offered.values() for kind in each))
        message = f"{spec.name}: {', '.join(kinds or ())} does not apply to {', '.join(offered)}; use {known}"
        raise InputError(message, code="unsupported")
    points = sorted({0.0, *map(float, severities)})
    return [Scenario(corruption=Corruption(*each, severity)) for each in chosen for severity in points]


class Variants:
    """One batch in any scenario. Unchanged modalities are the same tensors, so they need no new encoding.

    Random numbers depend only on the curve, the partition and the number of the batch: all runs see the same corrupted
    samples, and a higher severity changes all samples that a lower one changes.

    Args:
        batch: the clean batch.
        partition: position of the partition in the data set.
        number: position of the batch in the test part.
        tokens: tokenizer facts of a text of word pieces.

    Example:
        >>> from comodal.data.collate import batch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> few = batch(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), range(4))
        >>> given = Variants(few).of(Scenario(kept=("text",)))
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
        """Return the sequences that occur in several scenarios."""
        return [*self.batch.modalities.values(), *self._hidden.values()]

    def of(self, scenario: Scenario) -> MultimodalBatch:
        """Return the batch in a scenario."""
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
