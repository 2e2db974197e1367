"""Reference models against their definitions and against scikit-learn called directly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Task
from comodal.evaluation.reference_models import (
    REFERENCE_MODELS,
    STRENGTHS,
    ReferenceData,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 4))
NOISY = X @ np.array([1.0, -1.0, 0.5, 0.0]) + RNG.normal(size=160)
TRAIN, VALID, TEST = np.split(np.arange(160), [80, 120])


def constant(data: ReferenceData) -> np.ndarray:
    return REFERENCE_MODELS["constant"](data)(data.features[TEST])


def linear(data: ReferenceData) -> np.ndarray:
    return REFERENCE_MODELS["linear"](data)(data.features[TEST])


def given(target: np.ndarray, task: Task, *, loss: str | None = None, labelled: np.ndarray = TRAIN) -> ReferenceData:
    hidden = np.setdiff1d(TRAIN, labelled)
    wanted = loss or task.losses[0]
    return ReferenceData(X, (4,), target.astype(np.float32), labelled, hidden, VALID, task, wanted)


CLASSES = np.digitize(NOISY, [-0.7, 0.7])
SEVERAL = Multiclass(("low", "middle", "high"))


def test_the_constant_is_median_mean_or_share_of_the_labelled_rows() -> None:
    some = TRAIN[:31]
    assert constant(given(NOISY, Regression(), labelled=some)) == pytest.approx(np.median(NOISY[some]))
    assert constant(given(NOISY, Regression(), loss="mse", labelled=some)) == pytest.approx(NOISY[some].mean())
    two = np.stack([NOISY, X[:, 0]], axis=1)
    outputs = constant(given(two, Regression(names=("a", "b")), labelled=some))
    assert outputs == pytest.approx(np.tile(np.median(two[some], axis=0), (len(TEST), 1)))
    shares = [(CLASSES[some] == k).mean() for k in range(3)]
    assert constant(given(CLASSES, SEVERAL, labelled=some)) == pytest.approx(np.tile(shares, (len(TEST), 1)))
    assert constant(given(NOISY > 0, Binary(("no", "yes")), labelled=some)) == pytest.approx((NOISY[some] > 0).mean())
    labels = np.stack([NOISY > 0, X[:, 0] > 1], axis=1)
    of_labels = constant(given(labels, Multilabel(("a", "b")), labelled=some))
    assert of_labels == pytest.approx(np.tile(labels[some].mean(axis=0), (len(TEST), 1)))


def test_a_regression_is_ridge_with_the_strength_of_the_lowest_validation_loss() -> None:
    used = set()
    for labelled in (TRAIN, TRAIN[:6]):
        for loss, scoring in (("l1", "neg_mean_absolute_error"), ("mse", "neg_mean_squared_error")):
            data = given(NOISY, Regression(), loss=loss, labelled=labelled)
            # One split into training and validation, scored by the task's loss.
            rows = np.concatenate([labelled, VALID])
            split = [(np.arange(len(labelled)), np.arange(len(labelled), len(rows)))]
            chosen = RidgeCV(STRENGTHS, cv=split, scoring=scoring).fit(X[rows], NOISY[rows]).alpha_
            centre, target = X[labelled].mean(axis=0), NOISY[labelled]
            x = X[labelled] - centre
            slope = np.linalg.solve(x.T @ x + chosen * np.eye(4), x.T @ target)
            assert linear(data) == pytest.approx(target.mean() + (X[TEST] - centre) @ slope, abs=1e-5)
            used.add(chosen)
    assert len(used) > 1


def test_several_outputs_have_one_ridge() -> None:
    both = np.stack([NOISY, X[:, 0]], axis=1)
    found = linear(given(both, Regression(names=("a", "b"))))
    assert found.shape == (len(TEST), 2)
    assert np.abs(found[:, 1] - X[TEST, 0]).max() < 0.1


@pytest.mark.parametrize("task", [SEVERAL, Binary(("no", "yes"))])
def test_classes_have_the_logistic_regression_of_the_lowest_log_loss(task: Task) -> None:
    target = CLASSES if task is SEVERAL else (NOISY > 0).astype(int)
    models = [LogisticRegression(C=1 / each, max_iter=500).fit(X[TRAIN], target[TRAIN]) for each in STRENGTHS]
    best = min(models, key=lambda model: log_loss(target[VALID], model.predict_proba(X[VALID])))
    wanted = best.predict_proba(X[TEST])
    assert linear(given(target, task)) == pytest.approx(wanted if task is SEVERAL else wanted[:, 1], abs=1e-6)


def test_each_label_has_a_logistic_regression_and_one_that_all_have_its_share() -> None:
    labels = np.stack([NOISY > 0, X[:, 0] > 0.5, np.ones(160)], axis=1).astype(int)
    found = linear(given(labels, Multilabel(("a", "b", "always"))))
    assert (found[:, 2] == 1).all()
    fits = [
        OneVsRestClassifier(LogisticRegression(C=1 / each, max_iter=500)).fit(X[TRAIN], labels[TRAIN, :2])
        for each in STRENGTHS
    ]
    best = min(
        fits,
        key=lambda model: sum(log_loss(labels[VALID, k], model.predict_proba(X[VALID])[:, k]) for k in range(2)),
    )
    assert found[:, :2] == pytest.approx(best.predict_proba(X[TEST]), abs=1e-6)


def test_balanced_class_weights_are_those_of_the_networks() -> None:
    rare = (NOISY > 1.5).astype(int)
    data = given(rare, Binary(("no", "yes")))
    assert linear(replace(data, class_weight="balanced")).mean() > linear(data).mean() + 0.1


def test_self_training_and_label_spreading_are_those_of_scikit_learn() -> None:
    few = np.concatenate([np.flatnonzero(CLASSES[TRAIN] == k)[:4] for k in range(3)])
    data = given(CLASSES, SEVERAL, labelled=few)
    partly = np.where(np.isin(TRAIN, few), CLASSES[TRAIN], -1)
    models = [LogisticRegression(C=1 / each, max_iter=500).fit(X[few], CLASSES[few]) for each in STRENGTHS]
    best = min(models, key=lambda model: log_loss(CLASSES[VALID], model.predict_proba(X[VALID])))
    taught = SelfTrainingClassifier(LogisticRegression(C=best.C, max_iter=500)).fit(X[TRAIN], partly)
    found = {name: model(data)(X[TEST]) for name, model in REFERENCE_MODELS.items()}
    assert found["self-training"] == pytest.approx(taught.predict_proba(X[TEST]), abs=1e-6)
    spread = LabelSpreading(kernel="knn", n_neighbors=10).fit(X[TRAIN], partly)
    assert found["label spreading"] == pytest.approx(spread.predict_proba(X[TEST]), abs=1e-6)
    assert np.abs(found["self-training"] - found["linear"]).max() > 0.01, "the unlabelled rows teach"


def test_a_sample_that_no_label_reaches_gets_the_constant() -> None:
    far = np.concatenate([np.zeros((60, 1)), np.full((60, 1), 100.0)]) + RNG.normal(size=(120, 1))
    rows = np.arange(120)
    target = (rows % 2).astype(np.float32)
    labelled, hidden, test = rows[:20], rows[60:100], rows[100:]
    data = ReferenceData(far, (1,), target, labelled, hidden, rows[20:60], Binary(("no", "yes")), "bce")
    spread, share = (REFERENCE_MODELS[name](data)(far[test]) for name in ("label spreading", "constant"))
    assert spread == pytest.approx(share)


def test_one_class_among_the_labels_is_predicted_for_all() -> None:
    data = given(CLASSES, SEVERAL, labelled=np.flatnonzero(CLASSES[TRAIN] == 1)[:3])
    for name, model in REFERENCE_MODELS.items():
        assert np.array_equal(model(data)(X[TEST]), np.tile([0.0, 1.0, 0.0], (len(TEST), 1))), name


def test_a_modality_of_one_feature_is_not_lost_beside_one_of_many() -> None:
    signal = RNG.normal(size=(160, 1))
    both = np.concatenate([signal, RNG.normal(size=(160, 60))], axis=1)
    few = TRAIN[:20]
    data = replace(given(signal[:, 0], Regression(), labelled=few), features=both, dims=(1, 60))
    scaled = both * np.concatenate([[np.sqrt(30.5)], np.full(60, np.sqrt(30.5 / 60))])
    fits = [
        (each, Ridge(alpha=strength).fit(each[few], signal[few, 0]))
        for each in (both, scaled)
        for strength in STRENGTHS
    ]
    x, best = min(fits, key=lambda fit: np.abs(fit[1].predict(fit[0][VALID]) - signal[VALID, 0]).mean())
    assert linear(data) == pytest.approx(best.predict(x[TEST]), abs=1e-6)
    alone = linear(replace(data, dims=(61,)))
    assert np.abs(linear(data) - signal[TEST, 0]).mean() < 0.5 * np.abs(alone - signal[TEST, 0]).mean()
