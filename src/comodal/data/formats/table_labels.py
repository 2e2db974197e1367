"""The label column of a user's table: numbers, or names of classes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Sentiment, Task
from comodal.contracts.tasks import regression_on
from comodal.data.formats.interface import Label
from comodal.data.formats.numeric import floats
from comodal.data.formats.table_file import Table, is_number, numbers, numbers_in
from comodal.data.targets import target_of

__all__ = ["TableLabels", "labels_in"]


@dataclass(frozen=True, eq=False)
class TableLabels:
    """The labels of the rows ``(N,)`` of a table, and the column that holds names of classes."""

    target: NDArray[np.float32]
    task: Task = field(default_factory=Sentiment)
    labels: Mapping[str, Label] = field(default_factory=dict)
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fact: str = ""


def labels_in(table: Table, name: str | None) -> TableLabels:
    """Return the labels in a column; all are missing where there is none, or only one class."""
    missing = np.full(len(table.lines), np.nan, dtype=np.float32)
    if name is None:
        return TableLabels(missing)
    classes = _classes(table.columns[name])
    if classes is None:
        target = floats(numbers_in(table, name), where=table.at(name), what="labels")
        task: Task = regression_on(_label_range(target))
        low, high = task.label_range
        return TableLabels(target, task, {name: Label(task=task)}, fact=f"{low:g} to {high:g}, from the labels")
    target, own = missing, None
    with contextlib.suppress(InputError):  # one class only, which is reported when the label is used
        own, target = target_of(classes, where=table.at(name))
    return TableLabels(target, own or Sentiment(), {name: Label((name,), own)}, {name: classes})


def _classes(cells: NDArray[Any]) -> NDArray[np.str_] | None:
    """Return names of classes; ``None`` where some cell is a number, or all are missing."""
    if cells.dtype.kind != "U":
        return None
    names = np.char.strip(cells)
    _, stranger = numbers(names.tolist())
    return None if stranger is None or any(is_number(each) for each in names.tolist()) else names


def _label_range(labels: NDArray[np.float32]) -> tuple[float, float]:
    finite = labels[np.isfinite(labels)]
    low, high = Sentiment().label_range
    if not finite.size or (finite.min() >= low and finite.max() <= high):
        return low, high
    return float(np.floor(finite.min())), float(np.ceil(finite.max()))
