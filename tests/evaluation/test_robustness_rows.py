"""Rows of a robustness table: each scenario is a comparison of its own, each kind of row one family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from comodal.contracts import PredictionTable, RobustnessRow
from comodal.data.corruptions import parse_corruption
from comodal.evaluation.robustness_rows import robustness_rows, scenario_result
from comodal.evaluation.rows import SeedRun, Setting, comparison_rows
from comodal.evaluation.scenarios import Scenario
from comodal.evaluation.score import score

N = 60
TARGET = np.random.default_rng(5).normal(size=N)
NAMES = ("text", "audio")
CURVES = ("noise:audio=0", "noise:audio=0.5", "noise:audio=1", "drop:text=0", "drop:text=1")
SCENARIOS = [
    *(Scenario(kept) for kept in ((), ("text",), ("audio",))),
    *(Scenario(corruption=parse_corruption(name)) for name in CURVES),
]
NONE, KL, F, ALONE = ("early", "none", 0.0), ("early", "kl", 0.3), ("early", "f", 1.0), ("early:text", "none", 0.0)
OTHERS: dict[Setting, Setting | None] = {NONE: None, KL: NONE, F: NONE, ALONE: None}
METRICS = ("mae", "corr")


def run(seed: int, noise: float, stream: tuple[int, ...]) -> SeedRun:
    prediction = TARGET + noise * np.random.default_rng([seed, *stream]).normal(size=N)
    return SeedRun(seed, PredictionTable.of(TARGET, prediction, group=(np.arange(N) // 6).astype(str)), 0.0)


def runs(setting: Setting, scenario: Scenario, count: int = 4) -> list[SeedRun]:
    """The more severe, the worse; severity 0 is the clean table."""
    position = 0 if scenario.corruption and not scenario.severity else SCENARIOS.index(scenario)
    noise = 0.5 + 0.5 * scenario.severity + (0.2 if scenario.kept else 0.0) - (0.1 if setting is KL else 0.0)
    return [run(seed, noise, (position, list(OTHERS).index(setting))) for seed in range(count)]


def table(count: int = 4) -> list[RobustnessRow]:
    heard = dict.fromkeys((NONE, KL, F), SCENARIOS)
    heard[ALONE] = [each for each in SCENARIOS if each.name in {"clean", "text", "drop:text=0", "drop:text=1"}]
    arms = {
        setting: {each: scenario_result(runs(setting, each, count), metrics=METRICS) for each in scenarios}
        for setting, scenarios in heard.items()
    }
    return robustness_rows(arms, OTHERS, dict.fromkeys(OTHERS, NONE))


@pytest.fixture(scope="module")
def rows() -> list[RobustnessRow]:
    return table()


def of(rows: list[RobustnessRow], kind: str, scenario: str, setting: Setting, metric: str = "mae") -> RobustnessRow:
    (found,) = [
        row
        for row in rows
        if (row.kind, row.scenario, row.row.fusion, row.row.measure, row.row.metric)
        == (kind, scenario, *setting[:2], metric)
    ]
    return found


def test_every_scenario_is_the_comparison_of_its_own_tables(rows: list[RobustnessRow]) -> None:
    for scenario in SCENARIOS:
        kind = "curve" if scenario.corruption else "subset"
        alone = comparison_rows({each: runs(each, scenario) for each in (NONE, KL, F)}, metrics=METRICS)
        for expected in alone:
            found = of(rows, kind, scenario.name, (expected.fusion, expected.measure, 0.0), expected.metric).row
            corrected = {"p_value": found.p_value, "p_holm_all": found.p_holm_all}
            assert found == replace(expected, **corrected)


def test_columns_say_what_was_corrected(rows: list[RobustnessRow]) -> None:
    point = of(rows, "curve", "noise:audio=0.5", KL)
    assert (point.modality, point.corruption, point.severity) == ("audio", "noise", 0.5)
    subset = of(rows, "subset", "text", KL)
    assert (subset.modality, subset.corruption, subset.severity) == ("", "", None)
    area = of(rows, "relative", "noise:audio", KL)
    assert (area.modality, area.corruption, area.severity) == ("audio", "noise", None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["subset", "curve", "relative", "effective"])
@pytest.mark.parametrize("metric", METRICS)
def test_each_kind_is_a_family_of_its_own(rows: list[RobustnessRow], kind: str, metric: str) -> None:
    family = [
        row.row
        for row in rows
        if (row.kind, row.row.metric) == (kind, metric) and row.row.p_raw is not None and row.severity != 0
    ]
    assert len(family) == {"subset": 6, "curve": 6, "relative": 4, "effective": 4}[kind]
    expected = multipletests([row.p_raw for row in family], method="holm")[1]
    assert [row.p_value for row in family] == pytest.approx(list(expected))


def test_severity_0_is_the_clean_row_and_counts_once(rows: list[RobustnessRow]) -> None:
    for setting in (NONE, KL, F):
        clean = of(rows, "subset", "clean", setting)
        for curve in ("noise:audio", "drop:text"):
            start = of(rows, "curve", f"{curve}=0", setting)
            assert start.row == clean.row


def test_areas_are_those_of_the_points(rows: list[RobustnessRow]) -> None:
    for setting in (NONE, KL):
        means = [of(rows, "curve", f"noise:audio={severity}", setting).row.mean for severity in ("0", "0.5", "1")]
        by_hand = 0.25 * means[0] + 0.5 * means[1] + 0.25 * means[2]
        assert of(rows, "relative", "noise:audio", setting).row.mean == pytest.approx(by_hand)
    relative, effective = (of(rows, kind, "noise:audio", KL).row for kind in ("relative", "effective"))
    assert relative.delta == pytest.approx(relative.mean - of(rows, "relative", "noise:audio", NONE).row.mean)
    start = of(rows, "subset", "clean", KL).row
    assert effective.mean == pytest.approx(relative.delta - start.delta)
    assert of(rows, "effective", "noise:audio", NONE).row.mean == 0.0
    assert "measured from early/none" in effective.note


def test_a_network_of_one_modality_is_shown_and_compared_with_nothing(rows: list[RobustnessRow]) -> None:
    mine = [row for row in rows if row.row.fusion == "early:text"]
    assert {row.scenario for row in mine} == {"clean", "text", "drop:text=0", "drop:text=1", "drop:text"}
    assert all(row.row.delta is None and row.row.p_value is None for row in mine)


def test_the_interval_of_the_mean_covers_it_and_shrinks_with_seeds(rows: list[RobustnessRow]) -> None:
    for row in rows:
        if row.kind != "effective":
            assert row.row.mean_low is not None
            assert row.row.mean_high is not None
            assert row.row.mean_low < row.row.mean < row.row.mean_high
    wide, narrow = (of(each, "subset", "clean", NONE).row for each in (table(2), table(24)))
    assert wide.mean_high - wide.mean_low > narrow.mean_high - narrow.mean_low  # type: ignore[operator]


def test_a_single_run_has_intervals_over_groups_and_no_difference() -> None:
    clean, point = SCENARIOS[0], SCENARIOS[4]
    scenarios = [clean, SCENARIOS[3], point]
    arms = {KL: {each: scenario_result(runs(KL, each, 1), metrics=METRICS) for each in scenarios}}
    found = robustness_rows(arms, {KL: None}, {KL: None})
    assert {row.kind for row in found} == {"subset", "curve", "relative"}
    assert all(row.row.delta is None and row.row.std is None for row in found)
    expected = score(runs(KL, point, 1)[0].table, metrics=METRICS)["mae"]
    row = of(found, "curve", "noise:audio=0.5", KL)
    assert (row.row.mean, row.row.mean_low, row.row.mean_high) == pytest.approx(
        (expected.value, expected.ci_low, expected.ci_high)
    )
    assert of(found, "relative", "noise:audio", KL).row.mean_low is None
