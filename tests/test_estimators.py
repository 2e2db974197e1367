"""The scikit-learn estimators under scikit-learn's own checks and tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from tests.support.refusals import refused

from comodal import FusionClassifier, FusionRegressor

HALVES = {"left": [c for c in range(64) if c % 8 < 4], "right": [c for c in range(64) if c % 8 >= 4]}
SHORT = {"max_epochs": 3}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6))
VIEWS = {"eeg": slice(0, 3), "face": slice(3, 6)}
NUMBER = X[:, 0] + X[:, 4]
SIGN = np.where(NUMBER > 0, "up", "down")
DIFFERS = {"check_methods_subset_invariance": "sums in float32 depend on the number of rows by 3e-7"}


@pytest.mark.slow
@pytest.mark.parametrize("family", [FusionClassifier, FusionRegressor])
def test_scikit_learns_own_checks(family):
    training = {"max_epochs": 30, "lr": 0.01, "patience": 30}
    found = check_estimator(
        family(training=training, random_state=0), expected_failed_checks=DIFFERS, on_skip=None, on_fail=None
    )
    assert not [each["check_name"] for each in found if each["status"] == "failed"]
    assert sum(each["status"] == "passed" for each in found) > 45


@pytest.mark.slow
def test_real_digits_in_halves_are_learnt_in_cross_validation():
    features, digit = load_digits(return_X_y=True)
    both = make_pipeline(StandardScaler(), FusionClassifier(views=HALVES, training={"max_epochs": 15}, random_state=0))
    assert cross_val_score(both, features[:600], digit[:600], cv=2).min() > 0.75


def test_a_grid_searches_measures_and_weights():
    grid = {"measure": ["none", "kl"], "weight": [0.1]}
    search = GridSearchCV(FusionClassifier(views=VIEWS, training=SHORT, random_state=0), grid, cv=2).fit(X, SIGN)
    assert set(search.predict(X)) <= {"up", "down"}
    assert search.best_estimator_.model_.parts[0].config.penalty.measure == search.best_params_["measure"]


def test_samples_without_a_label_train_the_measure_alone():
    few = SIGN.astype(object)
    few[20:] = None
    model = FusionClassifier(views=VIEWS, measure="kl", training=SHORT, random_state=0)
    hidden, absent = model.fit(X, few).predict_proba(X), model.fit(X[:20], few[:20]).predict_proba(X)
    assert model.classes_.tolist() == ["down", "up"]
    assert np.abs(hidden - absent).max() > 1e-4
    without = FusionClassifier(views=VIEWS, training=SHORT | {"unlabelled": False}, random_state=0).fit(X, few)
    assert without.predict_proba(X).shape == (80, 2)


def test_no_group_is_in_training_and_validation(monkeypatch):
    seen = []
    monkeypatch.setattr("comodal.estimators.fit", lambda dataset, _: seen.append(dataset))
    groups = np.arange(80) // 8
    target = NUMBER.copy()
    target[::5] = np.nan
    FusionRegressor(views=VIEWS, random_state=0).fit(X, target, groups)
    part, names = seen[0].partitions[0], seen[0].group
    held = set(names[part.valid])
    assert held
    assert held.isdisjoint(names[np.concatenate([part.train, part.unlabelled])])
    assert np.isnan(seen[0].target[part.unlabelled]).all()
    FusionRegressor(views=VIEWS, random_state=0).fit(X, target)
    assert {len(seen[1].group), len(set(seen[1].group))} == {80}


def test_every_class_validates_where_it_can(monkeypatch):
    seen = []
    monkeypatch.setattr("comodal.estimators.fit", lambda dataset, _: seen.append(dataset))
    rare = np.array(["a"] * 70 + ["b"] * 10)
    FusionClassifier(random_state=0).fit(X, rare)
    valid = seen[0].target[seen[0].partitions[0].valid]
    assert [(valid == k).sum() for k in (0, 1)] == [14, 2]


def test_every_class_trains_whatever_validates(monkeypatch):
    seen = []
    monkeypatch.setattr("comodal.estimators.fit", lambda dataset, _: seen.append(dataset))
    once = np.array(["a"] * 40 + ["b"] * 39 + ["c"])
    pairs = np.arange(80) // 2
    for seed in range(12):
        FusionClassifier(random_state=seed).fit(X, once)
        FusionClassifier(random_state=seed).fit(X, pairs)
        FusionClassifier(random_state=seed).fit(X, pairs // 10, groups=(np.arange(80) // 10)[:, None])
    for dataset in seen:
        part = dataset.partitions[0]
        assert set(dataset.target[part.train]) == set(dataset.target)
        assert len(part.valid)
        assert not set(dataset.group[part.train]) & set(dataset.group[part.valid])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([True, False] * 39 + [None, None]), [False, True]),
        (np.array([7, 3] * 39 + [None, None]), [3, 7]),
        (pd.Series([True, False] * 39 + [pd.NA, None], dtype="boolean"), [False, True]),
        (pd.Series(["-x", "a, b = ü"] * 39 + [pd.NA, None]), ["-x", "a, b = ü"]),
    ],
)
def test_missing_labels_leave_the_kind_of_the_others(monkeypatch, labels, classes):
    seen = []
    monkeypatch.setattr("comodal.estimators.fit", lambda dataset, _: seen.append(dataset))
    model = FusionClassifier(random_state=0).fit(X, labels)
    assert model.classes_.tolist() == classes
    assert np.isnan(seen[0].target).sum() == 2
    target = pd.Series([*NUMBER[:78], pd.NA, None], dtype=object)
    FusionRegressor(random_state=0).fit(X, target)
    assert np.isnan(seen[1].target).sum() == 2
    np.testing.assert_allclose(seen[1].target[:78], NUMBER[:78], rtol=1e-6)


def test_a_grid_reaches_options_by_name():
    given = {"max_epochs": 1}
    model = FusionClassifier(views=VIEWS, measure="kl", training=given, random_state=0)
    search = GridSearchCV(model, {"training__lr": [0.02], "penalty__critic_lr": [0.01]}, cv=2).fit(X, SIGN)
    config = search.best_estimator_.model_.parts[0].config
    assert (config.training.max_epochs, config.training.lr, config.penalty.critic_lr) == (1, 0.02, 0.01)
    assert (given, model.penalty) == ({"max_epochs": 1}, None)
    assert model.set_params(training={}, training__lr=0.1).training == {"lr": 0.1}
    with pytest.raises(ValueError, match="bogus"):
        model.set_params(bogus=1)
    with refused("conflict", "measure"):
        model.set_params(penalty__measure="none").fit(X, SIGN)


def test_groups_reach_the_folds_of_cross_validation():
    groups = np.arange(80) // 8
    model = FusionRegressor(views=VIEWS, training=SHORT, random_state=0)
    assert cross_val_score(model, X, NUMBER, cv=GroupKFold(2), groups=groups).shape == (2,)


def test_several_outputs_and_several_labels():
    both = np.stack([NUMBER, X[:, 1]], axis=1)
    assert FusionRegressor(views=VIEWS, training=SHORT).fit(X, both).predict(X).shape == (80, 2)
    labels = (both > 0).astype(int)
    model = FusionClassifier(views=VIEWS, training=SHORT, random_state=0).fit(X, labels)
    assert np.array_equal(model.predict(X), (model.predict_proba(X) > 0.5).astype(int))


def test_columns_by_name_and_modalities_as_a_dict():
    frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(6)])
    names = {"eeg": ["c0", "c1", "c2"], "face": ["c3", "c4", "c5"]}
    by_name, by_number, whole = (
        FusionRegressor(views=views, training=SHORT, random_state=0).fit(given, NUMBER).predict(given)
        for views, given in (
            (names, frame),
            (VIEWS, X),
            (None, {"eeg": X[:, :3].astype(np.float32), "face": X[:, 3:].astype(np.float32)}),
        )
    )
    assert np.array_equal(by_name, by_number)
    assert np.array_equal(by_number, whole)
    model = FusionRegressor(views=names, training=SHORT, random_state=0).fit(frame, NUMBER)
    with pytest.warns(UserWarning, match="feature names"):
        assert np.array_equal(model.predict(X), by_name)


def test_mistakes_are_named():
    model = FusionRegressor(views={"eeg": ["c9"]}, training=SHORT)
    with refused("unknown_name", "c9"):
        model.fit(pd.DataFrame(X[:, :2], columns=["c0", "c1"]), NUMBER)
    with refused("out_of_range", "eeg"):
        FusionRegressor(views={"eeg": slice(9, 12)}).fit(X, NUMBER)
    for wrong in ([True] * 6, np.arange(6) > 2, [0.0, 1.7]):
        with refused("wrong_type", "eeg"):
            FusionRegressor(views={"eeg": wrong}).fit(X, NUMBER)
    for wrong in ({}, [[0], [1]]):
        with refused("wrong_type", "views"):
            FusionRegressor(views=wrong).fit(X, NUMBER)
    with refused("conflict", "views"):
        FusionRegressor(views=VIEWS).fit({"eeg": X}, NUMBER)
    with refused("out_of_range", "validation"):
        FusionRegressor(validation=1.5).fit(X, NUMBER)
    with refused("mismatch", "groups"):
        FusionRegressor().fit(X, NUMBER, groups=np.arange(3))
    with refused("unknown_name", "epochs"):
        FusionRegressor(training={"epochs": 3}).fit(X, NUMBER)
    with refused("not_finite", "y"):
        FusionClassifier().fit(X, np.where(np.arange(80) < 3, np.inf, 1.0))
    with refused("empty", "y"):
        FusionClassifier().fit(X, np.array(["a"] * 80))
