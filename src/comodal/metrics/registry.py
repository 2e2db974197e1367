"""The registry of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import InputError
from comodal.metrics.accuracy import acc_2_nonneg, acc_2_pos, acc_5, acc_7
from comodal.metrics.metric import Metric
from comodal.metrics.regression import corr, mae
from comodal.metrics.weighted_f1 import f1, f1_nonneg, f1_pos

__all__ = ["DEFAULT_METRICS", "METRICS", "metrics_named"]

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
