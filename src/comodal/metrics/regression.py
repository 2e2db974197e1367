"""How far predictions are from the labels, and whether they follow them.

Axis legend: N utterances.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from comodal.metrics.metric import Array, Metric, checked
from comodal.metrics.sums import columns, mean, ratio

__all__ = ["CORR", "MAE", "corr", "is_collapsed", "mae"]

_NO_VARIATION = 1e-12  # variance below this share of the second moment is rounding error


def mae(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error over all utterances, predictions unclipped; smaller is better.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)`` in the unit of the labels.

    Returns:
        Non-negative, in the unit of the labels.

    >>> mae([3.0, -1.0], [4.0, -1.5])
    0.75
    """
    return MAE(target, prediction)


def corr(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Pearson's correlation; by definition here 0 when targets or predictions are constant.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        From -1 to 1, no unit.

    >>> corr([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), corr([1.0, 2.0, 3.0], [0.3, 0.3, 0.3])
    (1.0, 0.0)
    """
    return CORR(target, prediction)


def is_collapsed(target: npt.ArrayLike, prediction: npt.ArrayLike, *, share: float = 0.05) -> bool:
    """Whether the predictions have collapsed to a constant: ``std(prediction) <= share * std(target)``.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.
        share: largest spread, as a share of the labels' spread, that still counts as constant.

    Returns:
        True when a constant would have done.

    >>> is_collapsed([-2.0, 0.0, 2.0], [0.31, 0.30, 0.31]), is_collapsed([-2.0, 0.0, 2.0], [-0.2, 0.0, 0.2])
    (True, False)
    """
    y, p = (_centred(column) for column in checked(target, prediction))
    return float(p.std()) <= share * float(y.std())


def _centred(values: Array) -> Array:
    # A constant minus its mean need not be exactly 0; rounding noise would then be correlated with something.
    return values - values.mean() if np.ptp(values) > 0 else np.zeros_like(values)


def _absolute_error(y: Array, p: Array) -> Array:
    return columns(np.abs(p - y), np.ones_like(y))


def _moments(y: Array, p: Array) -> Array:
    # Centring leaves the correlation unchanged and keeps n * sum(p^2) - sum(p)^2 from cancelling.
    y, p = _centred(y), _centred(p)
    return columns(np.ones_like(y), y, p, y * y, p * p, y * p)


def _correlation(sums: Array) -> Array:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    var_y, var_p = n * yy - y * y, n * pp - p * p
    varied = (var_y > _NO_VARIATION * n * yy) & (var_p > _NO_VARIATION * n * pp)
    scale = np.sqrt(np.where(varied, var_y * var_p, 0.0))
    return np.clip(ratio(n * yp - y * p, scale, empty=0.0), -1.0, 1.0)


MAE = Metric("mae", "label", False, _absolute_error, mean)
CORR = Metric("corr", "", True, _moments, _correlation)
