from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from sklearn.model_selection import StratifiedGroupKFold

from comodal.data.splits import by_fold, by_name, fold_numbers, grouped_k_fold, random_division, three_way


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


def speakers(seed, *, groups=40, classes=4):
    """Groups of unequal size that each prefer some of the classes: the group and the class of every row."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(2, 15, groups)
    liked = rng.dirichlet(np.full(classes, 0.5), groups)
    drawn = np.concatenate([rng.choice(classes, n, p=p) for n, p in zip(counts, liked, strict=True)])
    return np.repeat(np.arange(groups), counts), drawn


def presence(drawn):
    return {f"class {k}": drawn == k for k in np.unique(drawn).tolist()}


def furthest(part, drawn, shares):
    """Largest distance of a part's share of a class from what it should be; 1 where a part has none of a class."""
    worst = 0.0
    for rows in presence(drawn).values():
        held = np.bincount(part[rows], minlength=len(shares)) / rows.sum()
        worst = max(worst, np.abs(held - shares).max(), float((held == 0).any()))
    return worst


def folds_of(group, seed, **options):
    return fold_numbers(grouped_k_fold(group, folds=5, seed=seed, **options)), np.full(5, 0.2)


def parts_of(group, seed, **options):
    return parts(three_way(group, seed=seed, **options), len(group)), np.array([0.7, 0.1, 0.2])


@pytest.mark.parametrize("divide", [folds_of, parts_of])
def test_every_class_is_in_every_part_in_about_its_share(divide):
    """Groups stay whole, and the shares are nearer than those of scikit-learn's folds, put together."""
    ours, blind, peer = [], [], []
    for seed in range(12):
        group, drawn = speakers(seed)
        part, shares = divide(group, seed, classes=presence(drawn))
        again, _ = divide(group, seed, classes=presence(drawn))
        np.testing.assert_array_equal(part, again)
        assert all(len(set(part[group == each])) == 1 for each in np.unique(group))
        ours.append(furthest(part, drawn, shares))
        blind.append(furthest(divide(group, seed)[0], drawn, shares))
        tenths = StratifiedGroupKFold(10, shuffle=True, random_state=seed).split(drawn, drawn, group)
        chunk = {2: [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], 7: [0] * 7 + [1] + [2] * 2}[round(10 * shares[0])]
        of_peer = np.empty(len(group), dtype=int)
        for k, (_, rows) in enumerate(tenths):
            of_peer[rows] = chunk[k]
        peer.append(furthest(of_peer, drawn, shares))
    assert max(ours) < 0.1
    assert max(blind) > 0.2  # a division of groups that does not look at classes breaks the bound
    assert np.mean(ours) <= np.mean(peer)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(5, 30), min_size=2, max_size=5), st.integers(0, 2**31))
def test_without_groups_the_shares_are_exact(counts, seed):
    """Every fold has as many of a class as scikit-learn's folds do, to within one sample."""
    drawn = np.repeat(np.arange(len(counts)), counts)
    fold, _ = folds_of(np.arange(len(drawn)), seed, classes=presence(drawn))
    for k, n in enumerate(counts):
        held = np.bincount(fold[drawn == k], minlength=5)
        assert held.min() >= n // 5
        assert held.max() <= -(-n // 5)
    part, shares = parts_of(np.arange(len(drawn)), seed, classes=presence(drawn))
    for k, n in enumerate(counts):
        held = np.bincount(part[drawn == k], minlength=3)
        assert held.min() >= 1
        assert (np.abs(held - shares * n) <= 2).all()


def test_labels_that_go_together_are_stratified_each():
    rng = np.random.default_rng(0)
    labels = rng.random((600, 4)) < [0.5, 0.3, 0.1, 0.02]
    group = np.repeat(np.arange(200), 3)
    classes = {name: labels[:, k] for k, name in enumerate("abcd")}
    fold, _ = folds_of(group, 0, classes=classes)
    for each in labels.T:
        held = np.bincount(fold[each], minlength=5)
        assert held.max() - held.min() <= max(2, 0.1 * held.mean())
    assert np.ptp(np.bincount(fold)) <= 9


def test_a_random_division_takes_the_classes_of_the_labelled():
    group, drawn = speakers(3)
    missing = np.random.default_rng(0).random(len(group)) < 0.3
    known = ~missing
    made = random_division(group, missing, seed=1, classes=presence(drawn))
    alone = three_way(group[known], seed=1, classes=presence(drawn[known]))
    np.testing.assert_array_equal(made.test, np.flatnonzero(known)[alone.test])


@pytest.mark.parametrize(
    ("call", "code", "named"),
    [
        (lambda: by_name(["train", "tset"]), "unknown_name", "'test'"),
        (lambda: three_way(["a", "b", "a"]), "empty", "2 groups"),
        (lambda: grouped_k_fold(np.arange(4), folds=5), "empty", "4 groups"),
        (lambda: grouped_k_fold(np.arange(4), folds=2), "out_of_range", "2 folds"),
        (lambda: grouped_k_fold(np.arange(9), classes={"rare": np.arange(9) < 4}), "empty", "class 'rare' has 4"),
        (lambda: three_way(np.arange(9) // 2, classes={"rare": np.arange(9) < 4}), "empty", "4 samples of 2 groups"),
        (lambda: three_way(np.arange(9), shares=(0.5, 0.5, 0.5)), "out_of_range", "(0.5, 0.5, 0.5)"),
        (lambda: three_way(np.arange(9), shares=(1.0, 0.0, 0.0)), "out_of_range", "(1.0, 0.0, 0.0)"),
    ],
)
def test_impossible_splits(call, code, named):
    with refused(code, named):
        call()
