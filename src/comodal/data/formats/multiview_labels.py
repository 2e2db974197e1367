"""The labels of a multi-view set: which arrays they are, and their tasks where the set says so.

Axis legend: N samples, K outputs or labels of a sample.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import Binary, InputError, Multiclass, Multilabel, Sentiment, Task
from comodal.data.formats.interface import Label
from comodal.data.formats.label_fields import amounts
from comodal.data.formats.texts import damaged
from comodal.data.targets import target_of, task_named

__all__ = [
    "NAMES",
    "README",
    "USUAL",
    "declared_tasks",
    "declared_views",
    "default_label",
    "known_names",
    "labels_of",
]

NAMES = "_names"
"""After the name of a label, an array with the names of its classes or outputs."""

README = "README.md"
USUAL = ("label", "labels", "target", "sentiment", "emotion", "emotions")
"""Names of labels, which are no views whatever their shape; the first one that is there is predicted."""

_CLASSES = re.compile(r"^\W*task: classification\b", re.IGNORECASE | re.MULTILINE)
_VIEWS = re.compile(r"^\W*views: ([^.\n]+)", re.IGNORECASE | re.MULTILINE)
_MOST_TEXT = 1 << 16

# Sets whose own files do not say it; the first label of each is its default.
_TASKS: Mapping[str, Mapping[str, str]] = {
    "meld": {"emotion": "multiclass", "sentiment": "multiclass"},
    "mustard_pp": {"sarcasm": "binary", "valence": "regression:1,9", "arousal": "regression:1,9"},
}

# Of outputs that a set does not name; the order is that of the same videos in mosei_text.
_OUTPUTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "mosei_video922": {"emotion": ("happy", "sad", "anger", "surprise", "disgust", "fear")},
}

Columns = dict[str, NDArray[Any]]


def declared_tasks(file: Path) -> dict[str, str]:
    """Return label to task, as far as the name of a set or the README beside its file declare it."""
    known = dict(_TASKS.get(file.parent.name, {}))
    return {"label": Multiclass.kind, **known} if _CLASSES.search(_readme(file)) else known


def declared_views(file: Path) -> frozenset[str]:
    """Return the first word of each item in the line ``Views:`` of the README beside a file, up to a full stop."""
    found = _VIEWS.search(_readme(file))
    items = found[1].split(",") if found else []
    return frozenset(word for item in items for word in item.split()[:1])


def _readme(file: Path) -> str:
    try:
        with file.with_name(README).open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_MOST_TEXT)
    except OSError:
        return ""


def known_names(file: Path) -> dict[str, NDArray[np.str_]]:
    """Return label to the names of its outputs, of sets whose file lacks them."""
    return {name: np.array(outputs) for name, outputs in _OUTPUTS.get(file.parent.name, {}).items()}


def default_label(labels: Mapping[str, Label], declared: Mapping[str, str]) -> str:
    """Return the name of the label that is predicted unless another is chosen; empty where nothing says which."""
    usual = [name for name in (*declared, *USUAL) if name in labels]
    return next(iter(usual or (labels if len(labels) == 1 else [])), "")


def labels_of(
    arrays: Mapping[str, NDArray[Any]], names: Mapping[str, NDArray[Any]], declared: Mapping[str, str], where: Path
) -> tuple[Columns, dict[str, Label]]:
    """Return the columns of labels, and the labels by name; the empty name where nothing says which is predicted.

    Args:
        arrays: name of each label to its values, ``(N,)`` or ``(N, K)``.
        names: name of a label to the names of its classes or outputs.
        declared: name of a label to its task.
        where: the file, for errors.
    """
    columns: Columns = {}
    labels: dict[str, Label] = {}
    for name, values in arrays.items():
        place = f"{where}, {name}"
        given = None if name not in names else tuple(map(str, names[name].tolist()))
        if values.ndim == 2:
            held, found = _several(name, values, given, place)
        else:
            held, found = _single(name, values, given, declared.get(name), place)
        columns |= held
        labels |= {key: each for key, each in found.items() if key == name or key not in {*arrays, *labels}}
    return columns, labels if default_label(labels, declared) else {**labels, "": Label()}


def _single(
    name: str, values: NDArray[Any], classes: tuple[str, ...] | None, declared: str | None, where: str
) -> tuple[Columns, dict[str, Label]]:
    task: Task | None = None
    if classes is not None and values.dtype.kind in "iub":
        if values.size and not (values.min() >= 0 and values.max() < len(classes)):
            problem = f"a class outside 0 to {len(classes) - 1}, the {len(classes)} that are named"
            raise damaged(where, problem, remedy="name every class", code="out_of_range")
        values = np.array(classes)[values.astype(np.int64)]
        task = Binary(classes) if len(classes) == 2 else Multiclass(classes)
    elif declared is not None:
        kind = task_named(declared)
        if kind == Multiclass.kind and len(np.unique(values)) == 2:
            kind = Binary.kind
        task, _ = target_of(values, kind, where=where)
    elif values.dtype.kind == "f" and name == Sentiment.kind and not (np.abs(values) > 3).any():
        task = Sentiment()
    elif values.dtype.kind not in "iu":
        with contextlib.suppress(InputError):  # it is reported when this label is chosen
            task, _ = target_of(values, where=where)
    return {name: values}, {name: Label((name,), task)}


def _several(
    name: str, values: NDArray[Any], outputs: tuple[str, ...] | None, where: str
) -> tuple[Columns, dict[str, Label]]:
    """Return several outputs: labels where all are 0 or 1, or amounts from 0 of known names, also a regression."""
    named, outputs = bool(outputs) or name in USUAL, outputs or tuple(map(str, range(values.shape[1])))
    if len(outputs) != values.shape[1]:
        problem = f"{values.shape[1]} columns and {len(outputs)} names"
        raise damaged(where, problem, remedy="name every column", code="mismatch")
    numbers = values.astype(np.float64)
    present = bool(np.isin(numbers[np.isfinite(numbers)], (0, 1)).all())
    held = {f"{name}.{each}": column for each, column in zip(outputs, (numbers if present else values).T, strict=True)}
    if present or not named or values.dtype.kind != "f" or np.isinf(numbers).any() or np.nanmin(numbers) != 0:
        return held, {name: Label(tuple(held), Multilabel(outputs) if present else None, outputs)}
    return held, amounts(name, dict(zip(outputs, held, strict=True)), float(np.nanmax(numbers)))
