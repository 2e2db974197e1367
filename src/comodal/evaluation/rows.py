"""Make the rows of a comparison from the finished runs of every arm, with corrected p-values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from comodal.contracts import BreakdownRow, ComparisonRow, InputError, PredictionTable
from comodal.evaluation.crossed import CrossedMean, crossed_mean
from comodal.evaluation.multiplicity import holm
from comodal.evaluation.paired import ArmMetrics, difference, evaluate_arm, require_same_samples
from comodal.metrics import METRICS, breakdown

__all__ = [
    "ArmResult",
    "Interval",
    "SeedRun",
    "Setting",
    "arm_result",
    "arm_rows",
    "at_seeds",
    "breakdown_rows",
    "comparison_rows",
    "corrected",
    "mean_intervals",
    "references",
]

Setting = tuple[str, str, float]
"""Fusion model, measure and weight of an arm."""

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class SeedRun:
    """The predictions of one trained model.

    Attributes:
        seed: seed that pairs it with the run of the reference with the same seed.
        table: predictions on the test part in one scenario; with cross-validation, of all folds.
        seconds: duration of its training.
        collapsed: whether it predicts a constant; ``None`` to determine it from the table. A cross-validated run has
            collapsed when one of its folds has, which the table of all folds does not show.
    """

    seed: int
    table: PredictionTable
    seconds: float
    collapsed: bool | None = None

    @property
    def has_collapsed(self) -> bool:
        """Return ``collapsed``, determined from the table if it was not given."""
        return self.table.is_collapsed if self.collapsed is None else self.collapsed


@dataclass(frozen=True)
class ArmResult:
    """Evaluated runs of one arm.

    Attributes:
        seeds: one per run, rising.
        metrics: metrics of the runs, seeds in the same order.
        seconds: mean seconds per run.
        collapsed: number of runs that predict a constant.
        intervals: metric to the 95 % interval of its mean.
    """

    seeds: tuple[int, ...]
    metrics: ArmMetrics
    seconds: float
    collapsed: int
    intervals: Mapping[str, Interval]


def arm_result(runs: Sequence[SeedRun], *, metrics: Sequence[str] | None = None) -> ArmResult:
    """Return the metrics of the runs of an arm, one per seed, in rising order."""
    found = evaluate_arm([run.table for run in runs], metrics=metrics)
    seconds = float(np.mean([run.seconds for run in runs]))
    seeds, collapsed = tuple(run.seed for run in runs), sum(run.has_collapsed for run in runs)
    return ArmResult(seeds, found, seconds, collapsed, mean_intervals(found))


def comparison_rows(
    results: Mapping[Setting, Sequence[SeedRun]],
    *,
    reference: str = "none",
    parents: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
) -> list[ComparisonRow]:
    """Compare every arm with its reference, and return one row per arm and metric.

    The arm ``(fusion, measure, weight)`` is compared with ``(fusion, reference)``, seed by seed. An arm with
    ``measure == reference`` is itself a reference and its differences are ``None``, unless ``parents`` names the fusion
    model to compare it with: ``parents={"early:text": "early"}`` compares the text-only network with early fusion.

    ``p_value`` is Holm-corrected over all compared arms within each metric, for reading one metric. ``p_holm_all`` is
    corrected over all arms and metrics, for picking the best cell of the table.

    Args:
        results: setting to its runs.
        reference: measure of the reference arms.
        parents: fusion model to the fusion model whose reference it is compared with.
        metrics: names in :data:`comodal.metrics.METRICS`; those that the task reports when ``None``.

    Returns:
        Rows ordered by setting as given, then by metric.

    Raises:
        InputError: no arm, an arm without runs, a seed twice in an arm, a missing or ambiguous reference, a reference
            that lacks a seed of an arm, or tables of different samples.
    """
    runs = {setting: _by_seed(setting, given) for setting, given in results.items()}
    others = references(runs, reference=reference, parents=parents)
    require_same_samples([run.table for arm in runs.values() for run in arm])
    return corrected(arm_rows({setting: arm_result(arm, metrics=metrics) for setting, arm in runs.items()}, others))


def breakdown_rows(results: Mapping[Setting, Sequence[SeedRun]]) -> list[BreakdownRow]:
    """Return the numbers of each class, label or output of every arm; none where the task has just one output."""
    found = []
    for setting, runs in results.items():
        task, known = (
            runs[0].table.task,
            [breakdown(run.table.task, run.table.target, run.table.prediction) for run in runs],
        )
        for place, name in enumerate(task.all_names):
            for number in task.breakdown:
                values = np.array([each[number][place] for each in known])
                spread = values[np.isfinite(values)]
                mean = float(spread.mean()) if len(spread) else None
                std = float(spread.std(ddof=1)) if len(spread) > 1 else None
                found.append(BreakdownRow(*setting, task.noun, name, number, mean, std, len(runs)))
    return found


def references(
    settings: Iterable[Setting], *, reference: str = "none", parents: Mapping[str, str] | None = None
) -> dict[Setting, Setting | None]:
    """Return the setting that each setting is compared with, ``None`` for a reference."""
    known, parents = list(settings), parents or {}
    found: dict[Setting, Setting | None] = {}
    for setting in known:
        fusion, measure, _ = setting
        if measure == reference and fusion not in parents:
            found[setting] = None
            continue
        parent = parents.get(fusion, fusion) if measure == reference else fusion
        matching = [other for other in known if other[:2] == (parent, reference)]
        if len(matching) != 1:
            raise InputError(
                f"{_name(setting)} needs one reference {parent}/{reference} and there are {len(matching)}: "
                f"add {reference!r} to the measures, once for each fusion model",
                code="duplicate" if matching else "missing",
            )
        found[setting] = matching[0]
    return found


def arm_rows(results: Mapping[Setting, ArmResult], others: Mapping[Setting, Setting | None]) -> list[ComparisonRow]:
    """Return the rows of evaluated arms with uncorrected p-values; :func:`corrected` corrects a family of rows."""
    rows = []
    for setting, result in results.items():
        other = others[setting]
        paired = None if other is None else at_seeds(result, results[other], name=_name(setting), other=_name(other))
        for metric in result.metrics.values:
            row = _row(setting, result, metric)
            if other is not None and paired is not None:
                row = _compared(row, difference(result.metrics, paired, metric), _name(other))
            rows.append(row)
    return rows


def _by_seed(setting: Setting, given: Sequence[SeedRun]) -> list[SeedRun]:
    runs = sorted(given, key=lambda run: run.seed)
    if not runs:
        raise InputError(f"{_name(setting)}: no finished run to compare; train at least 2 seeds", code="empty")
    for run, following in itertools.pairwise(runs):
        if run.seed == following.seed:
            raise InputError(f"{_name(setting)}: seed {run.seed} occurs twice; give each seed once", code="duplicate")
    return runs


def _name(setting: Setting) -> str:
    return f"{setting[0]}/{setting[1]}"


def at_seeds(result: ArmResult, reference: ArmResult, *, name: str, other: str) -> ArmMetrics:
    """Return the metrics of a reference at the seeds of an arm that is compared with it."""
    position = {seed: column for column, seed in enumerate(reference.seeds)}
    if missing := sorted(set(result.seeds) - set(position)):
        raise InputError(
            f"{other} lacks {len(missing)} seeds of {name}, the first is {missing[0]}: "
            "the reference needs all seeds of the arms compared with it",
            code="missing",
        )
    columns = [position[seed] for seed in result.seeds]
    return ArmMetrics(
        {metric: values[columns] for metric, values in reference.metrics.values.items()},
        {metric: values[:, columns] for metric, values in reference.metrics.left_out.items()},
        reference.metrics.groups,
    )


def mean_intervals(metrics: ArmMetrics) -> dict[str, Interval]:
    """Return metric to the 95 % interval of its mean over seeds and groups; ``None`` where there is none."""
    groups, found = metrics.groups.effective_count, {}
    for name, values in metrics.values.items():
        mean = crossed_mean(values, metrics.left_out[name], effective_groups=groups)
        found[name] = (_known(mean.ci_low), _known(mean.ci_high))
    return found


def _row(setting: Setting, result: ArmResult, metric: str) -> ComparisonRow:
    values = result.metrics.values[metric]
    low, high = result.intervals[metric]
    return ComparisonRow(
        *setting,
        metric=metric,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        delta=None,
        ci_low=None,
        ci_high=None,
        p_value=None,
        n_seeds=len(values),
        collapsed=result.collapsed,
        seconds=result.seconds,
        n_groups=result.metrics.groups.count,
        better="higher" if METRICS[metric].higher_is_better else "lower",
        mean_low=low,
        mean_high=high,
    )


def _compared(row: ComparisonRow, found: CrossedMean, reference: str) -> ComparisonRow:
    return replace(
        row,
        delta=found.delta,
        ci_low=_known(found.ci_low),
        ci_high=_known(found.ci_high),
        p_raw=_known(found.p_value),
        reference=reference,
        variance_seed=_known(found.variance_seed),
        variance_video=_known(found.variance_video),
        note=found.note,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def corrected(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    """Return the rows of a family with p-values Holm-corrected within each metric, and over all metrics."""
    raw = np.array([math.nan if row.p_raw is None else row.p_raw for row in rows])
    names = np.array([row.metric for row in rows])
    within = np.full(len(rows), math.nan)
    for name in set(names.tolist()):
        family = names == name
        within[family] = holm(raw[family])
    columns = zip(rows, within.tolist(), holm(raw).tolist(), strict=True)
    return [replace(row, p_value=_known(one), p_holm_all=_known(every)) for row, one, every in columns]
