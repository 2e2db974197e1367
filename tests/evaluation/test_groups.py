"""Resampling by counts equals resampling by rows."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy.stats import norm, t

from comodal.contracts import Binary, Multiclass, Multilabel, PredictionTable, Task
from comodal.evaluation.groups import Grouping, bootstrap_counts, grouping, percentile_interval
from comodal.metrics import METRICS


def table(n: int = 60, videos: int = 7, seed: int = 0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    target = rng.integers(-6, 7, size=n) / 2.0
    group = np.array([f"video{i}" for i in rng.permutation(np.arange(n) % videos)])
    return PredictionTable.of(target, 0.5 * target + rng.normal(size=n), group=group)


def classes(task: Task, n: int = 80, videos: int = 7, seed: int = 0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 3)).round(1)  # with ties
    target = rng.integers(0, 2 if isinstance(task, Binary) else 3, size=n).astype(np.float32)
    prediction = np.exp(noise + np.eye(3)[target.astype(int)])
    prediction /= prediction.sum(axis=1, keepdims=True)
    if isinstance(task, Binary):
        prediction = prediction[:, 1]
    if isinstance(task, Multilabel):
        target, prediction = (np.eye(3) + np.eye(3)[::-1])[target.astype(int)].clip(0, 1), np.clip(noise + 0.5, 0, 1)
    return PredictionTable.of(target, prediction, group=rng.permutation(np.arange(n) % videos).astype(str), task=task)


TABLES = [
    table(),
    *(classes(each) for each in (Binary(("n", "y")), Multiclass(tuple("abc")), Multilabel(tuple("abc")))),
]
CASES = [pytest.param(each, name, id=f"{each.task.kind}-{name}") for each in TABLES for name in each.task.metrics]


@pytest.mark.parametrize(("data", "name"), CASES)
def test_counts_equal_a_naive_resample(data: PredictionTable, name: str) -> None:
    metric = METRICS[name]
    groups = grouping(data)
    counts = bootstrap_counts(groups.count, replicates=20, seed=1)
    fast = metric.resampled(data.target, data.prediction, groups.codes, counts)
    for row, value in zip(counts.astype(int), fast, strict=True):
        drawn = np.concatenate([np.flatnonzero(groups.codes == v) for v, times in enumerate(row) for _ in range(times)])
        assert value == pytest.approx(metric(data.target[drawn], data.prediction[drawn]), abs=1e-9)


@pytest.mark.parametrize(("data", "name"), CASES)
def test_leaving_a_group_out_equals_the_metric_without_it(data: PredictionTable, name: str) -> None:
    groups, metric = grouping(data), METRICS[name]
    value, left_out = metric.on_groups(data.target, data.prediction, groups.codes, groups.count)
    assert value == pytest.approx(metric(data.target, data.prediction), abs=1e-9)
    for v, left in enumerate(left_out):
        others = groups.codes != v
        assert left == pytest.approx(metric(data.target[others], data.prediction[others]), abs=1e-9)


def test_codes_follow_the_videos() -> None:
    data = table()
    groups = grouping(data)
    for code in range(groups.count):
        assert len(set(data.group[groups.codes == code])) == 1
        assert groups.sizes[code] == (groups.codes == code).sum()


def test_effective_count() -> None:
    assert Grouping(np.zeros(0, dtype=int), np.array([5, 5, 5])).effective_count == pytest.approx(3.0)
    assert Grouping(np.zeros(0, dtype=int), np.array([1000, 1, 1])).effective_count < 1.01


def test_counts_have_multinomial_moments() -> None:
    """Mean 1, variance 1 - 1/V; 5 standard errors over 8 videos: false-alarm rate below 1e-5."""
    counts = bootstrap_counts(8, replicates=20000, seed=0)
    assert np.abs(counts.mean(axis=0) - 1.0).max() < 5 * np.sqrt(7 / 8 / 20000)
    assert counts.var() == pytest.approx(7 / 8, rel=0.03)
    assert not np.array_equal(counts, bootstrap_counts(8, replicates=20000, seed=1))


def test_interval_of_a_normal_sample_is_students() -> None:
    normal = norm.ppf((np.arange(100000) + 0.5) / 100000)
    low, high = percentile_interval(normal, 10)
    assert high == pytest.approx(np.sqrt(10 / 9) * t.ppf(0.975, 9), abs=1e-3)
    assert low == pytest.approx(-high, abs=1e-9)
    assert high > np.quantile(normal, 0.975)


def test_interval_leaves_undefined_replicates_out_and_one_video_has_none() -> None:
    values = np.array([np.nan, *np.linspace(0.0, 1.0, 101)])
    assert np.isfinite(percentile_interval(values, 30)).all()
    assert np.isnan(percentile_interval(values, 1)).all()


def test_what_cannot_be_resampled_is_refused() -> None:
    data = table()
    with refused("duplicate", "'0'", 2):  # two scenarios
        grouping(PredictionTable.concatenate([data, data]))
    with refused("empty"):
        grouping(data.select(scenario="without text"))
    with refused("out_of_range", "replicates is 1"):
        bootstrap_counts(5, replicates=1, seed=0)
