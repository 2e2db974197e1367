"""Areas below curves against scikit-learn, counts by hand, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from sklearn.metrics import average_precision_score, roc_auc_score

from comodal.explain.pairing_areas import curve

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_areas_are_those_of_scikit_learn(levels: int, share: float) -> None:
    score = RNG.integers(levels, size=300).astype(float)
    found = RNG.random(300) < share
    assert curve(score, found).auroc().item() == pytest.approx(roc_auc_score(found, score), abs=1e-12)
    assert curve(score, found).average_precision().item() == pytest.approx(
        average_precision_score(found, score), abs=1e-12
    )


def test_weighted_areas_are_those_of_scikit_learn() -> None:
    score, found = RNG.integers(12, size=200) / 3.0, RNG.random(200) < 0.4
    weight = RNG.integers(4, size=(7, 200)).astype(float)
    expected = [
        (roc_auc_score(found, score, sample_weight=row), average_precision_score(found, score, sample_weight=row))
        for row in weight
    ]
    assert np.allclose(
        np.stack([curve(score, found, weight).auroc(), curve(score, found, weight).average_precision()], 1), expected
    )
    assert not np.allclose(curve(score, found, weight).auroc(), curve(score, found).auroc()), (
        "the weights would change nothing"
    )


def test_perfect_reversed_and_constant_scores() -> None:
    found = np.array([True, True, False, False, False])
    assert curve(found, found).auroc().item() == curve(found, found).average_precision().item() == 1.0
    assert curve(~found, found).auroc().item() == 0.0
    # Found ones in places 4 and 5 of 5, if ties are one step: 2 of 5.
    assert curve(~found, found).average_precision().item() == pytest.approx(2 / 5)
    assert curve(np.ones(5), found).auroc().item() == 0.5
    assert curve(np.ones(5), found).average_precision().item() == pytest.approx(2 / 5)


def test_a_row_of_weights_with_one_class_has_no_area() -> None:
    weight = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    score, found = [3.0, 2.0, 1.0], [True, True, False]
    assert np.isnan(curve(score, found, weight).auroc()).tolist() == [True, False, False]
    assert np.isnan(curve(score, found, weight).average_precision()).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("score", "found", "code", "named"),
    [
        ([1.0, 2.0], [True, True], "empty", "one class"),
        ([1.0, 2.0], [False, False], "empty", "one class"),
        ([1.0, np.nan], [True, False], "not_finite", "1 of 2"),
        ([1.0, -np.inf], [True, False], "not_finite", "1 of 2"),
        ([1.0, 2.0, 3.0], [True, False], "wrong_shape", "(3,)"),
    ],
)
def test_bad_input_is_refused(score, found, code, named) -> None:  # type: ignore[no-untyped-def]
    with refused(code, named):
        curve(score, found)
