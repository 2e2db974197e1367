"""The task and the target of raw labels: chosen from the labels where they say it, else as declared."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import Binary, InputError, Multiclass, Multilabel, Regression, Sentiment, Task
from comodal.contracts.tasks import TASKS
from comodal.contracts.tasks.class_tasks import class_name

__all__ = ["is_missing", "target_of", "task_named"]


def target_of(
    labels: ArrayLike,
    task: Task | str | None = None,
    *,
    label_range: tuple[float, float] | None = None,
    names: Sequence[str] = (),
    where: str,
) -> tuple[Task, NDArray[np.float32]]:
    """Return the task of labels, and their target: float32 with NaN for missing labels, classes as numbers from 0.

    Text and truth values are classes, floats a regression. Whole numbers may be either, so the task must be declared.

    Args:
        labels: ``(N,)``, or ``(N, K)`` for several outputs or labels; ``None`` and NaN are missing.
        task: the task, or the name of its kind, whose classes are those that occur.
        label_range: of a regression; the smallest and largest label when ``None``.
        names: of the K outputs or labels; numbers from 0 when empty.
        where: names the labels in errors.

    Raises:
        InputError: a task that the labels do not have, or whole numbers without a task.

    Example:
        >>> target_of(["yes", "no", None, "yes"], where="toy")
        (Binary(names=('no', 'yes')), array([ 1.,  0., nan,  1.], dtype=float32))
        >>> target_of([4, 5, 4], "regression", where="toy")[0]
        Regression(low=4.0, high=5.0, names=())
    """
    if hasattr(labels, "to_numpy"):  # pandas, whose own conversion makes floats of whole numbers beside missing ones
        labels = labels.to_numpy(dtype=object, na_value=None)
    if isinstance(task, Task):
        return task, task.encode(labels, where=where)
    given = np.asarray(labels) if not np.ma.isMaskedArray(labels) else np.ma.asarray(labels)
    if given.ndim == 2 and given.shape[1] == 1:
        raise InputError(
            f"{where}: target has shape {given.shape}; give (N,), one label per sample", code="wrong_shape"
        )
    kind = _kind(given, where) if task is None else task
    if kind not in TASKS:
        raise InputError.unknown("task", kind, TASKS)
    found = _task(kind, given, label_range, names, where)
    return found, found.encode(given, where=where)


def task_named(text: str) -> Task | str:
    """Return the task that an option names: a kind alone, or with its classes, or a regression with its range.

    Raises:
        InputError: an unknown kind, or details that it does not have.

    Example:
        >>> task_named("multiclass"), task_named("multiclass:joy,anger,fear"), task_named("regression:0,5")
        ('multiclass', Multiclass(names=('joy', 'anger', 'fear')), Regression(low=0.0, high=5.0, names=()))
    """
    kind, separator, details = text.partition(":")
    if kind not in TASKS:
        raise InputError.unknown("task", kind, TASKS)
    given = tuple(each.strip() for each in details.split(","))
    if not separator:
        return kind
    classes: dict[str, Callable[[tuple[str, ...]], Task]]
    classes = {Binary.kind: Binary, Multiclass.kind: Multiclass, Multilabel.kind: Multilabel}
    if kind in classes:
        return classes[kind](given)
    if kind == Sentiment.kind:
        raise InputError(f"task {text!r}: sentiment is from -3 to 3; write sentiment alone", code="conflict")
    try:
        low, high = map(float, given)
    except ValueError as error:
        raise InputError(
            f"task {text!r}: give the smallest and the largest label, as in regression:0,5", code="invalid"
        ) from error
    return Regression(low, high)


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
    if known and all(isinstance(each, int) and not isinstance(each, bool) for each in known):
        first = ", ".join(sorted({str(each) for each in known})[:5])
        raise InputError(
            f"{where}: labels are whole numbers ({first}, ...), classes or amounts; give task='multiclass' "
            "('binary', 'multilabel') or task='regression' (--task)",
            code="missing",
        )
    return Regression.kind


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
    if labels.ndim != 1:
        raise InputError(
            f"{where}: target has shape {labels.shape}; give (N,), one class per sample, or task='multilabel'",
            code="wrong_shape",
        )
    _require_no_fraction(labels, where)
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
