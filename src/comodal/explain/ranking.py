"""The utterances to look at first.

Axis legend: N utterances, k of them on a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable

__all__ = ["Ranking", "percentiles", "rankings"]


@dataclass(frozen=True, eq=False)
class Ranking:
    """A list of utterances.

    Attributes:
        name: for example ``"least dependent"``.
        meaning: one sentence.
        rows: ``(k,)`` row numbers in the table, the most extreme first.
    """

    name: str
    meaning: str
    rows: NDArray[np.int64]


def percentiles(values: NDArray[Any]) -> NDArray[np.float64]:
    """Rank of each finite value among all of them, from 0 to 100; ties share their middle rank, others are NaN.

    Example:
        >>> percentiles(np.array([3.0, 1.0, 1.0, np.nan, 9.0])).round(1).tolist()
        [66.7, 16.7, 16.7, nan, 100.0]
    """
    from scipy.stats import rankdata  # noqa: PLC0415 - keeps `import comodal` light

    found = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    count = int(finite.sum())
    if count:
        found[finite] = 50.0 if count == 1 else 100 * (rankdata(values[finite]) - 1) / (count - 1)
    return found


def rankings(table: ExplanationTable, length: int) -> tuple[Ranking, ...]:
    """The lists of an explanation, each of at most ``length`` utterances; empty ones are left out.

    Besides both ends of dependency, where it disagrees with the error of the prediction: modalities that agree should
    make a prediction easy, so ``percentile of dependency + percentile of error - 100`` is far above 0 where the
    modalities agree and the prediction is wrong all the same, and far below where they disagree and it is right.
    Percentiles rather than nats, because partitions have critics of their own.
    """
    surprise = table.percentile + percentiles(np.abs(table.prediction - table.target)) - 100
    found = (
        Ranking("most dependent", "The modalities fit together best.", _first(-table.percentile, length)),
        Ranking("least dependent", "The modalities fit together least.", _first(table.percentile, length)),
        Ranking("agreeing but wrong", "High dependency and a large error.", _first(-surprise, length, below=0.0)),
        Ranking("disagreeing but right", "Low dependency and a small error.", _first(surprise, length, below=0.0)),
    )
    return tuple(each for each in found if len(each.rows))


def _first(keys: NDArray[Any], length: int, *, below: float = np.inf) -> NDArray[np.int64]:
    order = np.argsort(keys, kind="stable")  # NaN comes last
    return order[keys[order] < below][:length]
