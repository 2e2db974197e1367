from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.splits import by_fold, by_name, grouped_k_fold, three_way


def parts(partition, n):
    """Split number of every row; fails when a row has none or two."""
    rows = np.concatenate(list(partition.splits.values()))
    assert sorted(rows.tolist()) == list(range(n))
    label = np.empty(n, dtype=int)
    for k, split in enumerate(partition.splits.values()):
        label[split] = k
    return label


sizes = st.lists(st.integers(1, 9), min_size=3, max_size=12)


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(0, 2**31))
def test_three_way_divides_whole_groups_and_leaves_no_split_empty(sizes, seed):
    group = np.repeat(np.arange(len(sizes)), sizes)
    partition = three_way(group, seed=seed)
    label = parts(partition, len(group))
    assert all(len(set(label[group == g])) == 1 for g in range(len(sizes)))
    assert set(label) == {0, 1, 2}


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(0, 2**31))
def test_k_fold_tests_every_row_once_and_keeps_groups_whole(sizes, seed):
    group = np.repeat(np.arange(len(sizes)), sizes)
    partitions = grouped_k_fold(group, folds=3, seed=seed)
    assert sorted(np.concatenate([p.test for p in partitions]).tolist()) == list(range(len(group)))
    for partition in partitions:
        label = parts(partition, len(group))
        assert all(len(set(label[group == g])) == 1 for g in range(len(sizes)))


def test_shares_are_met_with_many_groups():
    partition = three_way(np.arange(1000), seed=3, shares=(0.5, 0.2, 0.3))
    assert [len(rows) for rows in partition.splits.values()] == [500, 200, 300]


def test_same_seed_same_split_other_seed_another():
    group = np.repeat(np.arange(30), 4)
    assert three_way(group, seed=1).test.tolist() == three_way(group, seed=1).test.tolist()
    assert three_way(group, seed=1).test.tolist() != three_way(group, seed=2).test.tolist()


def test_by_fold_follows_the_stated_rotation():
    fold = np.array([0, 1, 2, 3, -1, 0])
    first = by_fold(fold, folds=4)[3]
    assert first.name == "fold 3"
    assert (first.test.tolist(), first.valid.tolist(), first.train.tolist()) == ([3], [0, 5], [1, 2])


def test_by_name_accepts_the_usual_spellings():
    partition = by_name(["Train", "dev", "val", " validation ", "testing", "test"])
    assert (partition.train.tolist(), partition.valid.tolist(), partition.test.tolist()) == ([0], [1, 2, 3], [4, 5])


@pytest.mark.parametrize(
    ("call", "code", "named"),
    [
        (lambda: by_name(["train", "tset"]), "unknown_name", "'test'"),
        (lambda: three_way(["a", "b", "a"]), "empty", "2 groups"),
        (lambda: grouped_k_fold(np.arange(4), folds=5), "empty", "4 groups"),
        (lambda: grouped_k_fold(np.arange(4), folds=2), "out_of_range", "2 folds"),
        (lambda: three_way(np.arange(9), shares=(0.5, 0.5, 0.5)), "out_of_range", "(0.5, 0.5, 0.5)"),
        (lambda: three_way(np.arange(9), shares=(1.0, 0.0, 0.0)), "out_of_range", "(1.0, 0.0, 0.0)"),
    ],
)
def test_impossible_splits(call, code, named):
    with refused(code, named):
        call()
