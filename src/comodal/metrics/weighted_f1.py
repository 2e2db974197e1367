"""F1 of two classes, weighted by their true support, in percent.

A class that occurs in neither targets nor predictions has F1 0 and weight 0. Axis legend: N samples.

>>> f1_nonneg([-1.0, 0.0, 2.0], [-1.0, 1.0, 1.0]), f1_pos([-1.0, 0.0, 2.0], [-1.0, -1.0, 1.0])
(100.0, 100.0)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from comodal.metrics.metric import Array, Metric
from comodal.metrics.sums import columns, ratio

__all__ = ["f1", "f1_nonneg", "f1_pos"]


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


f1_nonneg = Metric("f1_nonneg", "%", True, _confusion_nonneg, _weighted_f1)
"""Weighted F1 of negative against non-negative, over all samples."""

f1_pos = Metric("f1_pos", "%", True, _confusion_pos, _weighted_f1)
"""Weighted F1 of negative against positive, over samples whose target is not 0."""

f1 = replace(f1_pos, name="f1")
"""The same as :data:`f1_pos`, under the customary name."""
