"""Metrics against scikit-learn, scipy, hand counts and laws; each convention where its neighbours differ."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

from comodal import metrics
from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Sentiment
from comodal.contracts.errors import Code
from comodal.metrics import METRICS, SumMetric, metrics_named

NUMBERS = Sentiment.metrics
"""Metrics of numbers; those of classes are in tests/test_class_metrics.py."""


def sentiment(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Labels in fifths (zeros, halves and extremes among them) and predictions of which some are exactly 0 or .5."""
    rng = np.random.default_rng(seed)
    target = rng.integers(-15, 16, size=n) / 5.0
    target[::10] = np.round(target[::10]) + 0.5
    prediction = 0.7 * target + rng.normal(0.0, 1.2, size=n)
    prediction[::17], prediction[::13], prediction[::19] = 0.0, -0.5, 4.5
    return np.clip(target, -3, 3), prediction


def classes(values: np.ndarray, limit: int) -> list[int]:
    """Python's own rounding (half to even), one value at a time."""
    return [round(max(-limit, min(limit, float(value)))) for value in values]


@pytest.mark.parametrize("seed", range(5))
def test_regression_metrics_agree_with_other_libraries(seed: int) -> None:
    y, p = sentiment(seed)
    assert metrics.mae(y, p) == pytest.approx(mean_absolute_error(y, p), abs=1e-12)
    assert metrics.corr(y, p) == pytest.approx(pearsonr(y, p).statistic, abs=1e-12)
    assert metrics.r2(y, p) == pytest.approx(r2_score(y, p), abs=1e-12)
    assert metrics.rmse(y, p) == pytest.approx(root_mean_squared_error(y, p), abs=1e-12)
    shared, squared = 2 * np.cov(y, p, ddof=0)[0, 1], (y.mean() - p.mean()) ** 2
    assert metrics.ccc(y, p) == pytest.approx(shared / (y.var() + p.var() + squared), abs=1e-12)


def test_several_outputs_are_judged_one_by_one() -> None:
    y, p = (np.stack(pair, axis=1) for pair in zip(sentiment(1), sentiment(2), strict=True))
    for name in Regression.metrics:
        alone = [METRICS[name](y[:, k], p[:, k]) for k in range(2)]
        assert METRICS[name](y, p) == pytest.approx(np.mean(alone))


@pytest.mark.parametrize("seed", range(5))
def test_classification_metrics_agree_with_scikit_learn(seed: int) -> None:
    y, p = sentiment(seed)
    counted = y != 0
    expected = {
        "acc_2_nonneg": accuracy_score(y >= 0, p >= 0),
        "acc_2_pos": accuracy_score(y[counted] > 0, p[counted] > 0),
        "acc_5": accuracy_score(classes(y, 2), classes(p, 2)),
        "acc_7": accuracy_score(classes(y, 3), classes(p, 3)),
        "f1_nonneg": f1_score(y >= 0, p >= 0, average="weighted"),
        "f1_pos": f1_score(y[counted] > 0, p[counted] > 0, average="weighted"),
    }
    for name, share in expected.items():
        assert getattr(metrics, name)(y, p) == pytest.approx(100.0 * share, abs=1e-10), name
    assert metrics.f1(y, p) == metrics.f1_pos(y, p) == METRICS["f1"](y, p)


def test_zero_labels_separate_the_binary_conventions() -> None:
    # negative right, zero guessed negative (wrong only where zeros count), positive guessed negative, positive right
    y, p = [-1.0, 0.0, 1.0, 2.0], [-1.0, -1.0, -1.0, 1.0]
    assert metrics.acc_2_nonneg(y, p) == 50.0
    assert metrics.acc_2_pos(y, p) == pytest.approx(200.0 / 3.0)
    # nonneg: tp 1, fn 2, tn 1, fp 0 -> F1 0.5 (support 3) and 0.5 (support 1); pos: 2/3 (support 2) and 2/3 (support 1)
    assert metrics.f1_nonneg(y, p) == 50.0
    assert metrics.f1_pos(y, p) == pytest.approx(200.0 / 3.0)


def test_a_prediction_of_exactly_zero_separates_them_too() -> None:
    assert metrics.acc_2_nonneg([2.0], [0.0]) == 100.0
    assert metrics.acc_2_pos([2.0], [0.0]) == 0.0


def test_published_constant_predictor() -> None:
    """The test part of the usual MOSI split: 379 negative, 30 zero, 277 positive; a constant positive guess."""
    y = np.repeat([-1.0, 0.0, 1.0], [379, 30, 277])
    p = np.full(len(y), 0.234)
    assert round(metrics.acc_2_nonneg(y, p), 1) == 44.8
    assert round(metrics.acc_2_pos(y, p), 1) == 42.2


def test_f1_is_weighted_by_true_and_not_by_predicted_support() -> None:
    y, p = np.array([-1.0, -1.0, -1.0, 1.0, 1.0]), np.array([-1.0, 1.0, 1.0, 1.0, 1.0])
    swapped = 100.0 * f1_score(p > 0, y > 0, average="weighted")
    assert metrics.f1(y, p) == pytest.approx(100.0 * f1_score(y > 0, p > 0, average="weighted"))
    assert abs(metrics.f1(y, p) - swapped) > 1e-6


def test_halves_are_rounded_to_even() -> None:
    # Half away from zero would put 0.5 with 1 and 2.5 with 3; outward bins would put 0.4 with 1.
    assert metrics.acc_7([0.0, 2.0], [0.5, 2.5]) == 100.0
    assert metrics.acc_7([1.0, 3.0, 1.0], [0.5, 2.5, 0.4]) == 0.0


def test_clipping_separates_five_from_seven_classes() -> None:
    assert metrics.acc_7([3.0], [9.0]) == 100.0
    assert metrics.acc_7([3.0], [2.0]) == 0.0
    assert metrics.acc_5([3.0], [2.0]) == 100.0
    assert metrics.mae([3.0], [9.0]) == 6.0


def test_a_constant_has_no_correlation() -> None:
    y = np.random.default_rng(0).normal(size=50)
    assert metrics.corr(y, np.full(50, 0.1)) == 0.0
    assert metrics.corr(np.full(50, 0.1), y) == 0.0
    assert metrics.corr(y, 0.1 + 1e-9 * y) == pytest.approx(1.0, abs=1e-6)


def test_correlation_does_not_cancel_far_from_zero() -> None:
    y, p = sentiment(3)
    assert metrics.corr(y + 1e6, p - 1e6) == pytest.approx(pearsonr(y, p).statistic, abs=1e-8)


@pytest.mark.parametrize("name", NUMBERS)
def test_declared_direction_is_true(name: str) -> None:
    y, p = sentiment(1)
    perfect, guessed, sign = METRICS[name](y, y), METRICS[name](y, p), 1 if METRICS[name].higher_is_better else -1
    assert sign * perfect > sign * guessed
    assert perfect == pytest.approx({"%": 100.0, "label": 0.0, "": 1.0}[METRICS[name].unit])


@pytest.mark.parametrize("name", NUMBERS)
def test_value_depends_on_sums_alone(name: str) -> None:
    y, p = sentiment(2)
    metric = METRICS[name]
    assert isinstance(metric, SumMetric)
    terms = metric.terms(y, p)
    halves = np.stack([terms[:150].sum(axis=0), terms[150:].sum(axis=0)])
    assert float(metric.value(halves.sum(axis=0))) == pytest.approx(metric(y, p), abs=1e-10)
    # doubling every sample changes nothing, and a batch of sums gives a batch of values
    assert metric.value(np.stack([halves.sum(axis=0), 2 * halves.sum(axis=0)])) == pytest.approx(metric(y, p))
    if name not in {"corr", "r2", "ccc"}:  # these centre by the mean of all samples
        assert float(metric.value(halves[0])) == pytest.approx(metric(y[:150], p[:150]))


def test_order_does_not_matter() -> None:
    y, p = sentiment(4)
    order = np.random.default_rng(0).permutation(len(y))
    for metric in metrics_named(NUMBERS):
        assert metric(y[order], p[order]) == pytest.approx(metric(y, p), abs=1e-10)


def test_float32_predictions_are_scored_in_float64() -> None:
    y, p = sentiment(5)
    single = p.astype(np.float32)
    assert metrics.mae(y, single) == pytest.approx(mean_absolute_error(y, single.astype(np.float64)), abs=1e-14)


@pytest.mark.parametrize(("spread", "collapsed"), [(0.0, True), (0.04, True), (0.06, False), (1.0, False)])
def test_collapse(spread: float, collapsed: bool) -> None:
    y, _ = sentiment(0)
    assert Regression().is_collapsed(y, 0.3 + spread * y) is collapsed


@pytest.mark.parametrize(
    ("target", "prediction", "code", "named"),
    [
        ([1.0, 2.0], [1.0], "wrong_shape", [(2,), (1,)]),
        ([], [], "wrong_shape", [(0,)]),
        ([[1.0]], [1.0], "wrong_shape", [(1, 1)]),
        (1.0, 1.0, "wrong_shape", ["()"]),
        ([1.0, 2.0], [1.0, np.nan], "not_finite", ["1 of 2 predictions", "row 1"]),
        ([np.inf, 2.0], [1.0, 1.0], "not_finite", ["1 of 2 targets"]),
    ],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_bad_input_is_named(
    name: str, target: list[float], prediction: list[float], code: Code, named: list[object]
) -> None:
    with refused(code, *named):
        METRICS[name](target, prediction)


@pytest.mark.parametrize("name", ["acc_2_pos", "f1_pos", "f1"])
def test_nothing_to_count(name: str) -> None:
    with refused("empty", name):
        METRICS[name]([0.0, 0.0], [1.0, -1.0])


def test_unknown_metric_offers_the_nearest() -> None:
    with refused("unknown_name", "acc7", "'acc_7'"):
        metrics_named(["mae", "acc7"])


def test_metrics_are_named_once_and_the_primary_one_leads_unless_they_are() -> None:
    assert [metric.name for metric in metrics_named(["f1", "mae"])] == ["f1", "mae"]
    for task in (Regression(), Sentiment(), Binary(("no", "yes")), Multiclass(("a", "b", "c")), Multilabel(("a", "b"))):
        assert metrics_named(None, task)[0].name == task.metrics[0]
    for names in ([], ["mae", "mae"]):
        with refused("duplicate", *names):
            metrics_named(names)


def test_metrics_that_mean_nothing_for_a_task_are_refused() -> None:
    for task, name in (
        (Regression(0.0, 1.0), "acc_2_pos"),
        (Binary(("no", "yes")), "mae"),
        (Multiclass(("a", "b", "c")), "f1"),
        (Multilabel(("a", "b")), "accuracy"),
    ):
        with refused("unknown_name", name, task.kind):
            metrics_named([name], task)
        assert [metric.name for metric in metrics_named(None, task)] == list(task.reported)
        assert set(task.metrics) <= set(METRICS)
