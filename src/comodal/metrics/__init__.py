"""Scores of predictions against labels, each convention of the field under its own name.

Papers print "Acc2" and "F1" for different quantities: with or without the utterances labelled exactly 0. Here the
ending says which: ``_nonneg`` is negative against non-negative over all utterances ("has zero"), ``_pos`` is negative
against positive with the zero labels left out ("non-zero"); ``f1`` is ``f1_pos``. Two more habits exist in published
code and are not offered: weighting F1 by the *predicted* support, and leaving zero labels out of MAE and Corr.

Every metric is a function of sums over utterances: ``terms`` gives one row an utterance, ``value`` turns summed rows
into the metric. Sums over videos, resampled any number of times, therefore give the metric of every resample at once.

Every function takes ``(N,)`` labels and ``(N,)`` predictions and raises :class:`~comodal.contracts.InputError` when
their lengths differ or a value is NaN or infinite.

Axis legend: N utterances, k terms of a metric. All arithmetic is float64.
"""

from __future__ import annotations

from comodal.metrics.accuracy import acc_2_nonneg, acc_2_pos, acc_5, acc_7
from comodal.metrics.catalog import DEFAULT_METRICS, METRICS, metrics_named
from comodal.metrics.metric import Array, Metric, checked
from comodal.metrics.regression import corr, is_collapsed, mae
from comodal.metrics.weighted_f1 import f1_nonneg, f1_pos

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

f1 = f1_pos
