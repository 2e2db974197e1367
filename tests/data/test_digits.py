from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from comodal.contracts import Multiclass
from comodal.data.load import load, read_inputs


def test_the_halves_make_the_images_of_scikit_learn():
    dataset, found = load("digits"), load_digits()
    halves = [dataset.modalities[name].values.reshape(-1, 8, 4) for name in ("left", "right")]
    np.testing.assert_array_equal(np.concatenate(halves, axis=2), found.images)
    np.testing.assert_array_equal(dataset.target, found.target)
    assert dataset.id.tolist() == [str(row) for row in range(1797)] == dataset.group.tolist()
    assert dataset.spec.task == Multiclass(tuple("0123456789"))
    assert "scikit-learn" in dataset.spec.note


def test_the_partition_has_its_shares_and_all_classes_everywhere():
    (partition,) = load("digits").partitions
    rows = np.concatenate(list(partition.splits.values()))
    np.testing.assert_array_equal(np.sort(rows), np.arange(1797))
    for part, share in zip(partition.splits.values(), (0.4, 0.1, 0.5), strict=True):
        assert abs(len(part) / 1797 - share) < 0.001
        assert len(np.unique(load_digits().target[part])) == 10
    assert not np.array_equal(partition.train, np.sort(rows)[: len(partition.train)])
    again = load("digits").partitions[0]
    np.testing.assert_array_equal(again.train, partition.train)


def test_each_half_and_both_together_can_be_learnt():
    dataset = load("digits")
    (partition,) = dataset.partitions
    accuracy = {}
    for names in (("left",), ("right",), ("left", "right")):
        pixels = np.concatenate([dataset.modalities[name].values for name in names], axis=1) / 16
        model = LogisticRegression(max_iter=200).fit(pixels[partition.train], dataset.target[partition.train])
        accuracy[names] = model.score(pixels[partition.test], dataset.target[partition.test])
    both = accuracy.pop(("left", "right"))
    assert both > 0.9
    assert all(0.5 < each < both - 0.03 for each in accuracy.values())


def test_samples_to_predict():
    assert len(read_inputs("digits")) == 1797
    assert len(read_inputs("digits", split="test")) == 899
    assert list(load("digits", features={"half": "right"}).modalities) == ["half"]
