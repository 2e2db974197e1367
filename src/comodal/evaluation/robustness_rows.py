"""Make the rows of a robustness table from arms evaluated in many scenarios, with corrected p-values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from comodal.contracts import RobustnessRow
from comodal.evaluation.paired import ArmMetrics
from comodal.evaluation.reference_runs import compared_with_references
from comodal.evaluation.rows import (
    ArmResult,
    Interval,
    SeedRun,
    Setting,
    arm_result,
    arm_rows,
    at_seeds,
    corrected,
    mean_intervals,
)
from comodal.evaluation.scenarios import CLEAN, Scenario
from comodal.evaluation.score import score
from comodal.evaluation.severity_areas import effective_area, relative_area

__all__ = ["robustness_rows", "scenario_result"]

Cells = Mapping[Setting, ArmResult]
Arms = Mapping[Setting, Mapping[Scenario, ArmResult]]
Others = Mapping[Setting, Setting | None]


def scenario_result(runs: Sequence[SeedRun], *, metrics: Sequence[str] | None = None) -> ArmResult:
    """Return the metrics of the runs of an arm in one scenario, with intervals of their means.

    Intervals are over seeds and groups, for a single run over groups.
    """
    result = arm_result(runs, metrics=metrics)
    if len(runs) > 1:
        return result
    scores = score(runs[0].table, metrics=metrics)
    return replace(result, intervals={name: _interval(each.ci_low, each.ci_high) for name, each in scores.items()})


def robustness_rows(arms: Arms, others: Others, baselines: Others) -> list[RobustnessRow]:
    """Compare every arm with its reference in each scenario, then the areas below its severity curves.

    Subsets, points of curves, relative and effective areas are four families: within each, p-values are Holm-corrected
    over the compared rows of a metric. Points at severity 0 repeat the clean rows, and count once. ``others`` and
    ``baselines`` are what a setting is compared with and where its effective robustness is measured from, if at all.
    """
    scenarios = list(dict.fromkeys(scenario for arm in arms.values() for scenario in arm))
    subsets = _noted(_family(_points(arms, [each for each in scenarios if each.corruption is None]), others))
    rows = list(subsets)
    curves: dict[str, list[Scenario]] = {}
    for each in scenarios:
        if each.corruption is not None:
            curves.setdefault(each.curve, []).append(each)
    corrupted = [point for curve in curves.values() for point in curve if point.severity]
    moved = _family(_points(arms, corrupted), others)
    for name, curve in curves.items():
        rows += _at_start(arms, curve[0], subsets)
        rows += [row for row in moved if row.scenario.partition("=")[0] == name]
    areas = [curve for curve in curves.values() if len(curve) > 1]
    rows += _family({_area("relative", curve): _relative(arms, curve) for curve in areas}, others)
    effective = {_area("effective", curve): _effective(arms, curve, baselines) for curve in areas}
    return rows + [_measured_from(row, baselines) for row in _family(effective, others)]


@dataclass(frozen=True)
class _Subject:
    """The columns of a row that identify its scenario or area."""

    kind: str
    scenario: str
    modality: str = ""
    corruption: str = ""
    severity: float | None = None


def _point(scenario: Scenario) -> _Subject:
    if (act := scenario.corruption) is None:
        return _Subject("subset", scenario.name)
    return _Subject("curve", scenario.name, act.modality, act.kind, act.severity)


def _area(kind: str, curve: Sequence[Scenario]) -> _Subject:
    return replace(_point(curve[0]), kind=kind, scenario=curve[0].curve, severity=None)


def _points(arms: Arms, scenarios: Sequence[Scenario]) -> dict[_Subject, Cells]:
    return {
        _point(scenario): {setting: arm[scenario] for setting, arm in arms.items() if scenario in arm}
        for scenario in scenarios
    }


def _family(tables: Mapping[_Subject, Cells], others: Others) -> list[RobustnessRow]:
    """Return rows whose p-values are corrected together."""
    pairs = [(subject, row) for subject, cells in tables.items() for row in arm_rows(cells, others)]
    rows = corrected([row for _, row in pairs])
    return [RobustnessRow(**vars(subject), row=row) for (subject, _), row in zip(pairs, rows, strict=True)]


def _noted(subsets: Sequence[RobustnessRow]) -> list[RobustnessRow]:
    """Return rows whose notes name the networks that are no better than a reference with the same modalities."""
    found: list[RobustnessRow] = []
    for _, own in itertools.groupby(subsets, key=lambda row: row.scenario):
        of_scenario = list(own)
        noted = compared_with_references([row.row for row in of_scenario], subsets[0].row.metric)
        found += [replace(row, row=new) for row, new in zip(of_scenario, noted, strict=True)]
    return found


def _setting(row: RobustnessRow) -> Setting:
    return row.row.fusion, row.row.measure, row.row.weight


def _at_start(arms: Arms, start: Scenario, subsets: Sequence[RobustnessRow]) -> Iterator[RobustnessRow]:
    """Yield the clean rows again, as the first point of a curve, for the arms that have the curve."""
    for row in subsets:
        if row.scenario == CLEAN and start in arms[_setting(row)]:
            yield replace(row, **vars(_point(start)))


def _relative(arms: Arms, curve: Sequence[Scenario]) -> dict[Setting, ArmResult]:
    found = {}
    for setting, arm in arms.items():
        if curve[0] in arm:
            points = [arm[point] for point in curve]
            found[setting] = _area_result(points, relative_area([each.metrics for each in points], _severities(curve)))
    return found


def _effective(arms: Arms, curve: Sequence[Scenario], baselines: Others) -> dict[Setting, ArmResult]:
    found = {}
    for setting, arm in arms.items():
        baseline = baselines[setting]
        if baseline is None or curve[0] not in arm:
            continue
        names = {"name": "/".join(setting[:2]), "other": "/".join(baseline[:2])}
        points = [arm[point] for point in curve]
        start = [at_seeds(arm[point], arms[baseline][point], **names) for point in curve]
        area = effective_area([each.metrics for each in points], start, _severities(curve))
        found[setting] = _area_result(points, area)
    return found


def _severities(curve: Sequence[Scenario]) -> list[float]:
    return [point.severity for point in curve]


def _area_result(points: Sequence[ArmResult], area: ArmMetrics) -> ArmResult:
    worst = max(points, key=lambda result: result.collapsed)
    return replace(worst, metrics=area, intervals=mean_intervals(area))


def _measured_from(row: RobustnessRow, baselines: Others) -> RobustnessRow:
    baseline = baselines[_setting(row)]
    return row if baseline is None else row.with_note(f"effective robustness is measured from {'/'.join(baseline[:2])}")


def _interval(low: float, high: float) -> Interval:
    return (None, None) if math.isnan(low) or math.isnan(high) else (low, high)
