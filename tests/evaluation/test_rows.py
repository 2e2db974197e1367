"""Runs of every arm become rows: the right reference, the right family, nothing silently dropped."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from refusals import refused
from statsmodels.stats.multitest import multipletests

from comodal.contracts import ComparisonRow, PredictionTable
from comodal.contracts.errors import Code
from comodal.evaluation.paired import paired_differences
from comodal.evaluation.rows import SeedRun, Setting, comparison_rows
from comodal.metrics import METRICS

N = 96
TARGET = np.random.default_rng(99).integers(-6, 7, size=N) / 2.0


def runs(noise: float, random_seed: int, seeds: range = range(4)) -> list[SeedRun]:
    rng = np.random.default_rng(random_seed)
    return [
        SeedRun(
            seed,
            PredictionTable.of(TARGET, TARGET + noise * rng.normal(size=N), group=(np.arange(N) // 12).astype(str)),
            seconds=1.0 + seed,
        )
        for seed in seeds
    ]


def example() -> dict[Setting, list[SeedRun]]:
    return {
        ("early", "none", 0.0): runs(1.0, 0),
        ("early", "kl", 0.3): runs(0.9, 1),
        ("early", "wasserstein", 0.1): runs(1.0, 2),
        ("lfn", "none", 0.0): runs(1.1, 3),
        ("lfn", "kl", 1.0): runs(1.0, 4),
        ("early:text", "none", 0.0): runs(1.5, 5),
    }


def rows_of(**options: object) -> list[ComparisonRow]:
    return comparison_rows(example(), parents={"early:text": "early"}, **options)  # type: ignore[arg-type]


def pick(rows: list[ComparisonRow], fusion: str, measure: str, metric: str) -> ComparisonRow:
    (found,) = [row for row in rows if (row.fusion, row.measure, row.metric) == (fusion, measure, metric)]
    return found


def test_file_keys_come_first_and_in_order() -> None:
    names = [field.name for field in fields(ComparisonRow)]
    assert names[:13] == [
        *("fusion", "measure", "weight", "metric", "mean", "std", "delta", "ci_low", "ci_high", "p_value"),
        *("n_seeds", "collapsed", "seconds"),
    ]


def test_every_arm_has_a_row_for_every_metric_in_order() -> None:
    rows = rows_of(metrics=["corr", "mae"])
    expected = [(*setting, metric) for setting in example() for metric in ("corr", "mae")]
    assert [(row.fusion, row.measure, row.weight, row.metric) for row in rows] == expected


def test_a_row_holds_what_the_paired_comparison_finds() -> None:
    data = example()
    row = pick(rows_of(), "early", "kl", "mae")
    ours, theirs = ([run.table for run in data["early", *rest]] for rest in (("kl", 0.3), ("none", 0.0)))
    found = paired_differences(ours, theirs)["mae"]
    each = [METRICS["mae"](table.target, table.prediction) for table in ours]
    assert (row.mean, row.std) == pytest.approx((np.mean(each), np.std(each, ddof=1)))
    assert (row.delta, row.ci_low, row.ci_high, row.p_raw) == pytest.approx(
        (found.delta, found.ci_low, found.ci_high, found.p_value)
    )
    assert (row.reference, row.better, row.n_seeds, row.n_groups) == ("early/none", "lower", 4, 8)
    assert row.seconds == 2.5
    assert (row.variance_seed, row.variance_video) == pytest.approx((found.variance_seed, found.variance_video))


def test_references_have_no_difference_and_a_parent_gives_one() -> None:
    rows = rows_of()
    assert {(row.fusion, row.reference) for row in rows if row.delta is None} == {("early", None), ("lfn", None)}
    text = pick(rows, "early:text", "none", "mae")
    assert text.reference == "early/none"
    assert text.delta == pytest.approx(text.mean - pick(rows, "early", "none", "mae").mean)
    alone = comparison_rows({("early:text", "none", 0.0): runs(1.5, 5)})
    assert all(row.delta is None and row.p_value is None for row in alone)


@pytest.mark.slow
def test_families_of_the_two_corrections() -> None:
    rows = [row for row in rows_of() if row.p_raw is not None]
    for metric in {row.metric for row in rows}:
        family = [row for row in rows if row.metric == metric]
        assert len(family) == 4
        expected = multipletests([row.p_raw for row in family], method="holm")[1]
        assert [row.p_value for row in family] == pytest.approx(expected)
    expected = multipletests([row.p_raw for row in rows], method="holm")[1]
    assert [row.p_holm_all for row in rows] == pytest.approx(expected)
    assert any(row.p_holm_all > row.p_value > row.p_raw for row in rows)  # type: ignore[operator]


def test_seeds_are_paired_by_number_and_not_by_position() -> None:
    data = example()
    turned = {setting: arm[::-1] if setting[1] == "kl" else arm for setting, arm in data.items()}
    assert comparison_rows(turned) == comparison_rows(data)


def test_a_reference_may_have_more_seeds() -> None:
    data = {("early", "none", 0.0): runs(1.0, 0, range(9)), ("early", "kl", 0.3): runs(0.9, 1, range(3, 7))}
    rows = comparison_rows(data, metrics=["mae"])
    same = {**data, ("early", "none", 0.0): data["early", "none", 0.0][3:7]}
    fewer = comparison_rows(same, metrics=["mae"])
    assert rows[1] == fewer[1]
    assert (rows[0].n_seeds, fewer[0].n_seeds) == (9, 4)


def test_a_reference_may_not_have_fewer() -> None:
    data = {("early", "none", 0.0): runs(1.0, 0, range(3)), ("early", "kl", 0.3): runs(0.9, 1)}
    with refused("missing", "early/none", "early/kl", 3):
        comparison_rows(data)


def test_collapsed_runs_are_counted() -> None:
    data = example()
    arm = data["early", "kl", 0.3]
    arm[0] = replace(arm[0], table=replace(arm[0].table, prediction=np.full(N, 0.2)))
    arm[1] = replace(arm[1], collapsed=True)
    rows = comparison_rows(data)
    assert {row.collapsed for row in rows if row.measure == "kl" and row.fusion == "early"} == {2}
    assert {row.collapsed for row in rows if row.measure == "none"} == {0}


def test_one_seed_gives_rows_without_nan() -> None:
    data = {("early", "none", 0.0): runs(1.0, 0, range(1)), ("early", "kl", 0.3): runs(0.9, 1, range(1))}
    row = comparison_rows(data, metrics=["mae"])[1]
    assert row.delta is not None
    assert (row.std, row.ci_low, row.p_value, row.p_raw, row.p_holm_all) == (None,) * 5
    assert "1 seed" in row.note


def test_two_weights_of_a_measure_are_two_rows() -> None:
    data = {**example(), ("early", "kl", 1.0): runs(0.9, 8)}
    rows = comparison_rows(data, metrics=["mae"])
    assert [row.weight for row in rows if (row.fusion, row.measure) == ("early", "kl")] == [0.3, 1.0]


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({("early", "kl", 0.3): []}, "empty", ["early/kl"]),
        ({("early", "kl", 0.3): runs(1.0, 0, range(2)) * 2}, "duplicate", ["seed 0"]),
        ({("late", "kl", 0.3): runs(1.0, 0)}, "missing", ["late/kl", "late/none", 0]),
        ({("early", "none", 1.0): runs(1.0, 0)}, "duplicate", ["early/none", 2]),
    ],
)
def test_what_cannot_be_compared_is_refused(
    change: dict[Setting, list[SeedRun]], code: Code, named: list[object]
) -> None:
    with refused(code, *named):
        comparison_rows({**example(), **change})
