"""How often predictions fall into the class of their label: two, five or seven classes.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from comodal.metrics.metric import Array, Metric
from comodal.metrics.sums import columns, percent

__all__ = ["ACC_2_NONNEG", "ACC_2_POS", "ACC_5", "ACC_7", "acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7"]


def acc_2_nonneg(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Binary accuracy, negative against non-negative: ``(p >= 0) == (y >= 0)`` over all utterances.

    Args:
        target: ``(N,)`` labels; a label of 0 is non-negative.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> acc_2_nonneg([-1.0, 0.0, 2.0, 1.0], [-0.2, 0.1, 0.3, -0.1])
    75.0
    """
    return ACC_2_NONNEG(target, prediction)


def acc_2_pos(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Binary accuracy, negative against positive: ``(p > 0) == (y > 0)`` where ``y != 0``.

    Args:
        target: ``(N,)`` labels; utterances labelled exactly 0 are left out.
        prediction: ``(N,)``; exactly 0 counts as negative.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_2_pos([-1.0, 0.0, 2.0, 1.0], [-0.2, -0.1, 0.3, 0.0]), 1)
    66.7
    """
    return ACC_2_POS(target, prediction)


def acc_5(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Five-class accuracy: both clipped to [-2, 2] and rounded half to even.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_5([3.0, 0.5, -1.0], [1.6, 0.4, -1.5]), 1)
    66.7
    """
    return ACC_5(target, prediction)


def acc_7(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Seven-class accuracy: both clipped to [-3, 3] and rounded half to even.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_7([3.0, 0.5, -1.0], [4.2, 0.4, -1.5]), 1)
    66.7
    """
    return ACC_7(target, prediction)


def _same_sign_nonneg(y: Array, p: Array) -> Array:
    return columns((p >= 0) == (y >= 0), np.ones_like(y))


def _same_sign_pos(y: Array, p: Array) -> Array:
    return columns(((p > 0) == (y > 0)) & (y != 0), y != 0)


def _same_class(limit: float) -> Callable[[Array, Array], Array]:
    def terms(y: Array, p: Array) -> Array:
        label, guess = (np.round(np.clip(column, -limit, limit)) for column in (y, p))
        return columns(label == guess, np.ones_like(y))

    return terms


ACC_2_NONNEG = Metric("acc_2_nonneg", "%", True, _same_sign_nonneg, percent)
ACC_2_POS = Metric("acc_2_pos", "%", True, _same_sign_pos, percent)
ACC_5 = Metric("acc_5", "%", True, _same_class(2.0), percent)
ACC_7 = Metric("acc_7", "%", True, _same_class(3.0), percent)
