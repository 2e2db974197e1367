"""Metrics of predictions, called with targets and predictions of N samples; each task names those that mean something.

Most are functions of sums: ``terms`` returns one row per sample, ``value`` the metric of summed rows, so sums per group
give the metric of any number of resamples of groups at once. Those of rankings (AUROC) weight the samples instead. All
arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy.typing as npt

from comodal.contracts import InputError
from comodal.contracts.tasks import Sentiment, Task
from comodal.metrics.classes import (
    accuracy,
    auprc,
    auroc,
    balanced_accuracy,
    brier,
    calibration_error,
    confusion_matrix,
    log_loss,
    macro_f1,
    micro_f1,
    of_each_class,
    reliability,
    subset_accuracy,
    uar,
    weighted_f1,
)
from comodal.metrics.detection import Curve, curve
from comodal.metrics.metric import Array, Metric, RankMetric, SumMetric, checked, on_groups
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
    "breakdown",
    "brier",
    "calibration_error",
    "ccc",
    "checked",
    "confusion_matrix",
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
    "on_groups",
    "r2",
    "reliability",
    "rmse",
    "subset_accuracy",
    "uar",
    "weighted_f1",
]

_SENTIMENT: tuple[Metric, ...] = (acc_2_nonneg, acc_2_pos, acc_5, acc_7, f1, f1_nonneg, f1_pos)
_REGRESSION: tuple[SumMetric, ...] = (mae, corr, r2, ccc, rmse)
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

_OF_EACH: Mapping[str, SumMetric] = {metric.name: metric for metric in (*of_each_class, *_REGRESSION)}


def breakdown(task: Task, target: npt.ArrayLike, prediction: npt.ArrayLike) -> dict[str, Array]:
    """Return each number of ``task.breakdown`` for the classes, labels or outputs of ``task.all_names``, ``(K,)``.

    Shares are in percent; a number that is not defined, such as the precision of a class that is never predicted, is
    NaN.

    Example:
        >>> from comodal.contracts import Multiclass
        >>> found = breakdown(Multiclass(("a", "b")), [0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
        >>> found["precision"].tolist(), found["recall"].tolist(), found["support"].tolist()
        ([100.0, 50.0], [50.0, 100.0], [2.0, 1.0])
    """
    return {name: _OF_EACH[name].of_each(target, prediction) for name in task.breakdown}


def metrics_named(names: Sequence[str] | None, task: Task | None = None) -> tuple[Metric, ...]:
    """Return the metrics of these names, in this order; those that a task reports when ``None``.

    Args:
        names: of metrics.
        task: whose predictions are judged, sentiment when ``None``.

    Raises:
        InputError: no name, one twice, or one that is unknown or means nothing for the task; the nearest is offered.

    >>> [metric.unit for metric in metrics_named(["acc_7", "mae"])]
    ['%', 'label']
    """
    task = task or Sentiment()
    if names is not None and (not names or len(set(names)) != len(names)):
        raise InputError(f"metrics {', '.join(names)!r}: name at least one, each of them once", code="duplicate")
    for name in names or ():
        if name not in task.metrics:
            raise InputError.unknown(f"metric of {task.kind}", name, task.metrics)
    return tuple(METRICS[name] for name in (task.reported if names is None else names))
