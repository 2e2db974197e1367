"""Metrics of classes and labels against scikit-learn, hand counts and laws."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from sklearn import metrics as theirs
from sklearn.calibration import calibration_curve

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Task
from comodal.metrics import METRICS, breakdown, calibration_error, confusion_matrix, reliability


def several(seed: int, n: int = 300, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Classes of different sizes, and probabilities with ties."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, size=n, p=np.array([0.5, 0.3, 0.15, 0.05][:k]) / sum([0.5, 0.3, 0.15, 0.05][:k]))
    p = np.exp(rng.normal(size=(n, k)).round(1) + 1.5 * np.eye(k)[y])
    return y, p / p.sum(axis=1, keepdims=True)


def labels(seed: int, n: int = 300, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, k)) < [0.6, 0.3, 0.1][:k]).astype(float)
    return y, np.clip(0.3 * y + 0.7 * rng.random((n, k)), 1e-6, 1 - 1e-6).round(2).clip(0.01, 0.99)


@pytest.mark.parametrize("seed", range(4))
def test_several_classes_agree_with_scikit_learn(seed: int) -> None:
    y, p = several(seed)
    guess = p.argmax(axis=1)
    expected = {
        "accuracy": 100 * theirs.accuracy_score(y, guess),
        "balanced_accuracy": 100 * theirs.balanced_accuracy_score(y, guess),
        "uar": 100 * theirs.recall_score(y, guess, average="macro"),
        "macro_f1": 100 * theirs.f1_score(y, guess, average="macro"),
        "micro_f1": 100 * theirs.f1_score(y, guess, average="micro"),
        "weighted_f1": 100 * theirs.f1_score(y, guess, average="weighted"),
        "auroc": theirs.roc_auc_score(y, p, multi_class="ovr"),
        "auprc": theirs.average_precision_score(np.eye(4)[y], p, average="macro"),
        "log_loss": theirs.log_loss(y, p),
        "brier": np.square(np.eye(4)[y] - p).sum(axis=1).mean(),
    }
    assert set(expected) | {"calibration_error"} == set(Multiclass.metrics)
    for name, value in expected.items():
        assert METRICS[name](y, p) == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("seed", range(4))
def test_two_classes_agree_with_scikit_learn(seed: int) -> None:
    y, both = several(seed, k=2)
    p = both[:, 1]
    guess = p > 0.5
    expected = {
        "accuracy": 100 * theirs.accuracy_score(y, guess),
        "balanced_accuracy": 100 * theirs.balanced_accuracy_score(y, guess),
        "macro_f1": 100 * theirs.f1_score(y, guess, average="macro"),
        "weighted_f1": 100 * theirs.f1_score(y, guess, average="weighted"),
        "auroc": theirs.roc_auc_score(y, p),
        "auprc": theirs.average_precision_score(y, p),
        "log_loss": theirs.log_loss(y, p),
        "brier": theirs.brier_score_loss(y, p),
    }
    for name, value in expected.items():
        assert METRICS[name](y, p) == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("seed", range(4))
def test_labels_agree_with_scikit_learn(seed: int) -> None:
    y, p = labels(seed)
    guess = p > 0.5
    expected = {
        "subset_accuracy": 100 * theirs.accuracy_score(y, guess),
        "macro_f1": 100 * theirs.f1_score(y, guess, average="macro"),
        "micro_f1": 100 * theirs.f1_score(y, guess, average="micro"),
        "weighted_f1": 100 * theirs.f1_score(y, guess, average="weighted"),
        "auroc": theirs.roc_auc_score(y, p, average="macro"),
        "auprc": theirs.average_precision_score(y, p, average="macro"),
        "log_loss": np.mean([theirs.log_loss(y[:, k], p[:, k]) for k in range(3)]),
        "brier": np.mean([theirs.brier_score_loss(y[:, k], p[:, k]) for k in range(3)]),
    }
    assert set(expected) == set(Multilabel.metrics)
    for name, value in expected.items():
        assert METRICS[name](y, p) == pytest.approx(value, abs=1e-9), name


def test_calibration_by_hand() -> None:
    # Two bins: confidence 0.9 with 1 of 2 right, confidence 0.6 with 2 of 2 right.
    y, p = [1, 0, 1, 0], [0.9, 0.9, 0.6, 0.4]
    assert METRICS["calibration_error"](y, p) == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1.0 - 0.6)) / 4)
    assert METRICS["calibration_error"]([1, 1], [1.0, 1.0]) == 0.0


@pytest.mark.parametrize("name", Binary.metrics)
def test_declared_direction_is_true(name: str) -> None:
    y, p = several(7, k=2)
    metric = METRICS[name]
    sign = 1 if metric.higher_is_better else -1
    assert sign * metric(y, y.astype(float)) > sign * metric(y, p[:, 1])


def test_a_class_that_occurs_nowhere_does_not_count() -> None:
    y, p = [0, 1, 1], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]]
    assert METRICS["macro_f1"](y, p) == METRICS["balanced_accuracy"](y, p) == METRICS["auroc"](y, p) * 100 == 100.0


@pytest.mark.parametrize("name", ["auroc", "auprc"])
def test_rankings_of_one_class_are_undefined(name: str) -> None:
    with refused("empty", name):
        METRICS[name]([1, 1], [0.2, 0.3])


def test_a_certain_and_wrong_probability_is_finite() -> None:
    assert np.isfinite(METRICS["log_loss"]([1.0], [0.0]))


def _report(task: Task, y: np.ndarray, guess: np.ndarray) -> dict[str, list[float]]:
    names = list(task.classes)
    options = {"output_dict": True, "zero_division": np.nan, "target_names": names}
    found = theirs.classification_report(y, guess, **options, **({"labels": range(len(names))} if y.ndim == 1 else {}))
    scale = {"precision": 100, "recall": 100, "f1-score": 100, "support": 1}
    return {field: [factor * found[name][field] for name in names] for field, factor in scale.items()}


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_each_class_are_those_of_the_classification_report(seed: int) -> None:
    y, p = several(seed)
    p[:, 3] = 0.0  # a class that is never predicted has no precision
    two, both = several(seed, k=2)
    y_labels, p_labels = labels(seed)
    for task, target, prediction in (
        (Multiclass(tuple("abcd")), y, p),
        (Binary(("no", "yes")), two, both[:, 1]),
        (Multilabel(tuple("abc")), y_labels, p_labels),
    ):
        ours = breakdown(task, target, prediction)
        expected = _report(task, target, task.decide(prediction))
        for (name, values), theirs_ in zip(ours.items(), expected.values(), strict=True):
            assert values.tolist() == pytest.approx(theirs_, nan_ok=True), (task.kind, name)
    assert np.isnan(breakdown(Multiclass(tuple("abcd")), y, p)["precision"][3])


def test_numbers_of_each_output_are_the_metrics_of_its_column() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 50, 2))
    found = breakdown(Regression(names=("a", "b")), y, p)
    for name, values in found.items():
        assert values.tolist() == [METRICS[name](y[:, k], p[:, k]) for k in range(2)]
    assert breakdown(Regression(), y[:, 0], p[:, 0]) == {}


@pytest.mark.parametrize("seed", range(3))
def test_confusion_and_reliability_agree_with_scikit_learn(seed: int) -> None:
    y, p = several(seed)
    guess, confidence = p.argmax(axis=1), p.max(axis=1)
    assert confusion_matrix(y, guess, 4).tolist() == theirs.confusion_matrix(y, guess, labels=range(4)).tolist()
    assert confusion_matrix(y, guess, 6).sum() == len(y)
    samples, mean, right = reliability(y, p)
    share, expected = calibration_curve(guess == y, confidence, n_bins=15, strategy="uniform")
    kept = samples > 0
    assert mean[kept] == pytest.approx(expected)
    assert right[kept] == pytest.approx(share)
    assert samples.sum() == len(y)
    assert (samples[kept] * np.abs(mean - right)[kept]).sum() / len(y) == pytest.approx(calibration_error(y, p))
