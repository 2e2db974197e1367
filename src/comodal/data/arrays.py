"""A data set of one's own, from plain arrays or a pandas frame, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError, NoTask, Regression, Task
from comodal.data.checks import check
from comodal.data.cleaning import clean as repaired
from comodal.data.dataset import Dataset, describe
from comodal.data.ragged import RaggedArray, run_offsets
from comodal.data.splits import by_name, hide, random_division
from comodal.data.targets import is_missing, target_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_arrays", "from_frame", "of_arrays"]


def from_arrays(
    features: Mapping[str, Any],
    target: ArrayLike | None = None,
    *,
    id: ArrayLike | None = None,  # noqa: A002 - the name the column has everywhere
    group: ArrayLike | None = None,
    split: ArrayLike | None = None,
    task: Task | str | None = None,
    label_range: tuple[float, float] | None = None,
    names: Sequence[str] = (),
    name: str = "custom",
    seed: int = 0,
    clean: bool = False,
) -> Dataset:
    """Make a data set from arrays.

    Args:
        features: modality to ``(N, d)`` vectors, ``(N, T, d)`` sequences of one length, or a list of N sequences
            ``(T_i, d)``. ``None``, ``T_i = 0`` and a sample whose values are all NaN are an absent modality.
        target: ``(N,)`` labels: floats, names of classes, or truth values; ``(N, K)`` for several outputs or labels.
            Training samples whose label is NaN or ``None`` are unlabelled: the dependency measure sees them. Without
            any labels there is no task (:class:`comodal.NoTask`), and the dependency measure alone is trained on.
        id: ``(N,)`` sample ids; row numbers when ``None``.
        group: ``(N,)`` group, such as video or speaker, which never spans two splits; one per sample when ``None``.
        split: ``(N,)`` of train, valid, test, unlabelled; a random division of the groups (70, 10, 20 %) when ``None``.
        task: what is predicted, or its kind: ``regression``, ``sentiment``, ``binary``, ``multiclass``, ``multilabel``,
            perhaps with a range or classes (``regression:0,5``, ``binary:no,yes``). Chosen from the labels when
            ``None``; whole numbers need it.
        label_range: legal labels of a regression; the smallest and largest label given when ``None``.
        names: of several outputs or labels; numbers from 0 when empty.
        name: of the data set, in tables and errors.
        seed: of the random division.
        clean: repair non-finite features.

    Returns:
        A data set that has passed all checks.

    Raises:
        InputError: what is wrong with the arrays, and what to do.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> features = {"eeg": rng.normal(size=(50, 8)), "face": rng.normal(size=(50, 12, 4))}
        >>> dataset = from_arrays(features, rng.normal(size=50))
        >>> dict(dataset.spec.dims), dict(dataset.spec.max_lengths)
        ({'eeg': 8, 'face': 4}, {'eeg': 1, 'face': 12})
    """
    if target is None:
        task, target = _no_task(task, name), np.zeros(len(next(iter(features.values()), ())))
    task, labels = target_of(target, task, label_range=label_range, names=names, where=name)
    dataset = of_arrays(features, target=labels, id=id, group=group, task=task, name=name)
    groups = np.arange(len(dataset)) if group is None else dataset.group
    missing = is_missing(labels)
    if split is None:
        partition = random_division(groups, missing, seed=seed, classes=task.presence(labels))
    else:
        partition = hide(by_name(_names(split, f"{name}: split")), missing)
        if (named := sum(map(len, partition.splits.values()))) != len(dataset):
            raise InputError(
                f"{name}: split names {named} of {len(dataset)} samples; give one row per sample", code="mismatch"
            )
    dataset = replace(dataset, partitions=(partition,))
    dataset = dataset if task.predicts else dataset.without_labels()
    return check(repaired(dataset) if clean else dataset, source=name)


def of_arrays(
    features: Mapping[str, Any],
    *,
    target: ArrayLike | None = None,
    id: ArrayLike | None = None,  # noqa: A002
    group: ArrayLike | None = None,
    transcript: Sequence[str] | None = None,
    task: Task | None = None,
    name: str = "arrays",
) -> Dataset:
    """Make a data set from arrays without a partition, unchecked: samples to predict, perhaps without labels.

    Arguments are those of :func:`from_arrays`, and ``transcript``: N texts, which a language model reads.

    Raises:
        InputError: other shapes, no arrays, or different numbers of samples.
    """
    modalities = {modality: _ragged(values, f"{name}, features[{modality!r}]") for modality, values in features.items()}
    # With a task the target is encoded already.
    encoded = target if target is None or task is not None else Regression().encode(target, where=name)
    labels = None if encoded is None else np.asarray(encoded, np.float32)
    given: list[Sized] = [*modalities.values(), *([] if transcript is None else [transcript])]
    if not given:
        raise InputError(f"{name}: no features; give at least one modality", code="empty")
    count = len(given[0])
    ids = np.arange(count).astype(str) if id is None else _names(id, f"{name}: id")
    return Dataset(
        spec=describe(name, modalities, task=task),
        id=ids,
        group=ids if group is None else _names(group, f"{name}: group"),
        target=np.full(count, np.nan, np.float32) if labels is None else labels,
        modalities=modalities,
        partitions=(),
        transcript=None if transcript is None else np.asarray(transcript, dtype=object),
    )


def from_frame(
    frame: pd.DataFrame,
    *,
    features: Mapping[str, str | Sequence[str]],
    target: str | Sequence[str] | None = "label",
    id: str | None = None,  # noqa: A002
    group: str | None = None,
    split: str | None = None,
    task: Task | str | None = None,
    label_range: tuple[float, float] | None = None,
    name: str = "custom",
    seed: int = 0,
    clean: bool = False,
) -> Dataset:
    """Make a data set from a pandas frame, one row per sample.

    Args:
        frame: the table.
        features: modality to a list of numeric columns, or to one column that holds an array in every cell: ``(d,)``
            vectors or ``(T_i, d)`` sequences.
        target: column of the labels, or the columns of several outputs or labels; ``None`` for no task.
        id: column of the ids, row numbers when ``None``.
        group: column of the video or speaker.
        split: column of train, valid, test, unlabelled.
        task: as in :func:`from_arrays`, and so are ``label_range``, ``name``, ``seed`` and ``clean``.
        label_range: of a regression.
        name: of the data set.
        seed: of the random division.
        clean: repair what can be repaired.

    Returns:
        A data set that has passed all checks.

    Raises:
        InputError: an unknown column, or what :func:`from_arrays` finds wrong.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"a": range(20), "b": range(20, 40), "pitch": range(20), "label": range(20)})
        >>> features = {"text": ["a", "b"], "audio": ["pitch"]}
        >>> dataset = from_frame(frame, features=features, task="regression")
        >>> dict(dataset.spec.dims)
        {'text': 2, 'audio': 1}
    """
    facts = {"id": id, "group": group, "split": split}
    chosen = [*filter(None, (target, *facts.values())), *features.values()]
    for column in chain.from_iterable([each] if isinstance(each, str) else each for each in chosen):
        if column not in frame.columns:
            raise InputError.unknown("column", column, map(str, frame.columns), where=name)
    return from_arrays(
        {modality: _cells(frame, chosen) for modality, chosen in features.items()},
        None if target is None else frame[target if isinstance(target, str) else list(target)],
        **{fact: frame[column].to_numpy() for fact, column in facts.items() if column is not None},
        task=task,
        label_range=label_range,
        names=() if target is None or isinstance(target, str) else tuple(target),
        name=name,
        seed=seed,
        clean=clean,
    )


def _no_task(task: Task | str | None, where: str) -> NoTask:
    """Return the task of samples without labels; refuse another one."""
    if task not in {None, NoTask(), NoTask.kind}:
        raise InputError(f"{where}: a task, but no target; give the labels, or leave the task out", code="missing")
    return NoTask()


def _cells(frame: pd.DataFrame, chosen: str | Sequence[str]) -> Any:
    """Columns side by side, or the arrays in one column's cells: vectors stacked, sequences as a list."""
    if not isinstance(chosen, str):
        return frame[list(chosen)].to_numpy()
    return frame[[chosen]].to_numpy() if frame[chosen].dtype != object else frame[chosen].tolist()


def _ragged(values: Any, where: str) -> RaggedArray:
    """Return one modality of N samples, from any of the shapes that :func:`from_arrays` takes."""
    if isinstance(values, RaggedArray):
        return values
    if not isinstance(values, list | tuple):
        array = np.asarray(values)
        if array.ndim in {2, 3}:
            whole = RaggedArray.from_vectors if array.ndim == 2 else RaggedArray.from_dense
            return _without_nan(whole(array, where=where), where)
        if array.dtype != object or array.ndim != 1:
            shapes = "(N, d), (N, T, d) or a list of (T_i, d), for one feature values[:, None]"
            raise InputError(f"{where}: shape {array.shape}; give {shapes}", code="wrong_shape")
        values = array.tolist()
    if values and all(row is None for row in values):
        raise InputError(f"{where}: every sample lacks it; leave the modality out", code="empty")
    width = next((np.shape(row)[-1:] for row in values if row is not None), ())
    rows = [np.empty((0, *width)) if row is None else np.asarray(row) for row in values]
    vectors_as_frames = [row[None] if row.ndim == 1 else row for row in rows]
    found = RaggedArray.from_rows(vectors_as_frames, where=where)
    return _without_nan(found, where)


def _without_nan(array: RaggedArray, where: str) -> RaggedArray:
    """Return samples that are absent where all their values were NaN."""
    lost = np.isnan(array.values).all(axis=1)
    if not lost.any():
        return array
    real = np.bincount(array.owner(np.arange(len(lost)))[~lost], minlength=len(array))
    lengths = np.where(real > 0, array.lengths, 0)
    if not lengths.any():
        raise InputError(f"{where}: every sample lacks it; leave the modality out", code="empty")
    kept = np.repeat(real > 0, array.lengths)
    return RaggedArray(array.values[kept], run_offsets(lengths))


def _names(values: ArrayLike, where: str) -> NDArray[np.str_]:
    """Return names as text; a missing name must not become a name."""
    array = np.asarray(values)
    if array.dtype.kind in "fO":
        # NaN, and pandas' and Python's missing values, are the ones that differ from themselves or are None.
        missing = [value is None or str(value) in {"nan", "<NA>", "NaT"} for value in array.tolist()]
        if any(missing):
            raise InputError(f"{where} is missing in row {missing.index(True)}; give every sample one", code="missing")
    return array.astype(str)
