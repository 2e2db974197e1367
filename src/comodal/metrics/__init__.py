"""Metrics of regression of sentiment, called with targets ``(N,)`` and predictions ``(N,)``.

Papers use "Acc2" and "F1" for two quantities: ``_nonneg`` is negative against non-negative over all samples ("has
zero"), ``_pos`` is negative against positive without the samples whose target is 0 ("non-zero"); ``f1`` is ``f1_pos``.
Not offered, though found in published code: F1 weighted by *predicted* support, and MAE or Corr without zero targets.

Every metric is a function of sums: ``terms`` returns one row per sample, ``value`` the metric of summed rows. So sums
per group give the metric of any number of resamples of groups at once. All arithmetic is float64.
"""

from __future__ import annotations

from comodal.metrics.accuracy import acc_2_nonneg, acc_2_pos, acc_5, acc_7
from comodal.metrics.metric import Array, Metric, checked
from comodal.metrics.registry import DEFAULT_METRICS, METRICS, metrics_named
from comodal.metrics.regression import corr, is_collapsed, mae
from comodal.metrics.weighted_f1 import f1, f1_nonneg, f1_pos

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Array",
    "Metric",
    "acc_2_nonneg",
    "acc_2_pos",
    "acc_5",
    "acc_7",
    "checked",
    "corr",
    "f1",
    "f1_nonneg",
    "f1_pos",
    "is_collapsed",
    "mae",
    "metrics_named",
]
