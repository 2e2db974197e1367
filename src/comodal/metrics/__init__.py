"""Metrics of predictions, called with targets and predictions of N samples; each task names those that mean something.

Most are functions of sums: ``terms`` returns one row per sample, ``value`` the metric of summed rows, so sums per group
give the metric of any number of resamples of groups at once. Those of rankings (AUROC) weight the samples instead. All
arithmetic is float64.
"""

from __future__ import annotations

from comodal.metrics.classes import (
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    brier,
    calibration_error,
    log_loss,
    macro_f1,
    micro_f1,
    subset_accuracy,
    uar,
    weighted_f1,
)
from comodal.metrics.detection import Curve, curve
from comodal.metrics.metric import Array, Metric, RankMetric, SumMetric, checked
from comodal.metrics.registry import METRICS, metrics_named
from comodal.metrics.regression import ccc, corr, is_collapsed, mae, r2, rmse
from comodal.metrics.sentiment import acc_2_nonneg, acc_2_pos, acc_5, acc_7, f1, f1_nonneg, f1_pos

__all__ = [
    "METRICS",
    "Array",
    "Curve",
    "Metric",
    "RankMetric",
    "SumMetric",
    "acc_2_nonneg",
    "acc_2_pos",
    "acc_5",
    "acc_7",
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "ccc",
    "checked",
    "corr",
    "curve",
    "f1",
    "f1_nonneg",
    "f1_pos",
    "is_collapsed",
    "log_loss",
    "macro_f1",
    "mae",
    "metrics_named",
    "micro_f1",
    "r2",
    "rmse",
    "subset_accuracy",
    "uar",
    "weighted_f1",
]
