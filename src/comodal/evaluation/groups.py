"""Resample groups of samples: bootstrap and leave-one-out of metrics, from sums per group.

Samples of a group are dependent (utterances of a video share speaker, microphone and topic), so intervals resample
groups. Every metric is a function of sums over samples (:mod:`comodal.metrics`), so a bootstrap resample of groups is a
vector of counts, all resamples together are one matrix product, and leaving a group out is a subtraction.

Axis legend: N samples, V groups, B bootstrap replicates, k terms of a metric.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError, PredictionTable
from comodal.metrics import Array

__all__ = ["Grouping", "bootstrap_counts", "grouping", "percentile_interval"]


@dataclass(frozen=True)
class Grouping:
    """The group of each sample."""

    codes: npt.NDArray[np.intp]  # (N,) from 0 to V - 1
    sizes: npt.NDArray[np.int64]  # (V,) number of samples of each group

    @property
    def count(self) -> int:
        """Return V, the number of groups."""
        return len(self.sizes)

    @property
    def effective_count(self) -> float:
        """Return ``(sum n_v)^2 / sum n_v^2``: V for groups of one size, less when a few large ones dominate."""
        return float(self.sizes.sum() ** 2 / (self.sizes**2).sum())


def grouping(table: PredictionTable) -> Grouping:
    """Return the groups of a table of predictions."""
    if not len(table):
        message = "the prediction table has no rows; select a split and scenario that were predicted"
        raise InputError(message, code="empty")
    ids, times = np.unique(table.id.astype(str), return_counts=True)
    if times.max() > 1:
        twice = str(ids[times.argmax()])
        raise InputError(
            f"sample {twice!r} occurs {times.max()} times in a prediction table: select one split and one scenario",
            code="duplicate",
        )
    _, codes, sizes = np.unique(table.group.astype(str), return_inverse=True, return_counts=True)
    return Grouping(codes.astype(np.intp), sizes.astype(np.int64))


def bootstrap_counts(n_groups: int, *, replicates: int, seed: int) -> Array:
    """Return ``(B, V)`` how often each group is drawn in each bootstrap replicate, V times with replacement."""
    if replicates < 2:
        message = f"replicates is {replicates}: a bootstrap needs at least 2, 2000 for an interval"
        raise InputError(message, code="out_of_range")
    draws = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=replicates)
    return draws.astype(np.float64)


def percentile_interval(replicates: Array, n_groups: int) -> tuple[float, float]:
    """Return the 95 % percentile interval, widened for few groups.

    The plain percentile interval is too narrow by ``sqrt((V - 1) / V)`` and by the normal quantile in place of
    Student's. The widened one takes the percentiles at ``Phi(-+ sqrt(V / (V - 1)) t_{0.975, V - 1})``.

    Args:
        replicates: ``(B,)`` values; NaN, where a replicate had nothing to count, is ignored.
        n_groups: V.

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
