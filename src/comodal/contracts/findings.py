"""Results of a finished run or comparison, as reports read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comodal.contracts.explanation import Attribution, ExplanationTable, PairingScore
from comodal.contracts.result_rows import BreakdownRow, ComparisonRow, RobustnessRow
from comodal.contracts.tasks import Task
from comodal.contracts.tasks.task import Array

__all__ = ["ArmPredictions", "DataFacts", "Findings", "TrainingCurve"]


@dataclass(frozen=True)
class DataFacts:
    """Facts about the data set of the runs.

    Attributes:
        name: name of the data set.
        source: where it was read from.
        note: caveats of numbers on it.
        modalities: width of the features of each modality, 0 for word pieces.
        splits: number of samples per partition and split.
        groups: number of groups, such as videos or speakers.
        samples: number of samples.
        task: what is predicted.
    """

    name: str
    source: str
    note: str
    modalities: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]]
    groups: int
    samples: int
    task: Task


@dataclass(frozen=True, eq=False)
class ArmPredictions:
    """Predictions of all runs of an arm on the test part.

    Attributes:
        fusion: label of the arm.
        measure: dependency measure of the penalty, ``"none"`` without one.
        target: ``(N,)`` or ``(N, K)``, as in a prediction table.
        prediction: ``(S, N)`` or ``(S, N, K)``, one prediction per seed.
    """

    fusion: str
    measure: str
    target: Array
    prediction: Array

    @property
    def arm(self) -> str:
        """Name of the arm, for example ``"early/kl"``."""
        return f"{self.fusion}/{self.measure}"


@dataclass(frozen=True)
class TrainingCurve:
    """Values that one fit logged per epoch.

    Attributes:
        fusion: label of the arm.
        measure: dependency measure of the penalty, ``"none"`` without one.
        seed: seed of the run.
        partition: name of the partition.
        best_epoch: epoch whose weights were kept.
        values: logged quantity to its values, one per epoch.
    """

    fusion: str
    measure: str
    seed: int
    partition: str
    best_epoch: int
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Findings:
    """Results of a finished run or comparison; parts that were not computed yet are empty.

    Attributes:
        title: name of the folder.
        data: the data set of the runs.
        config: the configuration, plain types.
        versions: versions of packages, and the machine.
        seeds: reported seeds.
        rows: the comparison, one row per arm and metric; without differences for a single run.
        replication: the comparison on fresh seeds.
        predictions: predictions of every arm, empty where the task has no figure of them.
        breakdown: numbers of each class, label or output by itself, for every arm.
        curves: training curves.
        robustness: subsets, severity curves and areas.
        robustness_replication: robustness on fresh seeds.
        explanations: one table per explained run.
        attributions: attributions of the first explanation by sample id.
        pairing: how well the critic finds artificially broken pairs.
        label_budget: labels that training saw, per class (of a task without classes: in all); 0 for every label.
    """

    title: str
    data: DataFacts
    config: Mapping[str, Any]
    versions: Mapping[str, Any]
    seeds: tuple[int, ...]
    rows: tuple[ComparisonRow, ...] = ()
    replication: tuple[ComparisonRow, ...] = ()
    predictions: tuple[ArmPredictions, ...] = ()
    breakdown: tuple[BreakdownRow, ...] = ()
    curves: tuple[TrainingCurve, ...] = ()
    robustness: tuple[RobustnessRow, ...] = ()
    robustness_replication: tuple[RobustnessRow, ...] = ()
    explanations: tuple[ExplanationTable, ...] = ()
    attributions: Mapping[str, tuple[Attribution, ...]] = field(default_factory=dict)
    pairing: tuple[PairingScore, ...] = ()
    label_budget: int = 0
