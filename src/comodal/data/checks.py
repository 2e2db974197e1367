"""What must hold of a data set before anything is trained on it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, combinations

import numpy as np

from comodal.contracts import InputError
from comodal.data.cleaning import finite
from comodal.data.dataset import Dataset, Partition
from comodal.data.inspection import Inspection
from comodal.data.ragged import RaggedArray

__all__ = [
    "check",
    "check_features",
    "check_ids",
    "check_inspection",
    "check_labels",
    "check_partitions",
    "check_varies",
]

_CLEAN = "repair the source, or load it with clean=True (--clean)"


def check(dataset: Dataset, *, source: str) -> Dataset:
    """All checks, in the order in which their errors are easiest to understand.

    Args:
        dataset: what a reader made.
        source: file or argument to name in errors.

    Returns:
        The same data set.

    Raises:
        InputError: the first thing found wrong, with the remedy.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> len(check(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), source="synthetic"))
        72
    """
    check_ids(dataset, source=source)
    check_labels(dataset, source=source)
    check_features(dataset, source=source)
    check_partitions(dataset, source=source)
    return dataset


def check_ids(dataset: Dataset, *, source: str) -> None:
    """Every utterance has an id of its own.

    Raises:
        InputError: two utterances share one.
    """
    if not len(dataset):
        raise InputError(f"{source}: no utterance at all; give at least one in each of train, valid and test")
    names, counts = np.unique(dataset.id, return_counts=True)
    twice = names[counts > 1]
    if len(twice):
        raise InputError(
            f"{source}: {len(twice)} ids are used more than once, first {str(twice[0])!r}; "
            "give every utterance an id of its own"
        )


def check_labels(dataset: Dataset, *, source: str) -> None:
    """Every label is a number in the legal range.

    Raises:
        InputError: labels are missing or out of range.
    """
    missing = ~np.isfinite(dataset.target)
    low, high = dataset.spec.label_range
    outside = (dataset.target < np.float32(low)) | (dataset.target > np.float32(high))
    outlying = list(zip(dataset.id[outside].tolist(), dataset.target[outside].tolist(), strict=True))
    _refuse_labels(dataset.id[missing].tolist(), outlying, len(dataset), dataset.spec.label_range, source)


def check_features(dataset: Dataset, *, source: str) -> None:
    """Features are finite, and no modality is the same everywhere; a constant column is legal.

    Raises:
        InputError: non-finite features, a modality nobody has, or one that carries nothing.
    """
    for name, array in dataset.modalities.items():
        if not finite(array):
            bad = ~np.isfinite(array.values)
            owners = array.owner(np.flatnonzero(bad.any(axis=1)))
            first = str(dataset.id[owners[0]])
            _refuse_non_finite(name, int(bad.sum()), len(np.unique(owners)), first, source)
    check_varies(dataset, source=source)


def check_varies(dataset: Dataset, *, source: str) -> None:
    """No modality is the same everywhere.

    Raises:
        InputError: one is, or nobody has it.
    """
    for name, array in dataset.modalities.items():
        if len(dataset) > 1 and not _varies(array):
            raise InputError(
                f"{source}: modality {name!r} is constant: the same {array.dim} features in every utterance; "
                "leave it out (features=..., --features)"
            )


def _varies(array: RaggedArray) -> bool:
    parts = array.parts()
    first = next(parts, None)
    return first is not None and any((part != first[:1]).any() for part in chain([first], parts))


def check_inspection(
    found: Inspection, features: Collection[str], *, label_range: tuple[float, float], source: str
) -> None:
    """The checks of labels and finite features, of what was counted rather than of what is in memory.

    Args:
        found: counts over a source.
        features: those that shall be used.
        label_range: smallest and largest legal label.
        source: file or argument to name in errors.

    Raises:
        InputError: something would have to be cleaned.
    """
    _refuse_labels(found.missing_labels, found.outlying_labels, found.utterances, label_range, source)
    for name in features:
        facts = found.features[name]
        if facts.non_finite:
            count = sum(facts.non_finite.values())
            _refuse_non_finite(name, count, facts.non_finite_utterances, facts.first_non_finite, source)


def _refuse_labels(
    missing: Sequence[str],
    outlying: Sequence[tuple[str, float]],
    utterances: int,
    label_range: tuple[float, float],
    source: str,
) -> None:
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of {utterances} labels (first: utterance {missing[0]!r}) are missing or not "
            f"finite; {_CLEAN}, which drops these utterances"
        )
    if outlying:
        (first, value), (low, high) = outlying[0], label_range
        raise InputError(
            f"{source}: {len(outlying)} of {utterances} labels (first: utterance {first!r}) are outside "
            f"[{low:g}, {high:g}] (it is {value:g}); give the right label_range, or load with clean=True (--clean), "
            "which moves them to its edge"
        )


def _refuse_non_finite(name: str, values: int, utterances: int, first: str, source: str) -> None:
    raise InputError(
        f"{source}: modality {name!r} has {values} NaN or infinite values in {utterances} utterances, "
        f"first {first!r}; {_CLEAN}, which replaces them by the train median"
    )


def check_partitions(dataset: Dataset, *, source: str) -> None:
    """Check that splits share no sample and no group, train and valid are not empty, and folds test each sample once.

    Raises:
        InputError: what the first offending partition does wrong.
    """
    if not dataset.partitions:
        raise InputError(f"{source}: no partition into train, valid and test; give split names or a protocol")
    for partition in dataset.partitions:
        _check_partition(partition, dataset, source)
    if len(dataset.partitions) > 1:
        times = np.bincount(np.concatenate([p.test for p in dataset.partitions]), minlength=len(dataset))
        if (times != 1).any():
            row = int(np.argmax(times != 1))
            raise InputError(
                f"{source}: utterance {str(dataset.id[row])!r} is tested by {times[row]} of "
                f"{len(dataset.partitions)} folds; put it in the test part of exactly one"
            )


def _check_partition(partition: Partition, dataset: Dataset, source: str) -> None:
    where = f"{source}, {partition.name}"
    for split, rows in partition.splits.items():
        if not len(rows) and split == "test":  # fitting a model needs none
            continue
        if not len(rows):
            raise InputError(
                f"{where}: split {split!r} is empty; give train and valid at least one sample", code="empty"
            )
        if rows.min() < 0 or rows.max() >= len(dataset):
            raise InputError(
                f"{where}: split {split!r} names a row outside 0 to {len(dataset) - 1}; number rows from 0"
            )
        if len(np.unique(rows)) != len(rows):
            raise InputError(f"{where}: split {split!r} holds an utterance twice; list every row once")
    for (first, a), (second, b) in combinations(partition.splits.items(), 2):
        shared = np.intersect1d(a, b)
        if len(shared):
            raise InputError(
                f"{where}: utterance {str(dataset.id[shared[0]])!r} is in both {first!r} and {second!r} "
                f"({len(shared)} in all); put every utterance in one split"
            )
        videos = np.intersect1d(dataset.group[a], dataset.group[b])
        if len(videos):
            raise InputError(
                f"{where}: video (group) {str(videos[0])!r} has utterances in both {first!r} and {second!r} "
                f"({len(videos)} videos in all); put each video in one split"
            )
