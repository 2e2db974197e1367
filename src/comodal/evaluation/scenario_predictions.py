"""What one run predicts in many scenarios, as a file.

Axis legend: N utterances.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, PredictionTable
from comodal.metrics import is_collapsed

__all__ = ["ScenarioPredictions"]

_SHARED = ("id", "group", "target", "partition")
_FACTS = b"comodal"


@dataclass(frozen=True)
class ScenarioPredictions:
    """One run on the test part of every partition, in many scenarios: a column a scenario, so that a file stays small.

    Attributes:
        id: ``(N,)`` utterance ids.
        group: ``(N,)`` the video of each.
        target: ``(N,)`` labels.
        partition: ``(N,)`` position of the partition whose model predicted it.
        prediction: name of the scenario to ``(N,)``.
        digest: of the weights that predicted.

    Example:
        >>> column = np.zeros(2, dtype=np.float32)
        >>> found = ScenarioPredictions(np.array(["a", "b"]), np.array(["v", "v"]), column, column.astype(np.int64),
        ...                             {"clean": column, "text": column + 1}, "")
        >>> found.table("text").prediction.tolist(), found.table("text").scenario.tolist()
        ([1.0, 1.0], ['text', 'text'])
    """

    id: NDArray[Any]
    group: NDArray[Any]
    target: NDArray[np.float32]
    partition: NDArray[np.int64]
    prediction: Mapping[str, NDArray[np.float32]]
    digest: str

    def table(self, scenario: str) -> PredictionTable:
        """The predictions in one scenario, without scores of a critic."""
        n = len(self.id)
        return PredictionTable(
            id=self.id,
            group=self.group,
            split=np.full(n, "test"),
            scenario=np.full(n, scenario),
            target=self.target,
            prediction=self.prediction[scenario],
            critic_score=np.full(n, np.nan, dtype=np.float32),
        )

    def collapsed(self, scenario: str) -> bool:
        """Whether the model of a partition predicts a constant."""
        rows = [self.partition == position for position in np.unique(self.partition)]
        return any(is_collapsed(self.target[part], self.prediction[scenario][part]) for part in rows)

    def holds(self, scenarios: Iterable[str], digest: str) -> bool:
        """Whether these weights are known in all these scenarios."""
        return self.digest == digest and set(scenarios) <= set(self.prediction)

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet; the digest goes into its metadata."""
        import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
        import pyarrow.parquet as pq  # noqa: PLC0415

        columns = {name: pa.array(getattr(self, name)) for name in _SHARED}
        columns |= {f"prediction {name}": pa.array(values) for name, values in self.prediction.items()}
        table = pa.table(columns).replace_schema_metadata({_FACTS: json.dumps({"digest": self.digest})})
        pq.write_table(table, path)

    @staticmethod
    def from_parquet(path: str | Path) -> ScenarioPredictions:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            table = pq.read_table(path)
            column = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
            shared = {name: column.pop(name) for name in _SHARED}
            digest = json.loads(table.schema.metadata[_FACTS])["digest"]
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise InputError(f"{path}: not readable as predictions in scenarios ({error}); remove the file") from error
        prediction = {name.partition(" ")[2]: values for name, values in column.items()}
        return ScenarioPredictions(**shared, prediction=prediction, digest=digest)
