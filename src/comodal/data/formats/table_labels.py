"""The label column of a user's table: numbers, or names of classes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Regression, Sentiment, Task
from comodal.data.formats.interface import Label
from comodal.data.formats.numeric import floats
from comodal.data.formats.table_file import Table, guessed, is_number, numbers, numbers_in
from comodal.data.targets import are_whole, target_of

__all__ = ["TableLabels", "labels_among"]


@dataclass(frozen=True, eq=False)
class TableLabels:
    """The labels of the rows ``(N,)`` of a table, and the column that holds names of classes."""

    target: NDArray[np.float32]
    task: Task = field(default_factory=Sentiment)
    labels: Mapping[str, Label] = field(default_factory=dict)
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fact: str = ""


def _labels_in(table: Table, name: str) -> TableLabels:
    """Return the labels in a column; all are missing where there is only one class."""
    classes = _classes(table.columns[name])
    if classes is None:
        return _numbers(table, name)
    target, own = _no_label(table), None
    with contextlib.suppress(InputError):  # one class only, which is reported when the label is used
        own, target = target_of(classes, where=table.at(name))
    return TableLabels(target, own or Sentiment(), {name: Label((name,), own)}, {name: classes})


def _numbers(table: Table, name: str) -> TableLabels:
    values, cells = numbers_in(table, name), guessed(table.columns[name])
    held = values if cells.dtype.kind == "U" else cells
    target = floats(values, where=table.at(name), what="labels")
    task = _task(name, target, held)
    if task is None:
        return TableLabels(_no_label(table), labels={name: Label((name,))}, columns={name: held})
    low, high = task.label_range
    fact = f"{low:g} to {high:g}, from the labels"
    return TableLabels(target, task, {name: Label((name,), task)}, {name: held}, fact)


def _classes(cells: NDArray[Any]) -> NDArray[Any] | None:
    """Return truth values or names of classes; ``None`` where some cell is a number, or all are missing."""
    if cells.dtype.kind == "b":
        return cells
    if cells.dtype.kind != "U":
        return None
    names = np.char.strip(cells)
    _, stranger = numbers(names.tolist())
    return None if stranger is None or any(is_number(each) for each in names.tolist()) else names


def _task(name: str, target: NDArray[np.float32], cells: NDArray[Any]) -> Task | None:
    """Return sentiment for labels of both signs within -3 and 3, or of that name; ``None`` for whole numbers."""
    finite = target[np.isfinite(target)]
    low, high = Sentiment().label_range
    if not finite.size:
        return Sentiment()
    legal = finite.min() >= low and finite.max() <= high
    if legal and name == Sentiment.kind:
        return Sentiment()
    if are_whole(cells):
        return None
    if legal and finite.min() < 0 < finite.max():
        return Sentiment()
    low, high = float(np.floor(finite.min())), float(np.ceil(finite.max()))
    return Regression(low, high) if low < high else Sentiment()


def labels_among(table: Table, names: Sequence[str]) -> TableLabels:
    """Return the labels of the only column that may be one; of several, all are missing until one is chosen by name."""
    found = [_labels_in(table, name) for name in names]
    if len(found) < 2:
        return next(iter(found), TableLabels(_no_label(table)))
    labels = {name: label for each in found for name, label in each.labels.items()}
    columns = {name: column for each in found for name, column in each.columns.items()}
    return TableLabels(_no_label(table), labels={**labels, "": Label()}, columns=columns)


def _no_label(table: Table) -> NDArray[np.float32]:
    return np.full(len(table.lines), np.nan, dtype=np.float32)
