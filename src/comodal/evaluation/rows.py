"""Finished runs of every arm -> the rows of a comparison, corrected for their number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from comodal.contracts import ComparisonRow, InputError, PredictionTable
from comodal.evaluation.crossed import CrossedMean
from comodal.evaluation.multiplicity import holm
from comodal.evaluation.paired import ArmMetrics, difference, evaluate_arm, require_same_samples
from comodal.metrics import DEFAULT_METRICS, METRICS, is_collapsed, metrics_named

__all__ = [
    "ArmResult",
    "SeedRun",
    "Setting",
    "arm_result",
    "arm_rows",
    "at_seeds",
    "comparison_rows",
    "corrected",
    "references",
]

Setting = tuple[str, str, float]
"""Fusion model, measure, weight: what an arm is called."""


@dataclass(frozen=True)
class SeedRun:
    """One trained model, as a comparison sees it.

    Attributes:
        seed: pairs it with the run of the reference that has the same seed.
        table: predictions on the test part, one scenario; all folds of a cross-validated protocol below each other.
        seconds: what training it took.
        collapsed: whether it predicts a constant; ``None`` finds out from the table. A cross-validated run has
            collapsed when one of its folds has, which the table of all folds cannot show: say so here.
    """

    seed: int
    table: PredictionTable
    seconds: float
    collapsed: bool | None = None

    @property
    def has_collapsed(self) -> bool:
        """``collapsed`` as given, or as the table shows."""
        return is_collapsed(self.table.target, self.table.prediction) if self.collapsed is None else self.collapsed


@dataclass(frozen=True)
class ArmResult:
    """The runs of one arm, evaluated.

    Attributes:
        seeds: one a run, rising.
        arm: its metrics, the seeds in the same order.
        seconds: mean seconds a run.
        collapsed: how many runs predict a constant.
    """

    seeds: tuple[int, ...]
    arm: ArmMetrics
    seconds: float
    collapsed: int


def arm_result(runs: Sequence[SeedRun], *, metrics: Sequence[str] = DEFAULT_METRICS) -> ArmResult:
    """Evaluate the runs of an arm.

    Args:
        runs: one a seed, in rising order.
        metrics: names in :data:`comodal.metrics.METRICS`.

    Raises:
        InputError: tables that differ in their utterances, or an unknown metric.
    """
    arm = evaluate_arm([run.table for run in runs], metrics=metrics)
    seconds = float(np.mean([run.seconds for run in runs]))
    return ArmResult(tuple(run.seed for run in runs), arm, seconds, sum(run.has_collapsed for run in runs))


def comparison_rows(
    results: Mapping[Setting, Sequence[SeedRun]],
    *,
    reference: str = "none",
    parents: Mapping[str, str] | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[ComparisonRow]:
    """Every arm against its reference, one row for each metric.

    The arm ``(fusion, measure, weight)`` is compared with ``(fusion, reference)``, seed by seed. An arm that has itself
    ``measure == reference`` is a reference and its differences are ``None``, unless ``parents`` names another fusion
    model to compare it with: ``parents={"early:text": "early"}`` compares the text-only network with early fusion.

    ``p_value`` is Holm-corrected over all compared arms, metric by metric: whoever looks at one metric may read its
    column as it stands. ``p_holm_all`` is corrected over all arms and metrics: for whoever picks the best cell.

    Args:
        results: setting to its runs.
        reference: measure that stands for no penalty.
        parents: fusion model to the one whose reference it is compared with.
        metrics: names in :data:`comodal.metrics.METRICS`.

    Returns:
        Rows ordered by setting as given, then by metric.

    Raises:
        InputError: no arm, an arm without runs, a seed twice in an arm, a missing or ambiguous reference, a reference
            that lacks a seed of an arm, or tables that differ in their utterances.
    """
    runs = {setting: _by_seed(setting, given) for setting, given in results.items()}
    others = references(runs, reference=reference, parents=parents)
    require_same_samples([run.table for arm in runs.values() for run in arm])
    return corrected(
        arm_rows({setting: arm_result(arm, metrics=metrics) for setting, arm in runs.items()}, others, metrics=metrics)
    )


def references(
    settings: Iterable[Setting], *, reference: str = "none", parents: Mapping[str, str] | None = None
) -> dict[Setting, Setting | None]:
    """What each setting is compared with, ``None`` for a reference.

    Raises:
        InputError: a missing or ambiguous reference.

    >>> references([("early", "none", 0.0), ("early", "kl", 0.3)])[("early", "kl", 0.3)]
    ('early', 'none', 0.0)
    """
    known = list(settings)
    return {setting: _reference_of(setting, known, reference, parents or {}) for setting in known}


def arm_rows(
    results: Mapping[Setting, ArmResult],
    others: Mapping[Setting, Setting | None],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[ComparisonRow]:
    """The rows of evaluated arms, p-values not corrected yet: :func:`corrected` does it for a family of rows.

    Args:
        results: setting to its evaluated runs.
        others: setting to the one it is compared with, ``None`` for no comparison.
        metrics: in this order.

    Raises:
        InputError: a reference that lacks a seed of an arm.
    """
    rows = []
    for setting, result in results.items():
        other = others[setting]
        paired = None if other is None else at_seeds(result, results[other], name=_name(setting), other=_name(other))
        for metric in metrics_named(metrics):
            row = _row(setting, result, metric.name)
            if other is not None and paired is not None:
                row = _compared(row, difference(result.arm, paired, metric.name), _name(other))
            rows.append(row)
    return rows


def _by_seed(setting: Setting, given: Sequence[SeedRun]) -> list[SeedRun]:
    runs = sorted(given, key=lambda run: run.seed)
    if not runs:
        raise InputError(f"{_name(setting)}: no finished run to compare; train at least 2 seeds")
    for run, following in itertools.pairwise(runs):
        if run.seed == following.seed:
            raise InputError(f"{_name(setting)}: seed {run.seed} occurs twice; give each seed once")
    return runs


def _name(setting: Setting) -> str:
    return f"{setting[0]}/{setting[1]}"


def _reference_of(
    setting: Setting, known: Sequence[Setting], reference: str, parents: Mapping[str, str]
) -> Setting | None:
    fusion, measure, _ = setting
    if measure == reference and fusion not in parents:
        return None
    parent = parents.get(fusion, fusion) if measure == reference else fusion
    found = [other for other in known if other[:2] == (parent, reference)]
    if len(found) != 1:
        raise InputError(
            f"{_name(setting)} needs one reference {parent}/{reference} and there are {len(found)}: "
            f"add {reference!r} to the measures, once for each fusion model"
        )
    return found[0]


def at_seeds(result: ArmResult, reference: ArmResult, *, name: str, other: str) -> ArmMetrics:
    """The reference at the seeds of what is compared with it.

    Args:
        result: what is compared.
        reference: what it is compared with.
        name: of the first, for the message.
        other: of the second.

    Raises:
        InputError: the reference lacks one of the seeds.
    """
    position = {seed: column for column, seed in enumerate(reference.seeds)}
    if missing := sorted(set(result.seeds) - set(position)):
        raise InputError(
            f"{other} lacks {len(missing)} seeds of {name}, the first is {missing[0]}: "
            "the reference needs at least the seeds of what is compared with it"
        )
    columns = [position[seed] for seed in result.seeds]
    return ArmMetrics(
        {metric: values[columns] for metric, values in reference.arm.values.items()},
        {metric: values[:, columns] for metric, values in reference.arm.left_out.items()},
        reference.arm.groups,
    )


def _row(setting: Setting, result: ArmResult, metric: str) -> ComparisonRow:
    values = result.arm.values[metric]
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
        n_groups=result.arm.groups.count,
        better="higher" if METRICS[metric].higher_is_better else "lower",
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
    """Rows of one family with their p-values: Holm-corrected within each metric, and over all metrics together."""
    raw = np.array([math.nan if row.p_raw is None else row.p_raw for row in rows])
    names = np.array([row.metric for row in rows])
    within = np.full(len(rows), math.nan)
    for name in set(names.tolist()):
        family = names == name
        within[family] = holm(raw[family])
    columns = zip(rows, within.tolist(), holm(raw).tolist(), strict=True)
    return [replace(row, p_value=_known(one), p_holm_all=_known(every)) for row, one, every in columns]
