"""Predictions of one run in many scenarios, and their file.

Axis legend: N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import PredictionTable, Sentiment, Task
from comodal.contracts.columns import read_columns, write_columns
from comodal.contracts.tasks import task_from_dict

__all__ = ["ScenarioPredictions"]

_SHARED = ("id", "group", "target", "partition")


@dataclass(frozen=True)
class ScenarioPredictions:
    """Predictions of one run on the test part of every partition: one column per scenario, which keeps files small.

    Attributes:
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each sample.
        target: ``(N,)`` true values.
        partition: ``(N,)`` position of the partition whose model predicted the sample.
        prediction: scenario name to ``(N,)`` predictions.
        digest: digest of the weights.
        task: what is predicted.
    """

    id: NDArray[Any]
    group: NDArray[Any]
    target: NDArray[np.float32]
    partition: NDArray[np.int64]
    prediction: Mapping[str, NDArray[np.float32]]
    digest: str
    task: Task = field(default_factory=Sentiment)

    def table(self, scenario: str) -> PredictionTable:
        """Return the predictions in one scenario, without critic scores."""
        prediction = self.prediction[scenario]
        return PredictionTable.of(
            self.target, prediction, group=self.group, id=self.id, scenario=scenario, task=self.task
        )

    def collapsed(self, scenario: str) -> bool:
        """Return whether the model of any partition predicts a constant."""
        rows = [self.partition == position for position in np.unique(self.partition)]
        return any(self.task.is_collapsed(self.target[part], self.prediction[scenario][part]) for part in rows)

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet, with the digest in the metadata."""
        columns = {name: getattr(self, name) for name in _SHARED}
        columns |= {f"prediction {name}": values for name, values in self.prediction.items()}
        write_columns(path, columns, {"digest": self.digest, "task": self.task.to_dict()})

    @staticmethod
    def from_parquet(path: str | Path) -> ScenarioPredictions:
        """Read what :meth:`to_parquet` wrote."""
        column, facts = read_columns(
            path, kind="table of predictions in scenarios", needed=_SHARED, command="comodal robustness"
        )
        shared = {name: column.pop(name) for name in _SHARED}
        digest = facts.get("digest", "")
        prediction = {name.partition(" ")[2]: values for name, values in column.items()}
        return ScenarioPredictions(
            **shared, prediction=prediction, digest=digest, task=task_from_dict(facts.get("task", {}))
        )
