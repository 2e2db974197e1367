"""The crossed mean against the two-way analysis of variance and the t-test it must reduce to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.stats import t, ttest_1samp
from statsmodels.stats.anova import anova_lm

from comodal.evaluation.crossed import crossed_mean


def crossed(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences, and differences with one video left out, of a metric that is the mean of ``(S, V)`` cells."""
    return cells.mean(axis=1), (cells.sum(axis=1) - cells.T) / (cells.shape[1] - 1)


def cells(seeds: int, videos: int, scale: tuple[float, float, float], random_seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(random_seed)
    of_seed, of_video, of_both = scale
    seed_effect = of_seed * rng.normal(size=(seeds, 1))
    video_effect = of_video * rng.normal(size=(1, videos))
    return 0.3 + seed_effect + video_effect + of_both * rng.normal(size=(seeds, videos))


@pytest.mark.parametrize("scale", [(1.0, 1.0, 1.0), (0.2, 1.0, 0.5), (1.0, 0.5, 0.2)])
def test_variance_is_that_of_the_analysis_of_variance(scale: tuple[float, float, float]) -> None:
    data = cells(9, 14, scale)
    frame = pd.DataFrame([(s, v, data[s, v]) for s in range(9) for v in range(14)], columns=["seed", "video", "y"])
    squares = anova_lm(smf.ols("y ~ C(seed) + C(video)", frame).fit())["mean_sq"]
    by_hand = squares["C(seed)"] / 126, (squares["C(video)"] - squares["Residual"]) / 126
    result = crossed_mean(*crossed(data))
    assert result.delta == pytest.approx(data.mean())
    assert result.variance_seed == pytest.approx(by_hand[0], rel=1e-9)
    assert result.variance_video == pytest.approx(by_hand[1], rel=1e-9)
    error = np.sqrt(result.variance_seed + result.variance_video)
    df = error**4 / (result.variance_seed**2 / 8 + result.variance_video**2 / 13)
    assert result.df == pytest.approx(df)
    assert result.p_value == pytest.approx(2 * t.sf(abs(result.delta) / error, df))
    assert (result.ci_high - result.ci_low) / 2 == pytest.approx(error * t.ppf(0.975, df))


def test_without_a_video_effect_it_is_the_paired_t_test() -> None:
    differences = np.random.default_rng(0).normal(0.5, 1.0, size=11)
    result = crossed_mean(differences, np.tile(differences, (20, 1)))
    expected = ttest_1samp(differences, 0.0)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert (result.ci_low, result.ci_high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert result.variance_video == 0.0


def test_a_video_effect_widens_what_a_t_test_over_seeds_says() -> None:
    data = cells(32, 10, (0.2, 2.0, 0.5))
    result = crossed_mean(*crossed(data))
    naive = ttest_1samp(data.mean(axis=1), 0.0).confidence_interval(0.95)
    assert result.ci_high - result.ci_low > 5 * (naive.high - naive.low)


def test_interval_and_p_value_agree() -> None:
    for seed in range(40):
        result = crossed_mean(*crossed(cells(6, 9, (0.4, 0.4, 0.4), seed)))
        assert (result.p_value < 0.05) == (not result.ci_low <= 0.0 <= result.ci_high)


def test_fewer_effective_groups_give_fewer_degrees_of_freedom() -> None:
    data = crossed(cells(8, 20, (0.5, 1.0, 0.5)))
    plain, uneven = crossed_mean(*data), crossed_mean(*data, effective_groups=6.0)
    assert uneven.df < plain.df
    assert uneven.p_value > plain.p_value
    assert uneven.variance_video == plain.variance_video


def test_differences_that_do_not_vary_are_certain() -> None:
    result = crossed_mean(np.zeros(4), np.zeros((10, 4)))
    assert (result.delta, result.ci_low, result.ci_high, result.p_value, result.note) == (0.0, 0.0, 0.0, 1.0, "")
    noise = 1e-13 * np.random.default_rng(0).normal(size=(51, 4))
    assert crossed_mean(noise[0], noise[1:]).p_value == 1.0, "rounding noise is no difference"
    result = crossed_mean(np.full(4, 0.5), np.full((10, 4), 0.5))
    assert (result.p_value, result.ci_low, result.ci_high) == (0.0, 0.5, 0.5)


@pytest.mark.parametrize(("seeds", "groups", "said"), [(1, 10, "1 seed"), (5, 1, "1 group")])
def test_one_of_either_has_no_p_value(seeds: int, groups: int, said: str) -> None:
    result = crossed_mean(np.full(seeds, 0.5), np.full((groups, seeds), 0.5))
    assert result.delta == 0.5
    assert np.isnan([result.p_value, result.ci_low, result.ci_high]).all()
    assert said in result.note


def test_few_of_either_is_said() -> None:
    data = cells(3, 10, (1.0, 1.0, 1.0))
    assert "approximate" in crossed_mean(*crossed(data)).note
    assert crossed_mean(*crossed(cells(4, 10, (1.0, 1.0, 1.0)))).note == ""


def test_a_metric_that_one_group_alone_determines_has_no_p_value() -> None:
    d, left = crossed(cells(6, 9, (0.4, 0.4, 0.4)))
    left[4] = np.nan
    result = crossed_mean(d, left)
    assert np.isnan(result.p_value)
    assert "single group" in result.note


def test_two_seeds_that_gain_one_sample_each_are_no_evidence() -> None:
    """Their differences are equal and no variance is left over; only the spread over groups says how little it is."""
    gained = np.zeros((200, 2))
    gained[3, 0] = gained[120, 1] = 100.0
    left_out = (gained.sum(axis=0) - gained) / 199
    found = crossed_mean(gained.mean(axis=0), left_out)
    assert found.delta == pytest.approx(0.5)
    assert found.p_value == pytest.approx(0.16, abs=0.01)
    assert found.ci_low < 0.0 < found.delta < found.ci_high
    everywhere = crossed_mean(np.full(2, 0.5), np.full((200, 2), 0.5))
    assert (everywhere.p_value, everywhere.ci_low) == (0.0, 0.5)
