"""Two arms, the same seeds and the same test videos -> paired differences with honest intervals.

Axis legend: N utterances, V videos, S seeds, B bootstrap replicates over videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from comodal.contracts import InputError, PredictionTable
from comodal.evaluation.crossed import CrossedMean, crossed_mean
from comodal.evaluation.groups import Grouping, bootstrap_counts, group_sums, grouping
from comodal.metrics import DEFAULT_METRICS, Array, Metric, metrics_named

__all__ = ["Arm", "difference", "evaluate_arm", "paired_differences", "same_utterances"]


@dataclass(frozen=True)
class Arm:
    """All runs of one setting, as numbers.

    Attributes:
        values: metric name to ``(S,)``, each seed on all utterances.
        replicates: metric name to ``(B, S)``, each seed on each resample of the videos.
        groups: the videos, the same for every arm it is compared with.
    """

    values: dict[str, Array]
    replicates: dict[str, Array]
    groups: Grouping


def same_utterances(tables: Sequence[PredictionTable]) -> None:
    """Check that tables hold the same utterances, videos and labels in the same order.

    Raises:
        InputError: no table, or the first row at which one differs from the first table.
    """
    if not tables:
        raise InputError("no prediction table to compare: give one for each seed")
    first = tables[0]
    for position, table in enumerate(tables[1:], start=2):
        if len(table) != len(first):
            raise InputError(
                f"prediction table {position} has {len(table)} utterances, the first {len(first)}: "
                "compare runs on the same test part"
            )
        for what in ("id", "group", "target"):
            differs = getattr(table, what) != getattr(first, what)
            if differs.any():
                row = int(differs.argmax())
                got, expected = str(getattr(table, what)[row]), str(getattr(first, what)[row])
                raise InputError(
                    f"prediction table {position} has {what} {got!r} in row {row} where the first has {expected!r}: "
                    "compare runs on the same utterances in the same order"
                )


def evaluate_arm(
    tables: Sequence[PredictionTable],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    replicates: int = 2000,
    seed: int = 0,
) -> Arm:
    """Metrics of every seed of an arm, on all videos and on resampled videos.

    Args:
        tables: one a seed, the same utterances in the same order.
        metrics: names in :data:`comodal.metrics.METRICS`.
        replicates: B; all arms to be compared must use the same number ...
        seed: ... and the same seed of the bootstrap, so that they see the same videos.

    Raises:
        InputError: tables that differ in their utterances, an unknown metric, or predictions that are not finite.
    """
    same_utterances(tables)
    groups = grouping(tables[0])
    counts = bootstrap_counts(groups.count, replicates=replicates, seed=seed)
    values, resampled = {}, {}
    for metric in metrics_named(metrics):
        sums = np.stack([group_sums(metric, table.target, table.prediction, groups) for table in tables], axis=1)
        values[metric.name] = metric.of_sums(sums.sum(axis=0))
        resampled[metric.name] = _resampled(metric, sums, counts)
    return Arm(values, resampled, groups)


def difference(arm: Arm, reference: Arm, metric: str) -> CrossedMean:
    """Mean paired difference ``arm - reference`` of one metric; seeds are paired by position.

    Raises:
        InputError: the arms have different numbers of seeds or replicates.
    """
    ours, theirs = arm.replicates[metric], reference.replicates[metric]
    if ours.shape != theirs.shape:
        raise InputError(
            f"arms of {ours.shape[1]} and {theirs.shape[1]} seeds, {ours.shape[0]} and {theirs.shape[0]} replicates: "
            "a paired comparison needs the same seeds and replicates in both"
        )
    return crossed_mean(
        arm.values[metric] - reference.values[metric],
        ours - theirs,
        n_groups=arm.groups.count,
        effective_groups=arm.groups.effective_count,
    )


def paired_differences(
    tables: Sequence[PredictionTable],
    reference: Sequence[PredictionTable],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    replicates: int = 2000,
    seed: int = 0,
) -> dict[str, CrossedMean]:
    """Compare two arms whose i-th tables come from the same seed.

    Intervals and p-values (two-sided, uncorrected) are over seeds **and** videos; see
    :func:`comodal.evaluation.crossed.crossed_mean` for the formula.

    Args:
        tables: one a seed.
        reference: one a seed, the same seeds in the same order, the same utterances in the same order.
        metrics: names in :data:`comodal.metrics.METRICS`.
        replicates: bootstrap replicates over videos.
        seed: of the bootstrap.

    Returns:
        Metric name to :class:`~comodal.evaluation.crossed.CrossedMean`; the sign is that of ``tables - reference``.

    Raises:
        InputError: different numbers of tables, or tables that differ in their utterances.

    >>> rng = np.random.default_rng(0)
    >>> ids, videos = np.arange(60).astype(str), np.repeat(list("abcdefghij"), 6)
    >>> target = rng.normal(size=60)
    >>> def run(noise):
    ...     columns = dict(split=np.full(60, "test"), scenario=np.full(60, "clean"), critic_score=np.full(60, np.nan))
    ...     prediction = target + rng.normal(size=60) * noise
    ...     return PredictionTable(id=ids, group=videos, target=target, prediction=prediction, **columns)
    >>> worse, better = [run(1.0) for _ in range(5)], [run(0.5) for _ in range(5)]
    >>> result = paired_differences(better, worse, metrics=["mae", "corr"])
    >>> result["mae"].ci_high < 0.0, result["corr"].ci_low > 0.0, result["mae"].p_value < 0.01
    (True, True, True)
    """
    same_utterances([*tables, *reference])
    arm, other = (evaluate_arm(t, metrics=metrics, replicates=replicates, seed=seed) for t in (tables, reference))
    return {name: difference(arm, other, name) for name in metrics}


def _resampled(metric: Metric, sums: Array, counts: Array) -> Array:
    videos, seeds, terms = sums.shape
    return metric.value((counts @ sums.reshape(videos, seeds * terms)).reshape(-1, seeds, terms))
