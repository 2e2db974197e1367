"""Repair what can be repaired by a stated rule, and count it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comodal.data.cleaning_report import CleaningReport
from comodal.data.dataset import Dataset, Partition
from comodal.data.ragged import RaggedArray

__all__ = ["clean"]


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
    modalities = {name: _fill(array, kept.partitions) for name, array in kept.modalities.items()}
    report = CleaningReport(
        utterances=len(kept),
        dropped=dropped,
        clipped_labels=int((target != kept.target).sum()),
        replaced_values={name: int((~np.isfinite(a.values)).sum()) for name, a in kept.modalities.items()},
        replaced_utterances={name: _bad_utterances(array) for name, array in kept.modalities.items()},
    )
    return replace(kept, target=target, modalities=modalities, cleaning=report), report


def _bad_utterances(array: RaggedArray) -> int:
    return len(np.unique(array.owner(np.flatnonzero(~np.isfinite(array.values).all(axis=1)))))


def _fill(array: RaggedArray, partitions: tuple[Partition, ...]) -> RaggedArray:
    """Replace non-finite values by medians of the train part."""
    if np.isfinite(array.values).all():
        return array
    values = array.values.copy()
    owner = array.owner(np.arange(len(values)))
    for number, partition in enumerate(partitions):
        bad = ~np.isfinite(array.values)
        # The first partition fills everything; each further fold fills again what it tests.
        if number:
            bad &= np.isin(owner, partition.test)[:, None]
        columns = np.flatnonzero(bad.any(axis=0))
        medians = _medians(array.take(partition.train).values, columns)
        values[:, columns] = np.where(bad[:, columns], medians, values[:, columns])
    return array.with_values(values)


def _medians(values: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    found = np.zeros(len(columns), dtype=np.float32)
    for k, column in enumerate(columns):
        finite = values[:, column][np.isfinite(values[:, column])]
        found[k] = np.median(finite) if len(finite) else 0.0
    return found
