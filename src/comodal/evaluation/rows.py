"""Finished runs of every arm -> the rows of a comparison, corrected for their number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from comodal.contracts import ComparisonRow, InputError, PredictionTable
from comodal.evaluation.compare import Arm, difference, evaluate_arm, same_utterances
from comodal.evaluation.crossed import CrossedMean
from comodal.evaluation.multiplicity import holm
from comodal.metrics import DEFAULT_METRICS, METRICS, is_collapsed, metrics_named

__all__ = ["SeedRun", "Setting", "comparison_rows"]

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
    chosen = metrics_named(metrics)
    runs = {setting: _by_seed(setting, given) for setting, given in results.items()}
    others = {setting: _reference_of(setting, runs, reference, parents or {}) for setting in runs}
    for setting, other in others.items():
        _check_seeds(setting, runs[setting], other, runs)
    same_utterances([run.table for arm in runs.values() for run in arm])
    arms = {setting: evaluate_arm([run.table for run in arm], metrics=metrics) for setting, arm in runs.items()}
    rows = []
    for setting, other in others.items():
        paired = None if other is None else _at_seeds(arms[other], runs[other], [run.seed for run in runs[setting]])
        collapsed = sum(run.has_collapsed for run in runs[setting])
        for metric in chosen:
            found = None if paired is None else difference(arms[setting], paired, metric.name)
            row = _row(setting, runs[setting], arms[setting], metric.name, collapsed)
            rows.append(row if other is None or found is None else _compared(row, found, _name(other)))
    return _corrected(rows)


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
    setting: Setting, runs: Mapping[Setting, Sequence[SeedRun]], reference: str, parents: Mapping[str, str]
) -> Setting | None:
    fusion, measure, _ = setting
    if measure == reference and fusion not in parents:
        return None
    parent = parents.get(fusion, fusion) if measure == reference else fusion
    found = [other for other in runs if other[:2] == (parent, reference)]
    if len(found) != 1:
        raise InputError(
            f"{_name(setting)} needs one reference {parent}/{reference} and there are {len(found)}: "
            f"add {reference!r} to the measures, once for each fusion model"
        )
    return found[0]


def _check_seeds(
    setting: Setting, arm: Sequence[SeedRun], other: Setting | None, runs: Mapping[Setting, Sequence[SeedRun]]
) -> None:
    if other is None:
        return
    missing = sorted({run.seed for run in arm} - {run.seed for run in runs[other]})
    if missing:
        raise InputError(
            f"{_name(other)} lacks {len(missing)} seeds of {_name(setting)}, the first is {missing[0]}: "
            "the reference needs at least the seeds of what is compared with it"
        )


def _at_seeds(arm: Arm, runs: Sequence[SeedRun], seeds: Sequence[int]) -> Arm:
    position = {run.seed: column for column, run in enumerate(runs)}
    columns = [position[number] for number in seeds]
    return Arm(
        {name: values[columns] for name, values in arm.values.items()},
        {name: values[:, columns] for name, values in arm.left_out.items()},
        arm.groups,
    )


def _row(setting: Setting, runs: Sequence[SeedRun], arm: Arm, metric: str, collapsed: int) -> ComparisonRow:
    values = arm.values[metric]
    return ComparisonRow(
        *setting,
        metric=metric,
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        delta=None,
        ci_low=None,
        ci_high=None,
        p_value=None,
        n_seeds=len(runs),
        collapsed=collapsed,
        seconds=float(np.mean([run.seconds for run in runs])),
        n_groups=arm.groups.count,
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


def _corrected(rows: Sequence[ComparisonRow]) -> list[ComparisonRow]:
    raw = np.array([math.nan if row.p_raw is None else row.p_raw for row in rows])
    names = np.array([row.metric for row in rows])
    within = np.full(len(rows), math.nan)
    for name in set(names.tolist()):
        family = names == name
        within[family] = holm(raw[family])
    columns = zip(rows, within.tolist(), holm(raw).tolist(), strict=True)
    return [replace(row, p_value=_known(one), p_holm_all=_known(every)) for row, one, every in columns]
