"""The one repair: non-finite features become train medians, and are counted. Labels are never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.dataset import CleaningReport, Dataset, Partition
from comodal.data.ragged import RaggedArray

__all__ = ["clean", "fill", "replace_non_finite"]

_VALUES = 1 << 25
"""Values that are in memory at once while medians are taken."""


def clean(dataset: Dataset) -> Dataset:
    """Return a data set in memory, repaired; it carries the report of what was changed.

    Ids used twice and groups in two splits are not repaired: no rule could know which one was meant.
    """
    copies: dict[str, NDArray[Any]] = {}

    def write(name: str, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        if name not in copies:
            copies[name] = dataset.modalities[name].values.copy()
        copies[name][frames] = values

    report = fill(len(dataset), dataset.modalities, dataset.partitions, write)
    filled = {name: dataset.modalities[name].with_values(values) for name, values in copies.items()}
    return replace(dataset, modalities={**dataset.modalities, **filled}, cleaning=report)


def fill(
    samples: int,
    arrays: Mapping[str, RaggedArray],
    partitions: tuple[Partition, ...],
    write: Callable[[str, NDArray[np.int64], NDArray[np.float32]], None],
) -> CleaningReport:
    """Replace what is not finite in the arrays of so many samples, in memory or on disk, and return the report."""
    found = {name: replace_non_finite(array, partitions, partial(write, name)) for name, array in arrays.items()}
    values, owners = ({name: each[k] for name, each in found.items()} for k in range(2))
    return CleaningReport(samples, values, owners)


def replace_non_finite(
    array: RaggedArray,
    partitions: tuple[Partition, ...],
    write: Callable[[NDArray[np.int64], NDArray[np.float32]], None],
) -> tuple[int, int]:
    """Replace every non-finite feature by the median of that feature over the finite frames of the train part.

    Samples without a label are of that part, too. The median is 0 where train has no finite frame. With several folds
    it is the train part of the fold that tests the sample, so that no test sample is filled in from its own test part.
    Without a partition all samples are train.

    ``write`` is called with frame positions ``(n,)`` and their new values ``(n, d)`` while the array is read, which may
    be on disk. Returns how many values were replaced, and in how many samples.
    """
    everyone = np.arange(len(array), dtype=np.int64)
    trains = [np.concatenate([each.train, each.unlabelled]) for each in partitions] or [everyone]
    tests = [everyone, *(partition.test for partition in partitions[1:])]
    affected = np.zeros(array.dim, dtype=bool)
    for _, rows in _bad_frames(array):
        affected |= ~np.isfinite(rows).all(axis=0)
    columns = np.flatnonzero(affected)
    medians = [_medians(array, train, columns) for train in trains] if len(columns) else []
    replaced, samples = 0, set[int]()
    for frames, rows in _bad_frames(array) if len(columns) else ():
        values, owners = rows[:, columns], array.owner(frames)
        missing = ~np.isfinite(values)
        # The first partition fills everything; each further fold fills again what it tests.
        for median, test in zip(medians, tests, strict=True):
            values = np.where(missing & np.isin(owners, test)[:, None], median, values)
        rows[:, columns] = values
        write(frames, rows)
        replaced += int(missing.sum())
        samples.update(owners.tolist())
    return replaced, len(samples)


def _bad_frames(array: RaggedArray) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield positions and values ``(n, d)`` of the frames with a value that is not finite, a part at a time."""
    start = 0
    for part in array.parts():
        bad = np.flatnonzero(~np.isfinite(part).all(axis=1))
        if len(bad):
            yield start + bad, part[bad]
        start += len(part)


def _medians(array: RaggedArray, train: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the medians of the finite train frames, some columns at a time: a column may be large, too."""
    found = np.zeros(len(columns), dtype=np.float32)
    width = max(1, _VALUES // max(1, int(array.lengths[train].sum())))
    for first in range(0, len(columns), width):
        chosen = columns[first : first + width]
        parts = [np.zeros((0, len(chosen)), dtype=np.float32)]
        parts += [array.take(rows).values[:, chosen] for rows in array.groups(train)]
        for k, column in enumerate(np.concatenate(parts).T):
            real = column[np.isfinite(column)]
            found[first + k] = np.median(real) if len(real) else 0.0
    return found
