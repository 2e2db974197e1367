"""Every metric by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import InputError
from comodal.metrics.accuracy import ACC_2_NONNEG, ACC_2_POS, ACC_5, ACC_7
from comodal.metrics.metric import Metric
from comodal.metrics.regression import CORR, MAE
from comodal.metrics.weighted_f1 import F1, F1_NONNEG, F1_POS

__all__ = ["DEFAULT_METRICS", "METRICS", "metrics_named"]

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (ACC_2_NONNEG, ACC_2_POS, ACC_5, ACC_7, F1, F1_NONNEG, F1_POS, MAE, CORR)
}
"""Name to metric."""

DEFAULT_METRICS: tuple[str, ...] = ("acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7", "f1", "mae", "corr")
"""The metrics of a comparison unless others are asked for."""


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names, in this order.

    Raises:
        InputError: a name is unknown; the nearest known one is offered.

    >>> [metric.unit for metric in metrics_named(["acc_7", "mae"])]
    ['%', 'label']
    """
    for name in names:
        if name not in METRICS:
            raise InputError.unknown("metric", name, METRICS)
    return tuple(METRICS[name] for name in names)
