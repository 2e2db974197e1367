from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.checks import check
from comodal.data.dataset import Partition
from comodal.data.ragged import RaggedArray


def rows(*numbers):
    return np.array(numbers, dtype=np.int64)


def folds(*test):
    """Leave the videos (rows 0-1, 2-3, 4-5) out in turn."""
    videos = [rows(0, 1), rows(2, 3), rows(4, 5)]
    return tuple(Partition(f"fold {k}", videos[(k + 2) % 3], videos[(k + 1) % 3], videos[k]) for k in test)


def test_a_good_dataset_passes(toy):
    assert check(toy, source="toy.npz") is toy
    assert check(replace(toy, partitions=folds(0, 1, 2)), source="toy.npz")


def test_one_line_with_source(toy):
    with pytest.raises(InputError) as error:
        check(replace(toy, id=np.array(["x"] * 6)), source="toy.npz")
    assert str(error.value).startswith("toy.npz: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_features_name_count_and_first_id(toy, make, value):
    values = toy.modalities["audio"].values.copy()
    values[3, 0] = values[4] = value  # frames of b_2: a_1 has 2, a_2 has 1, b_1 none
    dataset = make(modalities={**toy.modalities, "audio": toy.modalities["audio"].with_values(values)})
    with pytest.raises(InputError, match=r"'audio' has 3 NaN or infinite values in 1 utterances, first 'b_2'.*--clean"):
        check(dataset, source="toy.npz")


@pytest.mark.parametrize("label", [np.nan, np.inf])
def test_missing_labels(toy, label):
    target = toy.target.copy()
    target[2] = label
    with pytest.raises(InputError, match=r"1 of 6 labels .first: utterance 'b_1'. are missing.*--clean"):
        check(replace(toy, target=target), source="toy.npz")


def test_labels_out_of_range(make):
    with pytest.raises(InputError, match=r"2 of 6 labels .first: utterance 'a_1'.*outside \[-2, 2.5\] .it is -3."):
        check(make(label_range=(-2.0, 2.5)), source="toy.npz")


def test_labels_at_the_edge_of_a_range_that_float32_rounds(make):
    """0.1 in float32 is above 0.1 in float64: the edge itself is legal."""
    check(make(label_range=(-0.1, 0.1), target=np.array([0.1, -0.1] * 3, dtype=np.float32)), source="toy.npz")


def test_constant_modality_but_not_constant_column(toy, make):
    constant = RaggedArray.from_vectors(np.full((6, 2), 4.0))
    with pytest.raises(InputError, match=r"modality 'vision' is constant.*leave it out"):
        check(make(modalities={**toy.modalities, "vision": constant}), source="toy.npz")
    column = np.full((6, 2), 4.0)
    column[0, 0] = 5.0
    check(make(modalities={**toy.modalities, "vision": RaggedArray.from_vectors(column)}), source="toy.npz")


def test_modality_nobody_has(toy, make):
    nobody = RaggedArray(np.zeros((0, 2), dtype=np.float32), np.zeros(7, dtype=np.int64))
    with pytest.raises(InputError, match="'vision' is constant"):
        check(make(modalities={**toy.modalities, "vision": nobody}), source="toy.npz")


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        (Partition("p", rows(0, 1), rows(), rows(2, 3)), "'valid' is empty"),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 6)), "row outside 0 to 5"),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 4)), "holds an utterance twice"),
        (Partition("p", rows(0, 1), rows(2, 3), rows(4, 5, 1)), "utterance 'a_2' is in both 'train' and 'test'"),
        (Partition("p", rows(0, 1), rows(2), rows(3, 4, 5)), "video .group. 'b' has utterances in both 'valid' and"),
    ],
)
def test_bad_partitions(toy, partition, message):
    with pytest.raises(InputError, match=f"toy.npz, p: .*{message}.*;"):
        check(replace(toy, partitions=(partition,)), source="toy.npz")


def test_no_partition_and_no_utterance(toy):
    with pytest.raises(InputError, match="no partition"):
        check(replace(toy, partitions=()), source="toy.npz")
    with pytest.raises(InputError, match="no utterance at all"):
        check(toy.subset([]), source="toy.npz")


def test_folds_must_test_everyone_once(toy):
    with pytest.raises(InputError, match="'c_1' is tested by 0 of 2 folds"):
        check(replace(toy, partitions=folds(0, 1)), source="toy.npz")
    with pytest.raises(InputError, match="'a_1' is tested by 2 of 4 folds"):
        check(replace(toy, partitions=folds(0, 0, 1, 2)), source="toy.npz")
