"""F1 of the two sides of sentiment, weighted by true support.

Axis legend: N utterances.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.metrics.metric import Array, Metric
from comodal.metrics.sums import columns, ratio

__all__ = ["F1", "F1_NONNEG", "F1_POS", "f1_nonneg", "f1_pos"]


def f1_nonneg(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of negative against non-negative over all utterances, weighted by true support.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100; a class that is never true and never predicted counts 0 with weight 0.

    >>> f1_nonneg([-1.0, 0.0, 2.0], [-1.0, 1.0, 1.0])
    100.0
    """
    return F1_NONNEG(target, prediction)


def f1_pos(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of negative against positive, zero labels left out, weighted by true support.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> f1_pos([-1.0, 0.0, 2.0], [-1.0, -1.0, 1.0])
    100.0
    """
    return F1_POS(target, prediction)


def _confusion(true: Any, guess: Any, counted: Any) -> Array:
    return columns(true & guess & counted, ~true & guess & counted, true & ~guess & counted, ~true & ~guess & counted)


def _confusion_nonneg(y: Array, p: Array) -> Array:
    return _confusion(y >= 0, p >= 0, np.ones(y.shape, dtype=bool))


def _confusion_pos(y: Array, p: Array) -> Array:
    return _confusion(y > 0, p > 0, y != 0)


def _weighted_f1(sums: Array) -> Array:
    tp, fp, fn, tn = np.moveaxis(sums, -1, 0)
    upper = ratio(2 * tp, 2 * tp + fp + fn, empty=0.0)
    lower = ratio(2 * tn, 2 * tn + fn + fp, empty=0.0)
    return 100.0 * ratio(upper * (tp + fn) + lower * (tn + fp), tp + fp + fn + tn, empty=np.nan)


F1_NONNEG = Metric("f1_nonneg", "%", True, _confusion_nonneg, _weighted_f1)
F1_POS = Metric("f1_pos", "%", True, _confusion_pos, _weighted_f1)
F1 = replace(F1_POS, name="f1")
