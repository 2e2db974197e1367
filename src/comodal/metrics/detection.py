"""AUROC and average precision of a ranking, exact with ties, for many sets of weights at once.

Axis legend: n samples, W sets of weights, G distinct scores.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError

__all__ = ["Curve", "curve", "left_out_curve"]

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """Cumulative weights down a ranking, one step per distinct score.

    Attributes:
        hits: ``(W, G)`` weight of true positives so far.
        misses: ``(W, G)`` weight of false positives so far.
    """

    hits: Array
    misses: Array

    def auroc(self) -> Array:
        """Return the area under the ROC curve ``(W,)``: the probability that a positive scores higher than a negative.

        ``P(S_+ > S_-) + P(S_+ = S_-) / 2``, the Mann-Whitney statistic over the number of pairs; 0.5 is chance, NaN
        where only one class has weight.

        Source: J. A. Hanley, B. J. McNeil, Radiology 143, 1982.
        """
        before = np.concatenate([np.zeros((len(self.hits), 1)), self.hits[:, :-1]], axis=1)
        area = (np.diff(self.misses, axis=1, prepend=0.0) * (before + self.hits) / 2).sum(axis=1)
        return _ratio(area, self.hits[:, -1] * self.misses[:, -1])

    def average_precision(self) -> Array:
        """Return the area ``(W,)`` under the precision-recall curve as a sum of steps: mean precision at the positives.

        ``sum_g (R_g - R_{g-1}) P_g`` over the distinct scores from the highest; chance is the share of positives, NaN
        where only one class has weight.

        Source: C. D. Manning, P. Raghavan, H. Schuetze, Introduction to Information Retrieval, 2008, section 8.4.
        """
        precision = _ratio(self.hits, self.hits + self.misses, empty=0.0)
        area = (np.diff(self.hits, axis=1, prepend=0.0) * precision).sum(axis=1)
        return _ratio(np.where(self.misses[:, -1] > 0, area, np.nan), self.hits[:, -1])


def curve(score: ArrayLike, found: ArrayLike, weight: ArrayLike | None = None) -> Curve:
    """Return the cumulative weights down a ranking.

    Args:
        score: ``(n,)``, higher = more likely positive.
        found: ``(n,)`` bool, the positives.
        weight: ``(W, n)`` non-negative, one curve per row; default: one row of ones.

    Raises:
        InputError: only one class, scores that are not finite, or lengths that differ.
    """
    values, sought = np.asarray(score, dtype=np.float64), np.asarray(found, dtype=bool)
    weights = np.ones((1, len(values))) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(values, sought, weights)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits, misses = (np.cumsum((weights * mask)[:, order], axis=1)[:, ends] for mask in (sought, ~sought))
    return Curve(hits, misses)


def left_out_curve(score: Array, found: NDArray[np.bool_], codes: NDArray[np.intp], groups: range) -> Curve:
    """Return the same with weights of one, and in each row the samples of one of these groups left out.

    Counts are whole numbers, so these are the bits of :func:`curve` with weights of 0 and 1, in half the time.
    """
    _, place = np.unique(-score, return_inverse=True)
    inside = (codes >= groups.start) & (codes < groups.stop)
    steps = int(place.max()) + 1

    def without_each(mask: NDArray[np.bool_]) -> Array:
        total = np.cumsum(np.bincount(place[mask], minlength=steps))
        own = mask & inside
        cells = place[own] * len(groups) + codes[own] - groups.start
        counts = np.bincount(cells, minlength=steps * len(groups)).reshape(steps, len(groups))
        # Columns lie in memory one after another, as in `curve`: sums of areas add the steps in their order.
        return np.subtract(total[:, None], np.cumsum(counts, axis=0), dtype=np.float64).T

    return Curve(without_each(found), without_each(~found))


def _check(score: Array, found: NDArray[Any], weight: Array) -> None:
    if score.ndim != 1 or found.shape != score.shape or weight.shape[1:] != score.shape:
        raise InputError(
            f"scores are {score.shape}, positives {found.shape}, weights {weight.shape}: give (n,), (n,) and (W, n)",
            code="wrong_shape",
        )
    if not np.isfinite(score).all():
        raise InputError(
            f"{(~np.isfinite(score)).sum()} of {len(score)} scores are NaN or infinite: train again, or leave it out",
            code="not_finite",
        )
    if found.all() or not found.any():
        raise InputError("only one class: give positive and negative samples", code="empty")


def _ratio(part: Array, whole: Array, *, empty: float = np.nan) -> Array:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)
