"""The task and the target of raw labels: chosen from the labels where they say it, else as declared."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import Binary, InputError, Multiclass, Multilabel, NoTask, Regression, Sentiment, Task
from comodal.contracts.tasks import TASKS, task_from_dict
from comodal.contracts.tasks.task import class_name, one_class_each

__all__ = ["are_whole", "is_missing", "listed", "target_of", "task_named"]

_FEW = 5
"""Numbers that a question shows."""

_LONG_NAME = 4
"""Letters of a name that may be misspelt: of shorter ones many are alike."""


def target_of(
    labels: ArrayLike,
    task: Task | str | None = None,
    *,
    label_range: tuple[float, float] | None = None,
    names: Sequence[str] = (),
    where: str,
) -> tuple[Task, NDArray[np.float32]]:
    """Return the task of labels, and their target: float32 with NaN for missing labels, classes as numbers from 0.

    Text and truth values are classes, floats a regression. Whole numbers, also as floats beside missing ones, may be
    either, so the task must be declared.

    Args:
        labels: ``(N,)``, or ``(N, K)`` for several outputs or labels; ``None`` and NaN are missing.
        task: the task, or what :func:`task_named` takes; of a kind alone, the classes are those that occur.
        label_range: of a regression; the smallest and largest label when ``None``.
        names: of the K outputs or labels; numbers from 0 when empty.
        where: names the labels in errors.

    Raises:
        InputError: a task that the labels do not have, whole numbers or probabilities without a task, or a class that
            may be misspelt in one row.

    Example:
        >>> target_of(["yes", "no", None, "yes"], where="toy")
        (Binary(names=('no', 'yes')), array([ 1.,  0., nan,  1.], dtype=float32))
        >>> target_of([4, 5, 4], "regression", where="toy")[0]
        Regression(low=4.0, high=5.0, names=())
    """
    if hasattr(labels, "to_numpy"):  # pandas, whose own conversion makes floats of whole numbers beside missing ones
        labels = labels.to_numpy(dtype=object, na_value=None)
    task = task_named(task) if isinstance(task, str) else task
    if isinstance(task, Task):
        task = replace(task, names=tuple(names)) if isinstance(task, Regression) and names else task
        return task, task.encode(labels, where=where)
    given = np.asarray(labels) if not np.ma.isMaskedArray(labels) else np.ma.asarray(labels)
    if given.ndim == 2 and given.shape[1] == 1:
        raise InputError(
            f"{where}: target has shape {given.shape}; give (N,), one label per sample", code="wrong_shape"
        )
    kind = _kind(given, where) if task is None else task
    if task is None and kind == Regression.kind:
        _require_no_probabilities(given, where)
    found = _task(kind, given, label_range, names, where)
    return found, found.encode(given, where=where)


def task_named(text: str) -> Task | str:
    """Return the task that an option names: a kind alone, or with its classes, or a regression with its range; or none.

    Raises:
        InputError: an unknown kind, or details that it does not have.

    Example:
        >>> task_named("multiclass"), task_named("multiclass:joy,anger,fear"), task_named("regression:0,5")
        ('multiclass', Multiclass(names=('joy', 'anger', 'fear')), Regression(low=0.0, high=5.0, names=()))
    """
    kind, separator, details = text.partition(":")
    if kind not in TASKS:
        raise InputError.unknown("task", kind, TASKS)
    given = listed(details) or ("",)
    if not separator:
        return NoTask() if kind == NoTask.kind else kind
    if kind in {Binary.kind, Multiclass.kind, Multilabel.kind}:
        return task_from_dict({"kind": kind, "names": given})
    if kind in {Sentiment.kind, NoTask.kind}:
        raise InputError(f"task {text!r}: {kind} has no details; write {kind} alone", code="conflict")
    try:
        low, high = map(float, given)
    except ValueError as error:
        raise InputError(
            f"task {text!r}: give the smallest and the largest label, as in regression:0,5", code="invalid"
        ) from error
    return Regression(low, high)


def listed(text: str) -> tuple[str, ...]:
    """Return names separated by commas; one with a comma stands in double quotes.

    Example:
        >>> listed('yes, "no, never"')
        ('yes', 'no, never')
    """
    return tuple(each.strip() for row in csv.reader([text], skipinitialspace=True) for each in row)


def is_missing(target: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(N,)`` whether a sample has no label.

    Example:
        >>> is_missing(np.array([[1, 0], [np.nan, np.nan]], dtype=np.float32)).tolist()
        [False, True]
    """
    return np.asarray(np.isnan(target if target.ndim == 2 else target[:, None]).any(axis=1))


def _kind(labels: NDArray[Any], where: str) -> str:
    known = [each for each in labels.ravel().tolist() if class_name(each) is not None]
    if known and all(isinstance(each, str | bool) for each in known):
        if labels.ndim == 2:
            return Multilabel.kind
        return Binary.kind if len({class_name(each) for each in known}) == 2 else Multiclass.kind
    if are_whole(labels):
        found = sorted({int(each) for each in known})
        first = ", ".join(map(str, found[:_FEW])) + ", ..." * (len(found) > _FEW)
        raise InputError(
            f"{where}: labels are whole numbers ({first}), classes or amounts; give task='multiclass' "
            "('binary', 'multilabel') or task='regression' (--task)",
            code="missing",
        )
    return Regression.kind


def are_whole(labels: NDArray[Any]) -> bool:
    """Return whether labels are whole numbers, classes or amounts; also as floats, which missing ones make of them.

    Example:
        >>> [are_whole(np.array(each)) for each in ([1, 2], [1.0, 2.0], [1.0, np.nan], [True])]
        [True, False, True, False]
    """
    given = labels.ravel().tolist()
    known = [each for each in given if class_name(each) is not None]
    if not known or any(isinstance(each, bool) or not isinstance(each, Real) for each in known):
        return False
    some_missing = len(known) < len(given)
    return all(isinstance(each, Integral) or (some_missing and float(each).is_integer()) for each in known)


def _require_no_probabilities(labels: NDArray[Any], where: str) -> None:
    if labels.ndim != 2:
        return
    values = Regression(names=tuple(map(str, range(labels.shape[1])))).encode(labels, where=where)
    known = values[np.isfinite(values).all(axis=1)]
    if len(known) and (known >= 0).all() and np.allclose(known.sum(axis=1), 1.0, atol=1e-3):
        raise InputError(
            f"{where}: every row of labels adds up to 1, as probabilities of classes do; give the class of each sample "
            "(the largest, argmax(1)), or task='regression' (--task)",
            code="invalid",
        )


def _task(
    kind: str, labels: NDArray[Any], label_range: tuple[float, float] | None, names: Sequence[str], where: str
) -> Task:
    if label_range is not None and kind != Regression.kind:
        raise InputError(f"{where}: a label range {label_range} with task {kind!r}; leave one out", code="conflict")
    outputs = tuple(names) or (tuple(f"{k}" for k in range(labels.shape[1])) if labels.ndim == 2 else ())
    if kind == Sentiment.kind:
        return Sentiment()
    if kind == Regression.kind:
        low, high = label_range or _span(Regression(names=outputs).encode(labels, where=where), where)
        return Regression(float(low), float(high), outputs)
    if kind == Multilabel.kind:
        return Multilabel(outputs)
    one_class_each(labels, where)
    _require_no_fraction(labels, where)
    _require_no_slip(labels, where)
    found = _class_names(labels)
    if len(found) == 1:
        raise InputError(f"{where}: all labels are {found[0]!r}; there is nothing to learn", code="invalid")
    return (Binary if kind == Binary.kind else Multiclass)(found)


def _require_no_fraction(labels: NDArray[Any], where: str) -> None:
    for each in labels.tolist():
        if isinstance(each, float) and math.isfinite(each) and not each.is_integer():
            raise InputError(
                f"{where}: {each:g} is not a class; give names or whole numbers, or task='regression'",
                code="wrong_type",
            )


def _require_no_slip(labels: NDArray[Any], where: str) -> None:
    """Refuse a class of one sample whose name is nearly that of another class, which has several."""
    names = [class_name(each) for each in labels.tolist()]
    counts = Counter(name for name in names if name is not None)
    several = [name for name, count in counts.items() if count > 1]
    for name in (each for each, count in counts.items() if count == 1):
        for other in several:
            if _nearly_alike(name, other):
                raise InputError(
                    f"{where}, row {names.index(name)}: class {name!r} is there once; did you mean {other!r}, which is "
                    f"there {counts[other]} times? correct it, or name all classes (--task multiclass:{other},...)",
                    code="unknown_name",
                )


def _nearly_alike(name: str, other: str) -> bool:
    """Return whether names differ in their case, or by one letter that is another, too many, lacking or swapped."""
    a, b = name.strip().casefold(), other.strip().casefold()
    if a == b:
        return True
    start = _alike(a, b)
    end = _alike(a[start:][::-1], b[start:][::-1])
    rest, more = a[start : len(a) - end], b[start : len(b) - end]
    close = max(len(rest), len(more)) == 1 or (len(rest) == 2 and rest == more[::-1])
    return close and len(b) >= _LONG_NAME and not any(each.isdigit() for each in rest + more)


def _alike(a: str, b: str) -> int:
    """Return the number of letters that two names begin with."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _class_names(labels: NDArray[Any]) -> tuple[str, ...]:
    """Return the names of the classes that occur: numbers by value, text by alphabet."""
    found = {name for each in labels.tolist() if (name := class_name(each)) is not None}
    numeric = all(each.lstrip("-").isdigit() for each in found)
    return tuple(sorted(found, key=int if numeric else str))


def _span(target: NDArray[np.float32], where: str) -> tuple[float, float]:
    finite = target[np.isfinite(target)]
    if not len(finite):
        raise InputError(f"{where}: no label is a finite number; give a target of floats", code="not_finite")
    if finite.min() == finite.max():
        raise InputError(f"{where}: all labels are {finite[0]:g}; there is nothing to learn", code="invalid")
    return float(finite.min()), float(finite.max())
