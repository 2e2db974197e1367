"""Accuracy of predictions in two, five or seven classes, in percent.

Axis legend: N samples.

>>> acc_2_nonneg([-1.0, 0.0, 2.0, 1.0], [-0.2, 0.1, 0.3, -0.1])
75.0
>>> round(acc_2_pos([-1.0, 0.0, 2.0, 1.0], [-0.2, -0.1, 0.3, 0.0]), 1)
66.7
>>> round(acc_5([3.0, 0.5, -1.0], [1.6, 0.4, -1.5]), 1)
66.7
>>> round(acc_7([3.0, 0.5, -1.0], [4.2, 0.4, -1.5]), 1)
66.7
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from comodal.metrics.metric import Array, Metric
from comodal.metrics.sums import columns, percent

__all__ = ["acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7"]


def _same_sign_nonneg(y: Array, p: Array) -> Array:
    return columns((p >= 0) == (y >= 0), np.ones_like(y))


def _same_sign_pos(y: Array, p: Array) -> Array:
    return columns(((p > 0) == (y > 0)) & (y != 0), y != 0)


def _same_class(limit: float) -> Callable[[Array, Array], Array]:
    def terms(y: Array, p: Array) -> Array:
        label, guess = (np.round(np.clip(column, -limit, limit)) for column in (y, p))
        return columns(label == guess, np.ones_like(y))

    return terms


acc_2_nonneg = Metric("acc_2_nonneg", "%", True, _same_sign_nonneg, percent)
"""Binary accuracy, negative against non-negative: ``(p >= 0) == (y >= 0)`` over all samples."""

acc_2_pos = Metric("acc_2_pos", "%", True, _same_sign_pos, percent)
"""Binary accuracy, negative against positive: ``(p > 0) == (y > 0)`` where ``y != 0``; predicting 0 is negative."""

acc_5 = Metric("acc_5", "%", True, _same_class(2.0), percent)
"""Five-class accuracy: targets and predictions are clipped to [-2, 2] and rounded half to even."""

acc_7 = Metric("acc_7", "%", True, _same_class(3.0), percent)
"""Seven-class accuracy: targets and predictions are clipped to [-3, 3] and rounded half to even."""
