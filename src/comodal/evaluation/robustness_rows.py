"""Arms evaluated in many scenarios -> the rows of a robustness table, corrected for their number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from comodal.contracts import ComparisonRow, RobustnessRow
from comodal.evaluation.crossed import crossed_mean
from comodal.evaluation.paired import ArmMetrics
from comodal.evaluation.rows import ArmResult, SeedRun, Setting, arm_result, arm_rows, at_seeds, corrected
from comodal.evaluation.scenarios import CLEAN, Scenario
from comodal.evaluation.score import score
from comodal.evaluation.severity_areas import effective_area, relative_area
from comodal.metrics import DEFAULT_METRICS

__all__ = ["EvaluatedArm", "evaluated_arm", "robustness_rows"]

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class EvaluatedArm:
    """One arm in one scenario, or the area below one of its curves.

    Attributes:
        result: its metrics.
        intervals: metric to the 95 % interval of the mean; none for an area of a single run.
    """

    result: ArmResult
    intervals: Mapping[str, Interval]


Cells = Mapping[Setting, EvaluatedArm]
Arms = Mapping[Setting, Mapping[Scenario, EvaluatedArm]]


def evaluated_arm(runs: Sequence[SeedRun], *, metrics: Sequence[str] = DEFAULT_METRICS) -> EvaluatedArm:
    """Evaluate the runs of an arm in one scenario.

    Args:
        runs: one a seed, in rising order.
        metrics: names in :data:`comodal.metrics.METRICS`.

    Raises:
        InputError: tables that differ in their utterances, or an unknown metric.
    """
    result = arm_result(runs, metrics=metrics)
    if len(runs) > 1:
        return EvaluatedArm(result, _mean_intervals(result.arm))
    scores = score(runs[0].table, metrics=metrics)
    return EvaluatedArm(result, {name: _known(each.ci_low, each.ci_high) for name, each in scores.items()})


def robustness_rows(
    arms: Arms,
    others: Mapping[Setting, Setting | None],
    baselines: Mapping[Setting, Setting | None],
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> list[RobustnessRow]:
    """Every arm in every scenario against its reference in the same scenario, then the areas below its curves.

    Subsets, points of curves, relative and effective areas are four families: within each, p-values are Holm-corrected
    over the compared rows of a metric. Points at severity 0 are the clean rows again, and count once.

    Args:
        arms: setting to its scenarios, the clean one among them; those with fewer modalities may have fewer scenarios.
        others: setting to the one it is compared with, ``None`` for no comparison.
        baselines: setting to the one whose curve effective robustness is measured from; ``None`` for no such row.
        metrics: in this order.

    Returns:
        Ordered by kind, scenario, setting and metric.

    Raises:
        InputError: a reference that lacks a seed of an arm.
    """
    scenarios = list(dict.fromkeys(scenario for arm in arms.values() for scenario in arm))
    subsets = _family(_points(arms, [each for each in scenarios if each.corruption is None]), others, metrics)
    rows = list(subsets)
    disturbed = [each for each in scenarios if each.corruption is not None]
    moved = _family(_points(arms, [each for each in disturbed if each.severity]), others, metrics)
    for curve in dict.fromkeys(each.curve for each in disturbed):
        rows += _at_start(arms, next(each for each in disturbed if each.curve == curve), subsets)
        rows += [row for row in moved if row.scenario.partition("=")[0] == curve]
    whole = {each.curve: [one for one in disturbed if one.curve == each.curve] for each in disturbed}
    areas = [curve for curve in whole.values() if len(curve) > 1]
    rows += _family({_area("relative", curve): _relative(arms, curve) for curve in areas}, others, metrics)
    against = {_area("effective", curve): _effective(arms, curve, baselines) for curve in areas}
    return rows + [_measured_from(row, baselines) for row in _family(against, others, metrics)]


@dataclass(frozen=True)
class _About:
    """The columns of a row that say what it is about."""

    kind: str
    scenario: str
    modality: str = ""
    corruption: str = ""
    severity: float | None = None


def _point(scenario: Scenario) -> _About:
    if (act := scenario.corruption) is None:
        return _About("subset", scenario.name)
    return _About("curve", scenario.name, act.modality, act.kind, act.severity)


def _area(kind: str, curve: Sequence[Scenario]) -> _About:
    first = _point(curve[0])
    return _About(kind, curve[0].curve, first.modality, first.corruption)


def _points(arms: Arms, scenarios: Sequence[Scenario]) -> dict[_About, Cells]:
    return {
        _point(scenario): {setting: arm[scenario] for setting, arm in arms.items() if scenario in arm}
        for scenario in scenarios
    }


def _family(
    tables: Mapping[_About, Cells], others: Mapping[Setting, Setting | None], metrics: Sequence[str]
) -> list[RobustnessRow]:
    """Rows whose p-values are corrected together."""
    pairs = [(about, cells, row) for about, cells in tables.items() for row in _rows(cells, others, metrics)]
    done = corrected([row for _, _, row in pairs])
    return [_robustness_row(about, cells, row) for (about, cells, _), row in zip(pairs, done, strict=True)]


def _rows(cells: Cells, others: Mapping[Setting, Setting | None], metrics: Sequence[str]) -> list[ComparisonRow]:
    return arm_rows({setting: cell.result for setting, cell in cells.items()}, others, metrics=metrics)


def _robustness_row(about: _About, cells: Cells, row: ComparisonRow) -> RobustnessRow:
    low, high = cells[row.fusion, row.measure, row.weight].intervals.get(row.metric, (None, None))
    return RobustnessRow(
        about.kind, about.scenario, about.modality, about.corruption, about.severity, row, mean_low=low, mean_high=high
    )


def _at_start(arms: Arms, start: Scenario, subsets: Sequence[RobustnessRow]) -> Iterator[RobustnessRow]:
    """The clean rows once more, as the first point of a curve of the arms that have it."""
    about = vars(_point(start))
    for row in subsets:
        if row.scenario == CLEAN and start in arms[row.row.fusion, row.row.measure, row.row.weight]:
            yield replace(row, **about)


def _relative(arms: Arms, curve: Sequence[Scenario]) -> dict[Setting, EvaluatedArm]:
    return {
        setting: _evaluated_area(
            arm, curve, relative_area([arm[point].result.arm for point in curve], _severities(curve))
        )
        for setting, arm in arms.items()
        if curve[0] in arm
    }


def _effective(
    arms: Arms, curve: Sequence[Scenario], baselines: Mapping[Setting, Setting | None]
) -> dict[Setting, EvaluatedArm]:
    found = {}
    for setting, arm in arms.items():
        baseline = baselines[setting]
        if baseline is None or curve[0] not in arm:
            continue
        points = [arm[point].result.arm for point in curve]
        names = {"name": "/".join(setting[:2]), "other": "/".join(baseline[:2])}
        from_ = [at_seeds(arm[point].result, arms[baseline][point].result, **names) for point in curve]
        found[setting] = _evaluated_area(arm, curve, effective_area(points, from_, _severities(curve)))
    return found


def _severities(curve: Sequence[Scenario]) -> list[float]:
    return [point.severity for point in curve]


def _evaluated_area(arm: Mapping[Scenario, EvaluatedArm], curve: Sequence[Scenario], area: ArmMetrics) -> EvaluatedArm:
    worst = max((arm[point].result for point in curve), key=lambda result: result.collapsed)
    return EvaluatedArm(replace(worst, arm=area), _mean_intervals(area))


def _measured_from(row: RobustnessRow, baselines: Mapping[Setting, Setting | None]) -> RobustnessRow:
    baseline = baselines[row.row.fusion, row.row.measure, row.row.weight]
    said = "" if baseline is None else f"effective robustness is measured from {baseline[0]}/{baseline[1]}"
    return replace(row, row=replace(row.row, note="; ".join(part for part in (row.row.note, said) if part)))


def _mean_intervals(arm: ArmMetrics) -> dict[str, Interval]:
    found = {}
    for name, values in arm.values.items():
        mean = crossed_mean(values, arm.left_out[name], effective_groups=arm.groups.effective_count)
        found[name] = _known(mean.ci_low, mean.ci_high)
    return found


def _known(low: float, high: float) -> Interval:
    return (None, None) if math.isnan(low) or math.isnan(high) else (low, high)
