"""Metrics of regression of sentiment, called with targets ``(N,)`` and predictions ``(N,)``.

Papers use "Acc2" and "F1" for two quantities: ``_nonneg`` is negative against non-negative over all samples ("has
zero"), ``_pos`` is negative against positive without the samples whose target is 0 ("non-zero"); ``f1`` is ``f1_pos``.
Not offered, though found in published code: F1 weighted by *predicted* support, and MAE or Corr without zero targets.

Every metric is a function of sums: ``terms`` returns one row per sample, ``value`` the metric of summed rows. So sums
per group give the metric of any number of resamples of groups at once. All arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import InputError
from comodal.metrics.classification import acc_2_nonneg, acc_2_pos, acc_5, acc_7, f1, f1_nonneg, f1_pos
from comodal.metrics.metric import Array, Metric, checked
from comodal.metrics.regression import corr, is_collapsed, mae

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

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (acc_2_nonneg, acc_2_pos, acc_5, acc_7, f1, f1_nonneg, f1_pos, mae, corr)
}
"""Name to metric."""

DEFAULT_METRICS: tuple[str, ...] = ("acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7", "f1", "mae", "corr")
"""The metrics of a comparison unless others are asked for."""


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """Return the metrics of these names, in this order.

    Raises:
        InputError: a name is unknown; the nearest known one is offered.

    >>> [metric.unit for metric in metrics_named(["acc_7", "mae"])]
    ['%', 'label']
    """
    for name in names:
        if name not in METRICS:
            raise InputError.unknown("metric", name, METRICS)
    return tuple(METRICS[name] for name in names)
