"""Split samples into train, validation and test without splitting a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError
from comodal.data.dataset import PARTS, Partition
from comodal.data.formats.names import canonical_part

__all__ = ["by_fold", "by_name", "fold_numbers", "grouped_k_fold", "hide", "hide_folds", "random_division", "three_way"]

_NONE: Mapping[str, NDArray[Any]] = MappingProxyType({})


def by_name(split: ArrayLike, *, name: str = "split") -> Partition:
    """Return the partition given by the split name of every row.

    Args:
        split: ``(N,)`` of train, valid, test (also dev, val, validation, in any case) or unlabelled.
        name: name of the partition.

    Raises:
        InputError: another name.

    Example:
        >>> by_name(["train", "dev", "test", "train"]).train.tolist()
        [0, 3]
    """
    names, row = np.unique(np.asarray(split).astype(str), return_inverse=True)
    known = np.array([canonical_part(each) for each in names.tolist()], dtype=np.str_)
    if "" in known:
        raise InputError.unknown("split", str(names[known == ""][0]), PARTS)
    return Partition(name, **{each: np.flatnonzero(known[row] == each) for each in PARTS})


def by_fold(fold: NDArray[Any], *, folds: int) -> tuple[Partition, ...]:
    """Return the partitions of a cross-validation: fold k tests, fold k + 1 validates, the others train.

    Args:
        fold: ``(N,)`` fold number of every row, 0 to ``folds - 1``; a row with another number is in no split.
        folds: how many there are, at least 3.

    Example:
        >>> import numpy as np
        >>> [p.valid.tolist() for p in by_fold(np.array([0, 1, 2]), folds=3)]
        [[1], [2], [0]]
    """
    if folds < 3:
        raise InputError(f"{folds} folds: give 3 or more, for train, validation and test", code="out_of_range")
    partitions = []
    for k in range(folds):
        valid = fold == (k + 1) % folds
        test = fold == k
        train = (fold >= 0) & (fold < folds) & ~valid & ~test
        partitions.append(Partition(f"fold {k}", *(np.flatnonzero(rows) for rows in (train, valid, test))))
    return tuple(partitions)


Classes = Mapping[str, NDArray[Any]]
"""Name of each class or label to ``(N,)`` whether a row has it."""


def fold_numbers(partitions: Sequence[Partition]) -> NDArray[np.int64]:
    """Return ``(N,)`` the fold that tests each row, which :func:`by_fold` makes the partitions of again.

    Example:
        >>> fold_numbers(by_fold(np.array([2, 0, 1, 0]), folds=3)).tolist()
        [2, 0, 1, 0]
    """
    fold = np.empty(sum(len(each.test) for each in partitions), dtype=np.int64)
    for number, each in enumerate(partitions):
        fold[each.test] = number
    return fold


def three_way(
    group: ArrayLike, *, seed: int = 0, shares: Sequence[float] = (0.7, 0.1, 0.2), classes: Classes = _NONE
) -> Partition:
    """Return a random partition of whole groups, each part as near to its share of the samples as groups allow.

    Args:
        group: ``(N,)`` group of every row, for example its video or speaker.
        seed: order of the groups.
        shares: of train, validation and test; positive, summing to 1.
        classes: name of each class to ``(N,)`` whether a row has it; every part has about its share of each, too.

    Raises:
        InputError: fewer than 3 groups, of all or of a class, or shares that are not positive or do not sum to 1.

    Example:
        >>> import numpy as np
        >>> partition = three_way(np.repeat(np.arange(10), 5), seed=0)
        >>> [len(rows) for rows in partition.splits.values()]
        [35, 5, 10]
    """
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        remedy = "give three positive numbers for train, valid and test that sum to 1"
        raise InputError(f"shares {tuple(shares)}: {remedy}", code="out_of_range")
    number, sizes = _shuffled_groups(group, seed, at_least=3)
    if classes:
        part = _by_class(number, classes, np.array(shares))[number]
        return Partition("random split", *(np.flatnonzero(part == k) for k in range(3)))
    filled = np.cumsum(sizes)
    n, groups = filled[-1], len(sizes)
    # The first cut leaves two groups for the other parts, the second one.
    first = 1 + int(np.argmin(np.abs(filled[: groups - 2] - shares[0] * n)))
    second = first + 1 + int(np.argmin(np.abs(filled[first : groups - 1] - (shares[0] + shares[1]) * n)))
    part = np.repeat([0, 1, 2], [first, second - first, groups - second])[number]
    return Partition("random split", *(np.flatnonzero(part == k) for k in range(3)))


def hide(partition: Partition, missing: NDArray[np.bool_]) -> Partition:
    """Return the partition with the training rows that have no label ``(N,)`` among the unlabelled ones.

    Example:
        >>> part = hide(by_name(["train", "train", "valid"]), np.array([False, True, False]))
        >>> part.train.tolist(), part.unlabelled.tolist()
        ([0], [1])
    """
    lost = missing[partition.train]
    unlabelled = np.sort(np.concatenate([partition.unlabelled, partition.train[lost]]))
    return replace(partition, train=partition.train[~lost], unlabelled=unlabelled)


def hide_folds(partitions: Iterable[Partition], missing: NDArray[np.bool_]) -> tuple[Partition, ...]:
    """Return the folds, whose samples without a label ``(N,)`` train unlabelled, and neither validate nor test.

    Example:
        >>> folds = hide_folds(by_fold(np.array([0, 1, 2, 2]), folds=3), np.array([False, False, False, True]))
        >>> [[rows.tolist() for rows in each.splits.values()] for each in folds]
        [[[2], [1], [0], [3]], [[0], [2], [1]], [[1], [0], [2]]]
    """
    kept = (
        replace(each, valid=each.valid[~missing[each.valid]], test=each.test[~missing[each.test]])
        for each in partitions
    )
    return tuple(hide(each, missing) for each in kept)


def random_division(
    group: NDArray[Any], missing: NDArray[np.bool_], *, seed: int = 0, classes: Classes = _NONE
) -> Partition:
    """Return :func:`three_way` of the samples with a label; those without one are unlabelled training samples.

    A sample without a label whose group validates or tests is in no part.
    """
    if not missing.any():
        return three_way(group, seed=seed, classes=classes)
    known = np.flatnonzero(~missing)
    parts = three_way(group[known], seed=seed, classes={name: rows[known] for name, rows in classes.items()})
    train, valid, test = (known[rows] for rows in parts.splits.values())
    free = missing & ~np.isin(group, group[np.concatenate([valid, test])])
    return Partition(parts.name, train, valid, test, np.flatnonzero(free))


def grouped_k_fold(
    group: ArrayLike, *, folds: int = 5, seed: int = 0, classes: Classes = _NONE
) -> tuple[Partition, ...]:
    """Return a random cross-validation over whole groups, with folds of similar size.

    Args:
        group: ``(N,)`` group of every row, for example its video or speaker.
        folds: at least 3.
        seed: order of the groups.
        classes: name of each class to ``(N,)`` whether a row has it; every fold has about the same share of each, too.

    Raises:
        InputError: fewer groups than folds, of all or of a class.

    Example:
        >>> import numpy as np
        >>> [len(p.test) for p in grouped_k_fold(np.repeat(np.arange(10), 5), folds=5)]
        [10, 10, 10, 10, 10]
    """
    number, sizes = _shuffled_groups(group, seed, at_least=folds)
    if classes and folds >= 3:
        return by_fold(_by_class(number, classes, np.full(folds, 1 / folds))[number], folds=folds)
    load = np.zeros(folds, dtype=np.int64)
    home = np.empty(len(sizes), dtype=np.int64)
    # Largest first into the emptiest fold; the stable sort keeps the random order among equals.
    for each in np.argsort(-sizes, kind="stable"):
        home[each] = np.argmin(load)
        load[home[each]] += sizes[each]
    return by_fold(home[number], folds=folds)


def _by_class(number: NDArray[np.int64], classes: Classes, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the part of each group, so that every part holds about its share of each class and of all rows.

    Groups that hold most of a class come first, each to the part where its classes are furthest below their share, of
    parts that would else never get one of them if there are such. The shares come out nearer than those of
    scikit-learn's StratifiedGroupKFold, whose parts are of equal size.
    """
    counts = np.stack([np.bincount(number, weights=rows) for rows in (*classes.values(), np.ones(len(number)))], axis=1)
    _require_groups(classes, counts, len(shares))
    counts = counts[:, counts.any(axis=0)] / counts.sum(axis=0)[counts.any(axis=0)]
    left = (counts > 0).sum(axis=0)
    filled = np.zeros((len(shares), counts.shape[1]))
    home = np.empty(len(counts), dtype=np.int64)
    for each in np.argsort(-(counts**2).sum(axis=1), kind="stable"):
        own = counts[each]
        # What the squared distance from the shares, relative to them, grows by.
        cost = 2 * (filled / shares[:, None] - 1) @ own + own @ own / shares
        empty = filled == 0
        due = (empty & (own > 0) & (empty.sum(axis=0) >= left)).any(axis=1)
        home[each] = np.argmin(np.where(due | ~due.any(), cost, np.inf))
        filled[home[each]] += own
        left -= own > 0
    return home


def _require_groups(classes: Classes, counts: NDArray[Any], parts: int) -> None:
    for name, column in zip(classes, counts.T, strict=False):
        groups = int(np.count_nonzero(column))
        if 0 < groups < parts:
            raise InputError(
                f"class {name!r} has {int(column.sum())} samples of {groups} groups, too few for {parts} parts; "
                "merge it with another class, leave it out, or give a partition",
                code="empty",
            )


def _shuffled_groups(group: ArrayLike, seed: int, *, at_least: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the group of each row as a number in random order, and the size of each group by that number."""
    names, number = np.unique(np.asarray(group), return_inverse=True)
    if len(names) < at_least:
        raise InputError(
            f"{len(names)} groups cannot be divided into {at_least} parts; "
            "give more groups, or split= with the names train, valid and test",
            code="empty",
        )
    order = np.random.default_rng(seed).permutation(len(names))
    number = order[number]
    return number, np.bincount(number, minlength=len(names))
