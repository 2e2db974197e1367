"""Paired differences of two arms over the same seeds and groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused
from scipy.stats import ttest_rel

from comodal.contracts import PredictionTable, Sentiment
from comodal.evaluation.paired import evaluate_arm, paired_differences, require_same_samples
from comodal.metrics import METRICS

GROUPS, EACH = 12, 15


def arm(seeds: int, noise: float, random_seed: int) -> list[PredictionTable]:
    """Runs on the same test part, whose predictions follow the labels with some noise."""
    n = GROUPS * EACH
    target = np.random.default_rng(99).integers(-6, 7, size=n) / 2.0
    rng = np.random.default_rng(random_seed)
    ids, group = np.array([f"u{i}" for i in range(n)]), np.array([f"v{i // EACH}" for i in range(n)])
    return [PredictionTable.of(target, target + noise * rng.normal(size=n), group=group, id=ids) for _ in range(seeds)]


def test_delta_is_the_mean_difference_of_the_metrics() -> None:
    ours, theirs = arm(5, 0.8, 0), arm(5, 1.0, 1)
    result = paired_differences(ours, theirs)
    assert list(result) == list(Sentiment.reported)
    for name, found in result.items():
        each = [
            METRICS[name](a.target, a.prediction) - METRICS[name](b.target, b.prediction)
            for a, b in zip(ours, theirs, strict=True)
        ]
        assert found.delta == pytest.approx(np.mean(each))
        assert found.variance_seed == pytest.approx(np.var(each, ddof=1) / 5)


def test_exchanging_the_arms_changes_the_sign_and_nothing_else() -> None:
    forth = paired_differences(arm(5, 0.8, 0), arm(5, 1.0, 1))
    back = paired_differences(arm(5, 1.0, 1), arm(5, 0.8, 0))
    for name, found in forth.items():
        assert back[name].delta == -found.delta
        assert back[name].p_value == pytest.approx(found.p_value)
        assert (back[name].ci_low, back[name].ci_high) == pytest.approx((-found.ci_high, -found.ci_low))


def test_pairing_matters_and_the_order_of_pairs_does_not() -> None:
    """Seeds that are good or bad in both arms: pairing removes what they share."""
    noises = [0.5, 0.8, 1.1, 1.4, 1.7, 2.0]
    ours = [arm(1, noise - 0.1, index)[0] for index, noise in enumerate(noises)]
    theirs = [arm(1, noise, index)[0] for index, noise in enumerate(noises)]
    paired = paired_differences(ours, theirs, metrics=["mae"])["mae"]
    turned = paired_differences(ours[::-1], theirs[::-1], metrics=["mae"])["mae"]
    unpaired = paired_differences(ours, theirs[::-1], metrics=["mae"])["mae"]
    assert turned.p_value == pytest.approx(paired.p_value)
    assert paired.p_value < 0.001 < unpaired.p_value
    assert unpaired.delta == pytest.approx(paired.delta)


def test_identical_arms_differ_by_nothing() -> None:
    for found in paired_differences(arm(4, 0.8, 0), arm(4, 0.8, 0)).values():
        assert (found.delta, found.ci_low, found.ci_high, found.p_value, found.note) == (0.0, 0.0, 0.0, 1.0, "")


def test_collapsed_arms_are_compared_without_a_warning() -> None:
    ours = [replace(table, prediction=np.full(len(table), 0.1 * seed)) for seed, table in enumerate(arm(4, 1.0, 0))]
    theirs = [replace(table, prediction=np.full(len(table), -0.1 * seed)) for seed, table in enumerate(arm(4, 1.0, 0))]
    result = paired_differences(ours, theirs)
    assert (result["corr"].delta, result["corr"].p_value) == (0.0, 1.0)
    assert 0.0 < result["acc_2_nonneg"].p_value <= 1.0


def test_more_certain_than_chance_and_less_than_a_t_test_over_seeds() -> None:
    """A gain in 2 of 12 videos alone: sure for these videos, not for others."""
    theirs = arm(16, 1.0, 0)
    gain = np.isin(theirs[0].group, ["v0", "v1"])
    ours = [
        replace(table, prediction=np.where(gain, (table.prediction + table.target) / 2, table.prediction))
        for table in theirs
    ]
    found = paired_differences(ours, theirs, metrics=["mae"])["mae"]
    each = [[METRICS["mae"](table.target, table.prediction) for table in runs] for runs in (ours, theirs)]
    assert ttest_rel(*each).pvalue < 1e-6
    assert found.p_value > 0.05
    assert found.variance_video > 10 * found.variance_seed


def test_one_seed_has_a_difference_and_no_p_value() -> None:
    found = paired_differences(arm(1, 0.8, 0), arm(1, 1.0, 1))["mae"]
    assert found.delta < 0
    assert np.isnan(found.p_value)
    assert "at least 2" in found.note


@pytest.mark.parametrize("name", Sentiment.reported)
def test_leaving_a_group_out_equals_scoring_the_rest(name: str) -> None:
    runs = arm(2, 1.0, 0)
    found = evaluate_arm(runs, metrics=[name])
    for column, table in enumerate(runs):
        for row, group in enumerate(np.unique(table.group)):
            rest = table.group != group
            expected = METRICS[name](table.target[rest], table.prediction[rest])
            assert found.left_out[name][row, column] == pytest.approx(expected, abs=1e-9)


def test_other_samples_or_seeds_are_refused() -> None:
    with refused("empty"):
        require_same_samples([])
    with refused("mismatch", 3, 2):
        paired_differences(arm(3, 1.0, 0), arm(2, 1.0, 1))
    first, second = arm(2, 1.0, 0)
    with refused("mismatch", "table 2", "'u1'", "row 0", "'u0'"):
        require_same_samples([first, replace(second, id=np.roll(second.id, -1))])
    with refused("mismatch", "elsewhere", "row 3"):
        require_same_samples([first, replace(second, group=np.where(second.id == "u3", "elsewhere", second.group))])
    with refused("mismatch", "target"):
        require_same_samples([first, replace(second, target=second.target + 1)])
    with refused("mismatch", 2, 180):
        require_same_samples(
            [first, PredictionTable(**{name: column[:2] for name, column in second.columns().items()})]
        )
