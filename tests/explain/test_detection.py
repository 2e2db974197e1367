"""Areas below curves against scikit-learn, counts by hand, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from sklearn.metrics import average_precision_score, roc_auc_score

from comodal.explain.detection import auroc, average_precision

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [2, 5, 1000])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_areas_are_those_of_scikit_learn(levels: int, share: float) -> None:
    score = RNG.integers(levels, size=300).astype(float)
    found = RNG.random(300) < share
    assert auroc(score, found).item() == pytest.approx(roc_auc_score(found, score), abs=1e-12)
    assert average_precision(score, found).item() == pytest.approx(average_precision_score(found, score), abs=1e-12)


def test_weighted_areas_are_those_of_scikit_learn() -> None:
    score, found = RNG.integers(12, size=200) / 3.0, RNG.random(200) < 0.4
    weight = RNG.integers(4, size=(7, 200)).astype(float)
    expected = [
        (roc_auc_score(found, score, sample_weight=row), average_precision_score(found, score, sample_weight=row))
        for row in weight
    ]
    assert np.allclose(np.stack([auroc(score, found, weight), average_precision(score, found, weight)], 1), expected)
    assert not np.allclose(auroc(score, found, weight), auroc(score, found)), "the weights would change nothing"


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    score, found = RNG.integers(6, size=40), RNG.random(40) < 0.5
    pairs = [(a > b) + 0.5 * (a == b) for a in score[found] for b in score[~found]]
    assert auroc(score, found).item() == pytest.approx(np.mean(pairs))


def test_perfect_reversed_and_constant_scores() -> None:
    found = np.array([True, True, False, False, False])
    assert auroc(found, found).item() == average_precision(found, found).item() == 1.0
    assert auroc(~found, found).item() == 0.0
    # Found ones in places 4 and 5 of 5, if ties are one step: 2 of 5.
    assert average_precision(~found, found).item() == pytest.approx(2 / 5)
    assert auroc(np.ones(5), found).item() == 0.5
    assert average_precision(np.ones(5), found).item() == pytest.approx(2 / 5)


def test_a_row_of_weights_with_one_class_has_no_area() -> None:
    weight = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    score, found = [3.0, 2.0, 1.0], [True, True, False]
    assert np.isnan(auroc(score, found, weight)).tolist() == [True, False, False]
    assert np.isnan(average_precision(score, found, weight)).tolist() == [True, False, False]


@pytest.mark.parametrize("area", [auroc, average_precision])
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
def test_bad_input_is_refused(area, score, found, code, named) -> None:  # type: ignore[no-untyped-def]
    with refused(code, named):
        area(score, found)
