"""Metrics of a table of predictions, each with an interval over groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comodal.contracts import PredictionTable
from comodal.evaluation.groups import bootstrap_counts, grouping, percentile_interval
from comodal.metrics import metrics_named

__all__ = ["Score", "score"]


@dataclass(frozen=True)
class Score:
    """A metric of one table of predictions.

    Attributes:
        metric: its name.
        value: on all samples.
        ci_low: lower end of the 95 % interval over groups, NaN with a single group.
        ci_high: upper end.
        unit: ``"%"``, ``"label"`` or ``""``.
        higher_is_better: which direction is an improvement.
        n: samples.
        n_groups: groups.
    """

    metric: str
    value: float
    ci_low: float
    ci_high: float
    unit: str
    higher_is_better: bool
    n: int
    n_groups: int

    def plain(self) -> dict[str, Any]:
        """Return the fields by name, ``None`` for a value or an end of an interval that does not exist."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(self).items()
        }


def score(
    table: PredictionTable, *, metrics: Sequence[str] | None = None, replicates: int = 2000, seed: int = 0
) -> dict[str, Score]:
    """Return the metrics of one model on one split and scenario, with 95 % intervals.

    The interval covers other groups of the same kind, not other training seeds; for those see
    :func:`comodal.evaluation.paired.paired_differences`.

    Args:
        table: one split, one scenario.
        metrics: names in :data:`comodal.metrics.METRICS`.
        replicates: bootstrap replicates.
        seed: of the bootstrap; the same gives the same interval.

    Returns:
        Name to :class:`Score`, in the order asked for.

    Raises:
        InputError: an unknown metric, an empty table, a sample twice, or predictions that are not finite.

    >>> table = PredictionTable.of([1.0, -1.0, 2.0, -2.0], [0.5, 0.5, 2.0, -1.0], group=["v", "v", "w", "w"])
    >>> result = score(table, metrics=["mae", "acc_2_pos"])
    >>> result["mae"].value, result["acc_2_pos"].value
    (0.75, 75.0)
    >>> result["acc_2_pos"].ci_low, result["acc_2_pos"].ci_high
    (50.0, 100.0)
    """
    chosen, groups = metrics_named(metrics, table.task), grouping(table)
    counts = bootstrap_counts(groups.count, replicates=replicates, seed=seed)
    scores = {}
    for metric in chosen:
        value = metric(table.target, table.prediction)
        resampled = metric.resampled(table.target, table.prediction, groups.codes, counts)
        low, high = percentile_interval(resampled, groups.count)
        better = metric.higher_is_better
        scores[metric.name] = Score(metric.name, value, low, high, metric.unit, better, len(table), groups.count)
    return scores
