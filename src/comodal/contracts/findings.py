"""Everything a page about a finished run or comparison shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comodal.contracts.explanation import Attribution, ExplanationTable, PairingScore
from comodal.contracts.robustness import RobustnessRow
from comodal.contracts.tables import ComparisonRow

__all__ = ["DataFacts", "Findings", "TrainingCurve"]


@dataclass(frozen=True)
class DataFacts:
    """What the runs were trained on.

    Attributes:
        name: of the data set.
        source: where it was read from.
        note: what must be known of numbers on it.
        modalities: modality to width of its features, 0 for word pieces.
        splits: partition to split to number of utterances.
        groups: number of videos (or speakers).
        utterances: number of utterances.
        label_range: lowest and highest label.
    """

    name: str
    source: str
    note: str
    modalities: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    groups: int
    utterances: int
    label_range: tuple[float, float]


@dataclass(frozen=True)
class TrainingCurve:
    """What one fit logged, epoch by epoch.

    Attributes:
        fusion: label of the arm.
        measure: dependency measure of the penalty, ``"none"`` without one.
        seed: of the run.
        partition: name of the partition.
        best_epoch: the epoch whose weights were kept.
        values: name of what was logged to its values, one an epoch.
    """

    fusion: str
    measure: str
    seed: int
    partition: str
    best_epoch: int
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Findings:
    """What is known of a finished run or comparison; parts that were not made yet are empty.

    Attributes:
        title: name of the folder.
        data: what the runs were trained on.
        config: the configuration, plain types.
        versions: package to version, and the machine.
        seeds: the reported seeds.
        rows: the comparison, one a metric of every arm; without differences for a single run.
        replication: the same on fresh seeds.
        curves: training curves.
        robustness: subsets, severity curves and areas.
        robustness_replication: the same on fresh seeds.
        explanations: one a run that was explained.
        attributions: by utterance id, of the first explanation.
        pairing: how far the critic may be believed.
    """

    title: str
    data: DataFacts
    config: Mapping[str, Any]
    versions: Mapping[str, Any]
    seeds: tuple[int, ...]
    rows: tuple[ComparisonRow, ...] = ()
    replication: tuple[ComparisonRow, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    robustness: tuple[RobustnessRow, ...] = ()
    robustness_replication: tuple[RobustnessRow, ...] = ()
    explanations: tuple[ExplanationTable, ...] = ()
    attributions: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    pairing: tuple[PairingScore, ...] = ()
