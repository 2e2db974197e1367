"""Rank lists: the samples to look at first.

Axis legend: N samples, k of them on a list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import ExplanationTable

__all__ = ["RankList", "percentiles", "rankings"]


@dataclass(frozen=True, eq=False)
class RankList:
    """The most extreme samples by one criterion.

    Attributes:
        name: for example ``"least dependent"``.
        meaning: one sentence.
        rows: ``(k,)`` row numbers in the table, the most extreme first.
    """

    name: str
    meaning: str
    rows: NDArray[np.int64]


def percentiles(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each finite value from 0 to 100; ties share their mean rank; NaN for other values."""
    from scipy.stats import rankdata  # noqa: PLC0415 - keeps `import comodal` light

    found = np.full(len(values), np.nan)
    finite = np.isfinite(values)
    count = int(finite.sum())
    if count:
        found[finite] = 50.0 if count == 1 else 100 * (rankdata(values[finite]) - 1) / (count - 1)
    return found


def rankings(table: ExplanationTable, length: int) -> tuple[RankList, ...]:
    """Return the rank lists of an explanation, each of at most ``length`` samples, without empty ones.

    Two lists hold the ends of dependency. Two compare it with the error of the prediction by ``percentile of dependency
    + percentile of error - 100``: high where the modalities agree but the prediction is wrong, low where they disagree
    but it is right. Percentiles and not nats, because each partition has its own critic.
    """
    surprise = table.percentile + percentiles(table.error) - 100
    found = (
        RankList("most dependent", "The modalities fit together best.", _first(-table.percentile, length)),
        RankList("least dependent", "The modalities fit together least.", _first(table.percentile, length)),
        RankList("agreeing but wrong", "High dependency and a large error.", _first(-surprise, length, below=0.0)),
        RankList("disagreeing but right", "Low dependency and a small error.", _first(surprise, length, below=0.0)),
    )
    return tuple(each for each in found if len(each.rows))


def _first(keys: NDArray[Any], length: int, *, below: float = np.inf) -> NDArray[np.int64]:
    order = np.argsort(keys, kind="stable")  # NaN comes last
    return order[keys[order] < below][:length]
