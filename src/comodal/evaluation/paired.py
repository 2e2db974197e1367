"""Paired differences of two arms that share seeds and test groups, with intervals over both.

Axis legend: N samples, V groups, S seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comodal.contracts import InputError, PredictionTable
from comodal.evaluation.crossed import CrossedMean, crossed_mean
from comodal.evaluation.groups import Grouping, grouping
from comodal.metrics import Array, metrics_named, on_groups

__all__ = ["ArmMetrics", "difference", "evaluate_arm", "paired_differences", "require_same_samples"]


@dataclass(frozen=True)
class ArmMetrics:
    """Metrics of one arm, per seed, on all groups and with each group left out.

    Attributes:
        values: metric name to ``(S,)``, on all samples.
        left_out: metric name to ``(V, S)``, on all samples but those of one group.
        groups: the groups, the same in all arms that are compared.
    """

    values: dict[str, Array]
    left_out: dict[str, Array]
    groups: Grouping


def require_same_samples(tables: Sequence[PredictionTable]) -> None:
    """Raise an error unless all tables hold the same samples, groups and targets in the same order."""
    if not tables:
        raise InputError("no prediction table to compare: give one for each seed", code="empty")
    first = tables[0]
    for position, table in enumerate(tables[1:], start=2):
        if len(table) != len(first):
            raise InputError(
                f"prediction table {position} has {len(table)} samples, the first {len(first)}: "
                "compare runs on the same test part",
                code="mismatch",
            )
        for what in ("id", "group", "target"):
            differs = (getattr(table, what) != getattr(first, what)).reshape(len(first), -1).any(axis=1)
            if differs.any():
                row = int(differs.argmax())
                got, expected = str(getattr(table, what)[row]), str(getattr(first, what)[row])
                raise InputError(
                    f"prediction table {position} has {what} {got!r} in row {row} where the first has {expected!r}: "
                    "compare runs on the same samples in the same order",
                    code="mismatch",
                )


def evaluate_arm(tables: Sequence[PredictionTable], *, metrics: Sequence[str] | None = None) -> ArmMetrics:
    """Return the metrics of an arm, from one table per seed, on all groups and with each group left out."""
    require_same_samples(tables)
    groups = grouping(tables[0])
    values, left_out = {}, {}
    chosen = metrics_named(metrics, tables[0].task)
    runs = [on_groups(chosen, table.target, table.prediction, groups.codes, groups.count) for table in tables]
    for name in (metric.name for metric in chosen):
        values[name] = np.array([run[name][0] for run in runs])
        left_out[name] = np.stack([run[name][1] for run in runs], axis=1)
    return ArmMetrics(values, left_out, groups)


def difference(arm: ArmMetrics, reference: ArmMetrics, metric: str) -> CrossedMean:
    """Return the mean paired difference ``arm - reference`` of one metric; seeds are paired by position."""
    ours, theirs = arm.values[metric], reference.values[metric]
    if len(ours) != len(theirs):
        raise InputError(
            f"arms of {len(ours)} and {len(theirs)} seeds: a paired comparison needs the same seeds in both",
            code="mismatch",
        )
    left_out = arm.left_out[metric] - reference.left_out[metric]
    return crossed_mean(ours - theirs, left_out, effective_groups=arm.groups.effective_count)


def paired_differences(
    tables: Sequence[PredictionTable],
    reference: Sequence[PredictionTable],
    *,
    metrics: Sequence[str] | None = None,
) -> dict[str, CrossedMean]:
    """Return the paired difference of two arms per metric; the i-th tables of both come from the same seed.

    Intervals and p-values (two-sided, uncorrected) are over seeds **and** groups; see
    :func:`comodal.evaluation.crossed.crossed_mean` for the formula.

    Args:
        tables: one per seed.
        reference: one per seed, with the same seeds and samples in the same order.
        metrics: names in :data:`comodal.metrics.METRICS`; those that the task reports when ``None``.

    Returns:
        Metric name to :class:`~comodal.evaluation.crossed.CrossedMean`; the sign is that of ``tables - reference``.

    Raises:
        InputError: different numbers of tables, or tables of different samples.

    >>> rng = np.random.default_rng(0)
    >>> target, group = rng.normal(size=60), np.repeat(list("abcdefghij"), 6)
    >>> def run(noise):
    ...     return PredictionTable.of(target, target + rng.normal(size=60) * noise, group=group)
    >>> worse, better = [run(1.0) for _ in range(5)], [run(0.5) for _ in range(5)]
    >>> result = paired_differences(better, worse, metrics=["mae", "corr"])
    >>> result["mae"].ci_high < 0.0, result["corr"].ci_low > 0.0, result["mae"].p_value < 0.01
    (True, True, True)
    """
    require_same_samples([*tables, *reference])
    arm, other = (evaluate_arm(given, metrics=metrics) for given in (tables, reference))
    return {name: difference(arm, other, name) for name in arm.values}
