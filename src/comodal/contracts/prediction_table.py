"""The table of predictions that all evaluation reads.

Axis legend: N samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.contracts.columns import read_columns, require_one_length, write_columns
from comodal.contracts.errors import InputError
from comodal.contracts.tasks import Sentiment, Task, task_from_dict

__all__ = ["PredictionTable"]

_COLUMNS = ("id", "group", "split", "scenario", "target", "prediction", "critic_score")


@dataclass(frozen=True)
class PredictionTable:
    """Predictions of a model: one row per sample and scenario.

    Attributes:
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each sample (video, speaker, patient): the unit that intervals resample.
        split: ``(N,)`` ``"train"``, ``"valid"`` or ``"test"``.
        scenario: ``(N,)`` which modalities were removed or corrupted; ``"clean"`` for none.
        target: ``(N,)`` true values or numbers of classes; ``(N, K)`` for several outputs or labels.
        prediction: ``(N,)`` predicted values, or probabilities of the second of two classes; ``(N, K)`` for several
            outputs, or the probability of each class or label.
        critic_score: ``(N,)`` the critic's score of the joint sample, NaN without a critic; of a sample that lacks a
            modality, which critics do not learn from, it means nothing.
        task: what is predicted.
    """

    id: np.ndarray[Any, Any]
    group: np.ndarray[Any, Any]
    split: np.ndarray[Any, Any]
    scenario: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    prediction: np.ndarray[Any, Any]
    critic_score: np.ndarray[Any, Any]
    task: Task = field(default_factory=Sentiment)

    def __post_init__(self) -> None:
        require_one_length(self.columns(), kind="a prediction table")

    @property
    def is_collapsed(self) -> bool:
        """Return whether the model predicts the same for every sample although their labels differ."""
        return self.task.is_collapsed(self.target, self.prediction)

    @staticmethod
    def of(
        target: npt.ArrayLike,
        prediction: npt.ArrayLike,
        *,
        group: npt.ArrayLike,
        id: npt.ArrayLike | None = None,  # noqa: A002 - the name of the column
        split: str = "test",
        scenario: str = "clean",
        task: Task | None = None,
    ) -> PredictionTable:
        """Return a table of one split and scenario, without critic scores; ids are row numbers when not given.

        Example:
            >>> PredictionTable.of([1.0, -1.0], [0.5, 0.5], group=["v", "w"]).id.tolist()
            ['0', '1']
        """
        values = np.asarray(target)
        n = len(values)
        return PredictionTable(
            id=np.arange(n).astype(str) if id is None else np.asarray(id),
            group=np.asarray(group),
            split=np.full(n, split),
            scenario=np.full(n, scenario),
            target=values,
            prediction=np.asarray(prediction),
            critic_score=np.full(n, np.nan, dtype=np.float32),
            task=task or Sentiment(),
        )

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return name and array of every column, in file order."""
        return {name: getattr(self, name) for name in _COLUMNS}

    def select(self, *, split: str | None = None, scenario: str | None = None) -> PredictionTable:
        """Return the rows of one split, one scenario, or both."""
        keep = np.ones(len(self), dtype=bool)
        if split is not None:
            keep &= self.split == split
        if scenario is not None:
            keep &= self.scenario == scenario
        return PredictionTable(**{name: column[keep] for name, column in self.columns().items()}, task=self.task)

    @staticmethod
    def concatenate(tables: list[PredictionTable]) -> PredictionTable:
        """Return one table with the rows of several, for example of the folds of a cross-validation.

        Raises:
            InputError: no table is given.
        """
        if not tables:
            raise InputError("no prediction table to concatenate: give at least one", code="empty")
        joined = {name: np.concatenate([getattr(t, name) for t in tables]) for name in _COLUMNS}
        return PredictionTable(**joined, task=tables[0].task)

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet."""
        write_columns(path, self.columns(), {"task": self.task.to_dict()})

    @staticmethod
    def from_parquet(path: str | Path) -> PredictionTable:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        columns, facts = read_columns(path, kind="prediction table", needed=_COLUMNS, command="comodal evaluate")
        return PredictionTable(**{name: columns[name] for name in _COLUMNS}, task=task_from_dict(facts.get("task", {})))
