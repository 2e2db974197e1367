"""Customary metrics of sentiment from -3 to 3: accuracy in two, five or seven classes, and F1, all in percent.

Papers use "Acc2" and "F1" for two quantities: ``_nonneg`` is negative against non-negative over all samples ("has
zero"), ``_pos`` is negative against positive without the samples whose target is 0 ("non-zero"); ``f1`` is ``f1_pos``.
F1 is weighted by true support; a class that occurs in neither targets nor predictions has F1 0 and weight 0. Not
offered, though found in published code: F1 weighted by *predicted* support, and MAE or Corr without zero targets.

Axis legend: N samples.

>>> acc_2_nonneg([-1.0, 0.0, 2.0, 1.0], [-0.2, 0.1, 0.3, -0.1])
75.0
>>> round(acc_2_pos([-1.0, 0.0, 2.0, 1.0], [-0.2, -0.1, 0.3, 0.0]), 1)
66.7
>>> round(acc_5([3.0, 0.5, -1.0], [1.6, 0.4, -1.5]), 1)
66.7
>>> round(acc_7([3.0, 0.5, -1.0], [4.2, 0.4, -1.5]), 1)
66.7
>>> f1_nonneg([-1.0, 0.0, 2.0], [-1.0, 1.0, 1.0]), f1_pos([-1.0, 0.0, 2.0], [-1.0, -1.0, 1.0])
(100.0, 100.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from comodal.metrics.metric import Array, SumMetric, columns, percent, ratio

__all__ = ["acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7", "f1", "f1_nonneg", "f1_pos"]


def _same_sign_nonneg(y: Array, p: Array) -> Array:
    return columns((p >= 0) == (y >= 0), np.ones_like(y))


def _same_sign_pos(y: Array, p: Array) -> Array:
    return columns(((p > 0) == (y > 0)) & (y != 0), y != 0)


def _same_class(limit: float) -> Callable[[Array, Array], Array]:
    def terms(y: Array, p: Array) -> Array:
        label, guess = (np.round(np.clip(column, -limit, limit)) for column in (y, p))
        return columns(label == guess, np.ones_like(y))

    return terms


acc_2_nonneg = SumMetric("acc_2_nonneg", "%", True, _same_sign_nonneg, percent)
"""Binary accuracy, negative against non-negative: ``(p >= 0) == (y >= 0)`` over all samples."""

acc_2_pos = SumMetric("acc_2_pos", "%", True, _same_sign_pos, percent)
"""Binary accuracy, negative against positive: ``(p > 0) == (y > 0)`` where ``y != 0``; predicting 0 is negative."""

acc_5 = SumMetric("acc_5", "%", True, _same_class(2.0), percent)
"""Five-class accuracy: targets and predictions are clipped to [-2, 2] and rounded half to even."""

acc_7 = SumMetric("acc_7", "%", True, _same_class(3.0), percent)
"""Seven-class accuracy: targets and predictions are clipped to [-3, 3] and rounded half to even."""


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


f1_nonneg = SumMetric("f1_nonneg", "%", True, _confusion_nonneg, _weighted_f1)
"""Weighted F1 of negative against non-negative, over all samples."""

f1_pos = SumMetric("f1_pos", "%", True, _confusion_pos, _weighted_f1)
"""Weighted F1 of negative against positive, over samples whose target is not 0."""

f1 = replace(f1_pos, name="f1")
"""The same as :data:`f1_pos`, under the customary name."""
