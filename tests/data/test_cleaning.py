from __future__ import annotations

import json

import numpy as np

from comodal.data.checks import check
from comodal.data.cleaning import clean
from comodal.data.dataset import Partition
from comodal.data.ragged import RaggedArray


def text(values):
    return {"text": RaggedArray.from_vectors(np.array(values, dtype=np.float32))}


def test_replaced_by_the_train_median_feature_by_feature(make):
    values = [[1, 10], [np.nan, 20], [np.inf, np.nan], [5, -np.inf], [900, 900], [np.nan, 1]]
    partition = Partition("p", np.array([0, 1, 2, 3]), np.array([4]), np.array([5]))
    cleaned, report = clean(make(modalities=text(values), partitions=(partition,)))
    # Train medians over finite values: of (1, 5) and of (10, 20); the 900 of validation does not count.
    np.testing.assert_array_equal(
        cleaned.modalities["text"].values, [[1, 10], [3, 20], [3, 15], [5, 15], [900, 900], [3, 1]]
    )
    assert report.replaced_values == {"text": 5}
    assert report.replaced_utterances == {"text": 4}
    assert cleaned.cleaning is report


def test_a_feature_without_finite_train_value_becomes_zero(make):
    values = [[np.nan, 1], [np.inf, 2], [3, 3], [4, 4], [5, 5], [6, 6]]
    cleaned, _ = clean(make(modalities=text(values)))
    assert cleaned.modalities["text"].values[:2, 0].tolist() == [0, 0]


def test_with_folds_no_test_utterance_is_filled_from_its_own_fold(make):
    values = [[np.nan], [1], [np.nan], [10], [np.nan], [100]]
    videos = [np.array([0, 1]), np.array([2, 3]), np.array([4, 5])]
    parts = tuple(Partition(f"fold {k}", videos[(k + 2) % 3], videos[(k + 1) % 3], videos[k]) for k in range(3))
    cleaned, _ = clean(make(modalities=text(values), partitions=parts))
    # Fold k trains on video k + 2 (mod 3), whose one finite value is the fill.
    assert cleaned.modalities["text"].values[:, 0].tolist() == [100, 1, 1, 10, 10, 100]


def test_missing_labels_are_dropped_and_outliers_moved(make):
    target = np.array([-3, np.nan, 3.5, 1, -np.inf, -9], dtype=np.float32)
    cleaned, report = clean(make(target=target))
    assert cleaned.id.tolist() == ["a_1", "b_1", "b_2", "c_2"]
    assert cleaned.target.tolist() == [-3, 3, 1, -3]
    assert report.dropped == ("a_2", "c_1")
    assert report.clipped_labels == 2
    assert report.utterances == 4
    check(cleaned, source="cleaned")


def test_nothing_to_clean_changes_nothing(toy):
    cleaned, report = clean(toy)
    assert not report.changed
    assert str(report) == "nothing to clean"
    np.testing.assert_array_equal(cleaned.modalities["audio"].values, toy.modalities["audio"].values)
    assert cleaned.target.tolist() == toy.target.tolist()


def test_the_source_is_not_changed_and_the_report_is_json(make):
    dataset = make(modalities=text([[np.nan], [1], [2], [3], [4], [5]]))
    _, report = clean(dataset)
    assert np.isnan(dataset.modalities["text"].values[0, 0])
    assert json.loads(json.dumps(report.as_dict()))["replaced_values"] == {"text": 1}
    assert report.changed
