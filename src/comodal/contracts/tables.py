"""Tables: the predictions that all evaluation reads, and the rows that all reports read.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts.columns import read_columns, write_columns
from comodal.contracts.errors import InputError

__all__ = [
    "ComparisonRow",
    "PredictionTable",
]


@dataclass(frozen=True)
class PredictionTable:
    """Predictions as all evaluation reads them: one row per utterance and scenario.

    Attributes:
        id: ``(N,)`` utterance ids.
        group: ``(N,)`` the video (or speaker) of each utterance: the unit that is resampled in intervals.
        split: ``(N,)`` ``"train"``, ``"valid"`` or ``"test"``.
        scenario: ``(N,)`` which modalities were present or corrupted; ``"clean"`` when all were as given.
        target: ``(N,)`` labels.
        prediction: ``(N,)``.
        critic_score: ``(N,)`` the critic's score of the joint sample, NaN without a critic.
    """

    id: np.ndarray[Any, Any]
    group: np.ndarray[Any, Any]
    split: np.ndarray[Any, Any]
    scenario: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    prediction: np.ndarray[Any, Any]
    critic_score: np.ndarray[Any, Any]

    def __post_init__(self) -> None:
        lengths = {name: len(column) for name, column in self.columns()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"columns of a prediction table differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
        """Name and array of every column, in file order."""
        for name in self.__dataclass_fields__:
            yield name, getattr(self, name)

    def select(self, *, split: str | None = None, scenario: str | None = None) -> PredictionTable:
        """The rows of one split, one scenario, or both."""
        keep = np.ones(len(self), dtype=bool)
        if split is not None:
            keep &= self.split == split
        if scenario is not None:
            keep &= self.scenario == scenario
        return PredictionTable(**{name: column[keep] for name, column in self.columns()})

    @staticmethod
    def concatenate(tables: list[PredictionTable]) -> PredictionTable:
        """Rows of several tables below each other, for example the folds of a cross-validation."""
        if not tables:
            raise InputError("no prediction table to concatenate: give at least one")
        names = PredictionTable.__dataclass_fields__
        return PredictionTable(**{name: np.concatenate([getattr(t, name) for t in tables]) for name in names})

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet."""
        write_columns(path, dict(self.columns()))

    @staticmethod
    def from_parquet(path: str | Path) -> PredictionTable:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        names = list(PredictionTable.__dataclass_fields__)
        columns, _ = read_columns(path, kind="prediction table", needed=names, command="comodal evaluate")
        return PredictionTable(**{name: columns[name] for name in names})


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one arm (fusion x measure) of a comparison: what tables and summary files hold.

    A value that does not exist (the difference of a reference row, a p-value from one seed) is ``None``, never NaN.

    Attributes:
        fusion: fusion model, for example ``"early"``, or ``"early:text"`` for its single-modality network.
        measure: dependency measure of the penalty; ``"none"`` without one.
        weight: weight of the penalty.
        metric: name in :mod:`comodal.metrics`.
        mean: over the seeds of the arm, each on all test utterances.
        std: sample standard deviation over the seeds.
        delta: mean paired difference to the reference, in the metric's unit; its sign is that of arm minus reference.
        ci_low: lower end of the 95 % interval of ``delta``, over seeds and videos, not corrected for multiplicity.
        ci_high: upper end.
        p_value: two-sided, Holm-corrected over all compared rows of the same metric.
        n_seeds: seeds of the arm.
        collapsed: how many of its runs predict a constant.
        seconds: mean seconds a run.
        p_raw: two-sided, uncorrected.
        reference: what it is compared with, for example ``"early/none"``; ``None`` for a row that is a reference only.
        n_groups: videos of the test part.
        better: ``"higher"`` or ``"lower"``.
        p_holm_all: Holm-corrected over all compared rows of all metrics.
        variance_seed: part of the variance of ``delta`` from the choice of seeds (interaction included).
        variance_video: part from the choice of videos (interaction excluded).
        note: what a reader must know of this row or of its data, parted by ``"; "``; empty when there is nothing.
    """

    fusion: str
    measure: str
    weight: float
    metric: str
    mean: float
    std: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n_seeds: int
    collapsed: int
    seconds: float
    p_raw: float | None = None
    reference: str | None = None
    n_groups: int = 0
    better: str = "higher"
    p_holm_all: float | None = None
    variance_seed: float | None = None
    variance_video: float | None = None
    note: str = ""
