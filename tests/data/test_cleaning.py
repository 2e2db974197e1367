from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from refusals import refused

from comodal.data import cleaning, ragged
from comodal.data.checks import check
from comodal.data.cleaning import clean, replace_non_finite
from comodal.data.dataset import CleaningReport, Partition
from comodal.data.ragged import RaggedArray
from comodal.data.stored_array import FrameWriter


def text(values):
    return {"text": RaggedArray.from_vectors(np.array(values, dtype=np.float32))}


def test_replaced_by_the_train_median_feature_by_feature(make):
    values = [[1, 10], [np.nan, 20], [np.inf, np.nan], [5, -np.inf], [900, 900], [np.nan, 1]]
    partition = Partition("p", np.array([0, 1, 2, 3]), np.array([4]), np.array([5]))
    cleaned = clean(make(modalities=text(values), partitions=(partition,)))
    report = cleaned.cleaning
    # Train medians over finite values: of (1, 5) and of (10, 20); the 900 of validation does not count.
    np.testing.assert_array_equal(
        cleaned.modalities["text"].values, [[1, 10], [3, 20], [3, 15], [5, 15], [900, 900], [3, 1]]
    )
    assert report.replaced_values == {"text": 5}
    assert report.replaced_samples == {"text": 4}


def test_labels_are_never_touched(make):
    target = np.array([-3, np.nan, 3.5, 1, -np.inf, -9], dtype=np.float32)
    cleaned = clean(make(target=target))
    np.testing.assert_array_equal(cleaned.target, target)
    assert cleaned.cleaning == CleaningReport(6, {"text": 0, "audio": 0}, {"text": 0, "audio": 0})
    with refused("out_of_range", 3, "b_1 (3.5)", "--task"):
        check(cleaned, source="cleaned")


def test_the_median_is_also_of_training_samples_without_a_label(make):
    values = [[1.0], [9.0], [np.nan], [4.0], [900.0], [901.0]]
    parts = Partition("p", np.array([0]), np.array([2, 3]), np.array([4, 5]), np.array([1]))
    cleaned = clean(make(modalities=text(values), partitions=(parts,), target=np.array([0, np.nan, 1, 1, 1, 1])))
    assert cleaned.modalities["text"].values[2, 0] == np.median([1, 9])


def test_nothing_to_clean_changes_nothing(toy):
    cleaned = clean(toy)
    report = cleaned.cleaning
    assert not report.changed
    assert str(report) == "nothing to clean"
    np.testing.assert_array_equal(cleaned.modalities["audio"].values, toy.modalities["audio"].values)
    assert cleaned.target.tolist() == toy.target.tolist()


def test_the_source_is_not_changed_and_the_report_is_json(make):
    dataset = make(modalities=text([[np.nan], [1], [2], [3], [4], [5]]))
    report = clean(dataset).cleaning
    assert np.isnan(dataset.modalities["text"].values[0, 0])
    assert json.loads(json.dumps(asdict(report)))["replaced_values"] == {"text": 1}
    assert report.changed


def naive(values, lengths, partitions):
    """The rule as one would write it first: every sample from the finite train frames of its fold."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    filled = values.copy()
    for frame, column in zip(*np.nonzero(~np.isfinite(values)), strict=True):
        homes = [p for p in partitions[1:] if owner[frame] in p.test] or list(partitions[:1])
        train = homes[0].train if homes else np.arange(len(lengths))
        known = values[np.isin(owner, train), column]
        known = known[np.isfinite(known)]
        filled[frame, column] = np.median(known) if len(known) else 0
    return filled


def parts_of(kind):
    thirds = [np.arange(k, 12, 3) for k in range(3)]
    if kind == "folds":
        return tuple(Partition(str(k), thirds[k - 1], thirds[k - 2], thirds[k]) for k in range(3))
    return (Partition("split", *thirds),) if kind == "split" else ()


@pytest.mark.parametrize("kind", ["folds", "split", "none"])
@pytest.mark.parametrize("sizes", [(1 << 25, 1 << 21), (1, 1), (40, 9)])
@pytest.mark.parametrize("where", ["memory", "disk"])
def test_filled_by_the_rule_however_it_is_cut_up(tmp_path, monkeypatch, kind, sizes, where):
    monkeypatch.setattr(cleaning, "_VALUES", sizes[0])
    monkeypatch.setattr(ragged, "_PART", sizes[1])
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 5, 12)
    frames = rng.normal(size=(lengths.sum(), 4)).astype(np.float32)
    frames[rng.random(frames.shape) < 0.3] = np.nan
    frames[rng.random(frames.shape) < 0.1] = -np.inf
    frames[:, 1] = np.inf
    frames[:, 2] = 1
    array = RaggedArray(frames.copy(), np.concatenate([[0], np.cumsum(lengths)]))
    if where == "disk":
        with FrameWriter(tmp_path / "frames.npy", 4) as writer:
            writer.append(array)
            array = writer.array()
            replaced, samples = replace_non_finite(array, parts_of(kind), writer.overwrite)
    else:
        replaced, samples = replace_non_finite(array, parts_of(kind), array.values.__setitem__)
    np.testing.assert_array_equal(array.values, naive(frames, lengths, parts_of(kind)))
    wrong = ~np.isfinite(frames)
    assert replaced == wrong.sum()
    assert samples == len(np.unique(np.repeat(np.arange(12), lengths)[wrong.any(axis=1)]))


def test_nothing_to_fill():
    array = RaggedArray.from_rows([np.ones((2, 3)), np.zeros((0, 3))])
    for each in (array, RaggedArray.from_rows([np.zeros((0, 3))])):
        assert replace_non_finite(each, (), each.values.__setitem__) == (0, 0)


def test_report_of_the_features_that_are_used():
    report = CleaningReport(10, {"text": 3, "covarep": 4}, {"text": 1, "covarep": 2})
    found = report.of({"audio": "covarep", "vision": "facet"})
    assert found == CleaningReport(10, {"audio": 4, "vision": 0}, {"audio": 2, "vision": 0})
    assert report.of({"t": "text"}).changed
    assert not CleaningReport(10, {"text": 3}, {"text": 1}).of({"audio": "audio"}).changed
