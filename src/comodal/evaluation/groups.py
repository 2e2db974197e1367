"""Videos as the unit of resampling: sums per video, from which every resample follows without touching utterances.

Utterances of one video share speaker, microphone and topic, so the video and not the utterance is the unit that is
drawn again or left out. Every metric is a function of sums over utterances (:mod:`comodal.metrics`), so a bootstrap
resample of videos is a vector of counts, all resamples together are one matrix product, and leaving a video out is a
subtraction.

Axis legend: N utterances, V videos (groups), B bootstrap replicates, k terms of a metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError, PredictionTable
from comodal.metrics import Array, Metric, checked

__all__ = ["Grouping", "bootstrap_counts", "group_sums", "grouping", "leave_one_out", "percentile_interval"]


@dataclass(frozen=True)
class Grouping:
    """Which video each utterance belongs to.

    Attributes:
        codes: ``(N,)`` int, from 0 to V - 1.
        sizes: ``(V,)`` utterances of each video.
    """

    codes: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """V, the number of videos."""
        return len(self.sizes)

    @property
    def effective_count(self) -> float:
        """``(sum n_v)^2 / sum n_v^2``: V for videos of one size, fewer when a few long ones carry most of the weight.

        >>> Grouping(np.array([0, 0, 1, 1]), np.array([2, 2])).effective_count
        2.0
        """
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum())


def grouping(table: PredictionTable) -> Grouping:
    """The videos of a table of predictions.

    Raises:
        InputError: the table is empty, or holds an utterance twice (several splits or scenarios below each other).
    """
    if not len(table):
        raise InputError("the prediction table has no rows: was the split or scenario asked for ever predicted?")
    ids, times = np.unique(table.id.astype(str), return_counts=True)
    if times.max() > 1:
        twice = str(ids[times.argmax()])
        raise InputError(
            f"utterance {twice!r} occurs {times.max()} times in a prediction table: select one split and one scenario"
        )
    _, codes, sizes = np.unique(table.group.astype(str), return_inverse=True, return_counts=True)
    return Grouping(codes.astype(np.intp), sizes.astype(np.int64))


def bootstrap_counts(n_groups: int, *, replicates: int, seed: int) -> Array:
    """How often each video is drawn in each replicate, V draws with replacement.

    Args:
        n_groups: V.
        replicates: B.
        seed: of the draws.

    Returns:
        ``(B, V)`` non-negative whole numbers, each row summing to V.

    >>> counts = bootstrap_counts(3, replicates=5, seed=0)
    >>> counts.shape, counts.sum(axis=1).tolist()
    ((5, 3), [3.0, 3.0, 3.0, 3.0, 3.0])
    """
    if replicates < 2:
        raise InputError(f"replicates is {replicates}: a bootstrap needs at least 2, 2000 for an interval")
    draws = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=replicates)
    return draws.astype(np.float64)


def group_sums(metric: Metric, target: Any, prediction: Any, groups: Grouping) -> Array:
    """The terms of a metric summed within each video.

    Args:
        metric: which.
        target: ``(N,)`` labels.
        prediction: ``(N,)``.
        groups: of the same N utterances.

    Returns:
        ``(V, k)``; their sum over videos is what ``metric.value`` takes.

    >>> from comodal.metrics import METRICS
    >>> groups = Grouping(np.array([0, 0, 1]), np.array([2, 1]))
    >>> group_sums(METRICS["mae"], [1.0, 2.0, 3.0], [1.5, 2.0, 0.0], groups).tolist()
    [[0.5, 2.0], [3.0, 1.0]]
    """
    terms = metric.terms(*checked(target, prediction))
    sums = [np.bincount(groups.codes, weights=column, minlength=groups.count) for column in terms.T]
    return np.stack(sums, axis=-1)


def leave_one_out(sums: Array) -> Array:
    """The sums over all videos but one, for each video.

    Args:
        sums: ``(V, ...)`` sums of each video.

    Returns:
        ``(V, ...)``.

    >>> leave_one_out(np.array([[1.0], [2.0], [4.0]])).ravel().tolist()
    [6.0, 5.0, 3.0]
    """
    left: Array = sums.sum(axis=0) - sums
    return left


def percentile_interval(replicates: Array, n_groups: int) -> tuple[float, float]:
    """The 95 % percentile interval, widened for few videos.

    The plain percentile interval is too narrow by ``sqrt((V - 1) / V)`` and by the normal quantile in place of
    Student's. The widened one takes the percentiles at ``Phi(-+ sqrt(V / (V - 1)) t_{0.975, V - 1})``.

    Args:
        replicates: ``(B,)`` values; NaN where a replicate had nothing to count, and left out.
        n_groups: V; with a single video there is no interval.

    Returns:
        Lower and upper end, both NaN for V = 1.

    Source: T. Hesterberg, "What teachers should know about the bootstrap", 2015, section 5.3 (expanded percentile).

    >>> low, high = percentile_interval(np.linspace(0.0, 1.0, 1001), 1000)
    >>> round(low, 2), round(high, 2)
    (0.02, 0.98)
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 - keeps `import comodal` light

    if n_groups < 2:
        return float("nan"), float("nan")
    wide = np.sqrt(n_groups / (n_groups - 1)) * stdtrit(n_groups - 1, 0.975)
    low, high = np.nanquantile(replicates, [ndtr(-wide), ndtr(wide)])
    return float(low), float(high)
