"""Scores of one table, with intervals."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy.stats import t

from comodal.contracts import PredictionTable, Sentiment
from comodal.evaluation.score import score
from comodal.metrics import METRICS


def table(prediction: np.ndarray, group: np.ndarray, target: np.ndarray) -> PredictionTable:
    return PredictionTable.of(target, prediction, group=group)


def example(videos: int = 12, each: int = 10, seed: int = 0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(videos), each)
    target = rng.integers(-6, 7, size=len(group)) / 2.0
    shift = rng.normal(size=videos)[group]
    return table(0.5 * target + shift + rng.normal(size=len(group)), group.astype(str), target)


def test_values_are_the_metrics_of_the_whole_table() -> None:
    data = example()
    result = score(data)
    assert list(result) == list(Sentiment.reported)
    for name, entry in result.items():
        assert entry.value == METRICS[name](data.target, data.prediction)
        assert entry.ci_low < entry.value < entry.ci_high
        assert (entry.n, entry.n_groups, entry.unit) == (120, 12, METRICS[name].unit)


def test_interval_is_that_of_the_videos_and_not_of_the_samples() -> None:
    """With errors constant within a video, MAE is a mean over videos: Student's interval over the video means."""
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.0, 1.0, size=15)
    group = np.repeat(np.arange(15), 8)
    result = score(table(errors[group], group.astype(str), np.zeros(120)), metrics=["mae"], replicates=20000)["mae"]
    half = t.ppf(0.975, 14) * errors.std(ddof=1) / np.sqrt(15)
    assert (result.ci_high - result.ci_low) / 2 == pytest.approx(half, rel=0.05)
    single = score(table(errors[group], np.arange(120).astype(str), np.zeros(120)), metrics=["mae"])["mae"]
    assert single.ci_high - single.ci_low < 0.6 * (result.ci_high - result.ci_low)


def test_the_seed_decides_the_interval_and_not_the_value() -> None:
    data = example()
    first, again, other = (score(data, seed=number)["corr"] for number in (0, 0, 1))
    assert first == again
    assert first.value == other.value
    assert first.ci_low != other.ci_low


def test_one_video_has_a_value_and_no_interval() -> None:
    data = example(videos=1)
    assert np.isnan(score(data)["mae"].ci_low)
    assert np.isfinite(score(data)["mae"].value)


def test_a_metric_undefined_on_some_resamples_still_has_an_interval() -> None:
    target = np.array([0.0, 0.0, 0.0, 1.0, -1.0, 2.0])
    data = table(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 1.0]), np.array(list("aaabbb")), target)
    result = score(data, metrics=["acc_2_pos"])["acc_2_pos"]
    assert result.value == pytest.approx(200 / 3)
    assert result.ci_low == pytest.approx(200 / 3)


def test_a_diverged_run_and_an_unknown_metric_are_refused() -> None:
    data = example()
    with refused("unknown_name", "cor", "corr"):
        score(data, metrics=["cor"])
    data.prediction[3] = np.nan
    with refused("not_finite", "1 of 120"):
        score(data)
