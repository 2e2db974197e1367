"""How well a score finds what it should: areas below two curves, exact with ties, for many sets of weights at once.

Axis legend: n utterances, W sets of weights, G distinct scores. No scikit-learn at run time; tests compare with it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError

__all__ = ["Curve", "auroc", "average_precision", "curve"]

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """What is met on the way down a ranking, one step a distinct score.

    Attributes:
        hits: ``(W, G)`` weight of what was found so far.
        misses: ``(W, G)`` weight of what was taken for it.
    """

    hits: Array
    misses: Array

    def auroc(self) -> Array:
        """``(W,)``, see :func:`auroc`."""
        before = np.concatenate([np.zeros((len(self.hits), 1)), self.hits[:, :-1]], axis=1)
        area = (np.diff(self.misses, axis=1, prepend=0.0) * (before + self.hits) / 2).sum(axis=1)
        return _ratio(area, self.hits[:, -1] * self.misses[:, -1])

    def average_precision(self) -> Array:
        """``(W,)``, see :func:`average_precision`."""
        precision = _ratio(self.hits, self.hits + self.misses, empty=0.0)
        area = (np.diff(self.hits, axis=1, prepend=0.0) * precision).sum(axis=1)
        return _ratio(np.where(self.misses[:, -1] > 0, area, np.nan), self.hits[:, -1])


def curve(score: ArrayLike, found: ArrayLike, weight: ArrayLike | None = None) -> Curve:
    """What is met on the way down a ranking; the arguments and errors are those of :func:`auroc`.

    >>> curve([2.0, 2.0, 1.0], [True, False, True]).hits.tolist()
    [[1.0, 2.0]]
    """
    values, sought = np.asarray(score, dtype=np.float64), np.asarray(found, dtype=bool)
    weights = np.ones((1, len(values))) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(values, sought, weights)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits, misses = (np.cumsum((weights * mask)[:, order], axis=1)[:, ends] for mask in (sought, ~sought))
    return Curve(hits, misses)


def auroc(score: ArrayLike, found: ArrayLike, weight: ArrayLike | None = None) -> Array:
    """Area below the receiver operating characteristic: the chance that what is to be found scores higher.

    ``P(S_+ > S_-) + P(S_+ = S_-) / 2``, the Mann-Whitney statistic over the number of pairs; 0.5 is chance.

    Args:
        score: ``(n,)``, higher = more likely to be found.
        found: ``(n,)`` bool, what is to be found.
        weight: ``(W, n)`` non-negative, one area for each row; ones when not given.

    Returns:
        ``(W,)``, or ``(1,)`` without weights; NaN where a row leaves one class only.

    Raises:
        InputError: one class only, scores that are not finite, or lengths that differ.

    Source: J. A. Hanley, B. J. McNeil, Radiology 143, 1982.

    Example:
        >>> auroc([3.0, 2.0, 2.0, 1.0], [True, True, False, False]).tolist()
        [0.875]
    """
    return curve(score, found, weight).auroc()


def average_precision(score: ArrayLike, found: ArrayLike, weight: ArrayLike | None = None) -> Array:
    """Area below the precision-recall curve as a sum of steps: mean precision at each utterance that is to be found.

    ``sum_g (R_g - R_{g-1}) P_g`` over the distinct scores from the highest; its chance is the share to be found.

    Args:
        score: ``(n,)``, higher = more likely to be found.
        found: ``(n,)`` bool, what is to be found.
        weight: ``(W, n)`` non-negative, one area for each row; ones when not given.

    Returns:
        ``(W,)``, or ``(1,)`` without weights; NaN where a row leaves one class only.

    Raises:
        InputError: one class only, scores that are not finite, or lengths that differ.

    Source: C. D. Manning, P. Raghavan, H. Schuetze, Introduction to Information Retrieval, 2008, section 8.4.

    Example:
        >>> average_precision([3.0, 2.0, 1.0], [True, False, True]).round(4).tolist()
        [0.8333]
    """
    return curve(score, found, weight).average_precision()


def _check(score: Array, found: NDArray[Any], weight: Array) -> None:
    if score.ndim != 1 or found.shape != score.shape or weight.shape[1:] != score.shape:
        raise InputError(
            f"scores have shape {score.shape}, what is to be found {found.shape}, weights {weight.shape}: give (n,), "
            "(n,) and (W, n)"
        )
    if not np.isfinite(score).all():
        raise InputError(
            f"{(~np.isfinite(score)).sum()} of {len(score)} scores are NaN or infinite: fit the critic again"
        )
    if found.all() or not found.any():
        raise InputError("one class only: give utterances that are to be found, and others")


def _ratio(part: Array, whole: Array, *, empty: float = np.nan) -> Array:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)
