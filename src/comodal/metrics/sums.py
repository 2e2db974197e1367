"""Terms per sample, and values of summed terms.

Axis legend: N samples, k terms of a metric.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from comodal.metrics.metric import Array

__all__ = ["columns", "mean", "percent", "ratio"]


def columns(*terms: Any) -> Array:
    """Return terms of ``(N,)`` side by side, ``(N, k)`` in float64.

    >>> columns([1, 2], [True, False])
    array([[1., 1.], [2., 0.]])
    """
    return np.stack([np.asarray(term, dtype=np.float64) for term in terms], axis=-1)


def ratio(numerator: Array, denominator: Array, *, empty: float) -> Array:
    """Return quotients of any shape, ``empty`` where the denominator is not positive.

    >>> ratio(np.array([1.0, 1.0]), np.array([4.0, 0.0]), empty=-1.0)
    array([ 0.25, -1.  ])
    """
    out: Array = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def mean(sums: Array) -> Array:
    """Return the means ``(...)`` of sums and counts ``(..., 2)``, NaN where the count is 0.

    >>> mean(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([0.75,  nan])
    """
    return ratio(sums[..., 0], sums[..., 1], empty=np.nan)


def percent(sums: Array) -> Array:
    """Return the :func:`mean` in percent.

    >>> percent(np.array([[3.0, 4.0]]))
    array([75.])
    """
    return 100.0 * mean(sums)
