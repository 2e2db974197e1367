"""Metrics of predictions, called with targets and predictions of N samples; each task names those that mean something.

Most are functions of sums: ``terms`` returns one row per sample, ``value`` the metric of summed rows, so sums per group
give the metric of any number of resamples of groups at once. Those of rankings (AUROC) weight the samples instead. All
arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import InputError
from comodal.contracts.tasks import Sentiment, Task
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
from comodal.metrics.regression import ccc, corr, mae, r2, rmse
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

_SENTIMENT: tuple[Metric, ...] = (acc_2_nonneg, acc_2_pos, acc_5, acc_7, f1, f1_nonneg, f1_pos)
_REGRESSION: tuple[Metric, ...] = (mae, corr, r2, ccc, rmse)
_CLASSES: tuple[Metric, ...] = (
    accuracy,
    balanced_accuracy,
    macro_f1,
    micro_f1,
    weighted_f1,
    subset_accuracy,
    uar,
    auroc,
    auprc,
    log_loss,
    brier,
    calibration_error,
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (*_SENTIMENT, *_REGRESSION, *_CLASSES)}
"""Name to metric; :attr:`comodal.contracts.Task.metrics` names those that mean something for a task."""


def metrics_named(names: Sequence[str] | None, task: Task | None = None) -> tuple[Metric, ...]:
    """Return the metrics of these names, in this order; those that a task reports when ``None``.

    Args:
        names: of metrics.
        task: whose predictions are judged, sentiment when ``None``.

    Raises:
        InputError: a name is unknown, or means nothing for the task; the nearest one is offered.

    >>> [metric.unit for metric in metrics_named(["acc_7", "mae"])]
    ['%', 'label']
    """
    task = task or Sentiment()
    for name in names or ():
        if name not in task.metrics:
            raise InputError.unknown(f"metric of {task.kind}", name, task.metrics)
    return tuple(METRICS[name] for name in (task.reported if names is None else names))
