"""Repair what can be repaired by a stated rule, and count it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comodal.data.cleaning_report import CleaningReport
from comodal.data.dataset import Dataset, Partition
from comodal.data.ragged import RaggedArray

__all__ = ["clean", "fill", "finite"]


def clean(dataset: Dataset) -> tuple[Dataset, CleaningReport]:
    """Drop utterances without label, move labels into range, replace non-finite features.

    The rules, in this order:

    1. an utterance whose label is NaN or infinite is dropped;
    2. a label outside the legal range is moved to its edge;
    3. a non-finite feature becomes the median of that feature over the finite frames of the train part (0 where train
       has none). With several folds it is the train part of the fold that tests the utterance, so that no test
       utterance is filled in from its own test part.

    Ids used twice and videos in two splits are not repaired: no rule could know which one was meant.

    Args:
        dataset: as read, unchecked.

    Returns:
        The repaired data set, which carries the report, and the report.

    Example:
        >>> from dataclasses import replace
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> dataset.modalities["text"].values[0, 0] = float("nan")
        >>> print(clean(dataset)[1])
        1 non-finite value of text in 1 utterance replaced
    """
    missing = ~np.isfinite(dataset.target)
    dropped = tuple(str(each) for each in dataset.id[missing])
    kept = dataset.subset(~missing) if dropped else dataset
    low, high = (np.float32(limit) for limit in kept.spec.label_range)
    target = np.clip(kept.target, low, high)
    modalities = {name: _filled(array, kept.partitions) for name, array in kept.modalities.items()}
    report = CleaningReport(
        utterances=len(kept),
        dropped=dropped,
        clipped_labels=int((target != kept.target).sum()),
        replaced_values={name: _bad_values(array) for name, array in kept.modalities.items()},
        replaced_utterances={
            name: len(np.unique(array.owner(_bad_frames(array)))) for name, array in kept.modalities.items()
        },
    )
    return replace(kept, target=target, modalities=modalities, cleaning=report), report


def _bad_values(array: RaggedArray) -> int:
    return sum(int((~np.isfinite(part)).sum()) for part in array.parts())


def _filled(array: RaggedArray, partitions: tuple[Partition, ...]) -> RaggedArray:
    if finite(array):
        return array
    copy = array.with_values(array.values.copy())
    fill(copy, partitions)
    return copy


def finite(array: RaggedArray) -> bool:
    """Whether every feature of every frame is."""
    return all(bool(np.isfinite(part).all()) for part in array.parts())


def fill(array: RaggedArray, partitions: tuple[Partition, ...]) -> tuple[int, int]:
    """Replace non-finite features in place, by rule 3 of :func:`clean`; without a partition all utterances are train.

    Returns:
        How many values were replaced, and in how many utterances.
    """
    everyone = np.arange(len(array), dtype=np.int64)
    trains = [partition.train for partition in partitions] or [everyone]
    tests = [everyone, *(partition.test for partition in partitions[1:])]
    bad = _bad_frames(array)
    affected = np.zeros(array.dim, dtype=bool)
    for frames in _near(bad, array.part):
        affected |= ~np.isfinite(array.values[frames]).all(axis=0)
        array.release()
    columns = np.flatnonzero(affected)
    medians = [_medians(array, train, columns) for train in trains]
    replaced = 0
    for frames in _near(bad, array.part):
        where = np.ix_(frames, columns)
        values, owners = array.values[where], array.owner(frames)
        missing = ~np.isfinite(values)
        # The first partition fills everything; each further fold fills again what it tests.
        for median, test in zip(medians, tests, strict=True):
            values = np.where(missing & np.isin(owners, test)[:, None], median, values)
        array.values[where] = values
        replaced += int(missing.sum())
        array.release()
    return replaced, len(np.unique(array.owner(bad)))


def _near(frames: NDArray[np.int64], span: int) -> Iterator[NDArray[np.int64]]:
    """Rising positions in pieces that lie within a span: a frame of a mapped file brings its neighbours with it."""
    if len(frames):
        yield from np.split(frames, np.flatnonzero(np.diff(frames // span)) + 1)


def _bad_frames(array: RaggedArray) -> NDArray[np.int64]:
    """Positions of the frames with a value that is not finite."""
    found, start = [np.zeros(0, dtype=np.int64)], 0
    for part in array.parts():
        found.append(start + np.flatnonzero(~np.isfinite(part).all(axis=1)))
        start += len(part)
    return np.concatenate(found)


def _medians(array: RaggedArray, train: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the finite train frames, some columns at a time: a column of a large data set is large, too."""
    found = np.zeros(len(columns), dtype=np.float32)
    frames = int(array.lengths[train].sum())
    width = max(1, _VALUES // max(1, frames))
    for first in range(0, len(columns), width):
        chosen = columns[first : first + width]
        values = np.empty((frames, len(chosen)), dtype=np.float32)
        start = 0
        for rows in array.groups(train):
            part = array.take(rows).values[:, chosen]
            values[start : start + len(part)] = part
            start += len(part)
            array.release()
        for k, column in enumerate(values.T):
            real = column[np.isfinite(column)]
            found[first + k] = np.median(real) if len(real) else 0.0
    return found


_VALUES = 1 << 25
"""Values that are in memory at once while medians are taken."""
