"""The label columns of a file: which are offered, the one that is predicted unless another is chosen, and their values.

Axis legend: N samples, K label columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import Binary, InputError, Multiclass, Multilabel, Regression, Sentiment, Task
from comodal.data.formats.interface import Label, Source
from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.texts import damaged

__all__ = [
    "Fields",
    "LabelValues",
    "amounts",
    "fields_of",
    "label_values",
    "numbered_classes",
    "offering",
    "shared_fields",
]

_INTENSITY = "_intensity"  # after the name of labels that are amounts, the same as a regression
_EMOTION, _ALL = "emotion", "labels"
_STRONGEST = 3.0
_MOSEI = ("happy", "sad", "anger", "surprise", "disgust", "fear")
_IEMOCAP = ("neutral", "happy", "sad", "angry")
"""Names by width, of columns that the files of the field do not name."""


@dataclass(frozen=True)
class Fields:
    """Names of label columns: the one that is predicted unless another is chosen, empty for none, and the others."""

    own: str
    others: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, Label]:
        """Every label that the columns offer, by name."""
        own = {self.own: Label(task=Sentiment() if self.own else None)}
        columns = dict(zip(self.others, self.others, strict=True))
        if self.others == _MOSEI:
            return own | amounts(_EMOTION, columns, _STRONGEST)
        if self.others == _IEMOCAP:
            own |= {_EMOTION: Label(self.others, Multilabel(self.others), self.others)}
        elif self.others:
            own |= {_ALL: Label(self.others, names=self.others)}
        return own | {name: Label((name,)) for name in self.others}


def amounts(name: str, columns: Mapping[str, str], high: float) -> dict[str, Label]:
    """Return the labels of amounts from 0, such as how strong each emotion is.

    They are labels that are present where above 0, a regression of several outputs, and each of them alone.

    Args:
        name: of the labels together.
        columns: name of each to its column.
        high: the largest legal amount.
    """
    held, names = tuple(columns.values()), tuple(columns)
    return {
        name: Label(held, Multilabel(names), names, amounts=True),
        name + _INTENSITY: Label(held, Regression(0.0, high, names), names, amounts=True),
        **{each: Label((column,), Regression(0.0, high), amounts=True) for each, column in columns.items()},
    }


def offering(source: Source, fields: Fields, more: Mapping[str, Label] | None = None) -> Source:
    """Return a source that offers the label columns of its blocks, and perhaps more labels."""
    labels = {**fields.labels, **(more or {})}
    return replace(source, task=labels[fields.own].task or source.task, label=fields.own, labels=labels)


@dataclass(frozen=True, eq=False)
class LabelValues:
    """Labels as a file has them."""

    target: NDArray[np.float32]  # (N,) what is predicted by default, NaN where missing or none is
    columns: Mapping[str, NDArray[Any]]  # the others
    fields: Fields
    said: str = ""  # what was decided, if anything

    def __len__(self) -> int:
        return len(self.target)

    @property
    def normalised(self) -> dict[str, int]:
        """What was decided, to the number of samples."""
        return {self.said: len(self)} if self.said and len(self) else {}


def label_values(labels: Any, *, where: str) -> LabelValues:
    """Return the columns of labels.

    They are ``(N,)``, ``(N, 1)`` or ``(N, 1, 1)`` of sentiment; ``(N, K)`` or ``(N, 1, K)``; or ``(N, K, 2)``, whose
    second number is 1 where a label is present.
    """
    found = numeric(labels, where=where, what="labels")
    fields = fields_of(found.shape, where=where)
    if fields.own or not _is_pairs(found.shape):
        table = found.reshape(len(found), math.prod(found.shape[1:]))
    elif np.isin(found, (0, 1)).all() and (found.sum(axis=2) == 1).all():
        table = found[:, :, 1].astype(np.int64)
    else:
        raise damaged(where, "pairs that are not (1, 0) or (0, 1)", remedy="give (N, K) labels", code="wrong_shape")
    names = (fields.own, *fields.others) if fields.own else fields.others
    columns = dict(zip(names, table.T, strict=True))
    own = columns.pop(fields.own, None)
    target = np.full(len(found), np.nan, dtype=np.float32) if own is None else floats(own, where=where)
    said = f"the first of {len(names)} label columns was taken as sentiment" if fields.own and columns else ""
    return LabelValues(np.ascontiguousarray(target), columns, fields, said)


def fields_of(shape: Sequence[int], *, where: str) -> Fields:
    """Return the names of the columns of labels of a shape; those that nothing names are numbered from 0."""
    each = tuple(shape[1:])
    if shape and each in {(), (1,), (1, 1)}:
        return Fields("sentiment")
    if _is_pairs(shape):
        return Fields("", _IEMOCAP if each[0] == len(_IEMOCAP) else tuple(map(str, range(each[0]))))
    width = each[-1] if len(each) == 1 or (len(each) == 2 and each[0] == 1) else 0
    if not width:
        remedy = "give (N,), (N, 1, 1), or (N, K) for K labels"
        raise damaged(where, f"labels have shape {tuple(shape)}", remedy=remedy, code="wrong_shape")
    return Fields("sentiment", _MOSEI) if width == 1 + len(_MOSEI) else Fields("", tuple(map(str, range(width))))


def numbered_classes(labels: NDArray[np.float32]) -> Task:
    """Return classes by number where the labels are such, else sentiment."""
    known = labels[np.isfinite(labels)]
    last = known.max(initial=1.0)
    if (known % 1 != 0).any() or (known < 0).any():
        return Sentiment()
    if last >= max(2, len(labels)):  # too many for classes
        return Regression(0.0, float(last))
    names = tuple(map(str, range(int(last) + 1)))
    return Binary(names) if len(names) == 2 else Multiclass(names)


def _is_pairs(shape: Sequence[int]) -> bool:
    return len(shape) == 3 and shape[1] > 1 and shape[2] == 2


def shared_fields(parts: Mapping[str, Fields]) -> Fields:
    """Return the columns that all parts of a file have, from the place of each to its own."""
    first, fields = next(iter(parts.items()))
    for where, each in parts.items():
        if each.own != fields.own or (each.others != fields.others and not each.own):
            problem = f"{_counted(each)} and {_counted(fields)} in {first}"
            raise InputError(f"{where}: {problem}; give every part the same labels", code="mismatch")
    common = set(fields.others).intersection(*(each.others for each in parts.values()))
    return Fields(fields.own, tuple(name for name in fields.others if name in common))


def _counted(fields: Fields) -> str:
    names: Iterable[str] = filter(None, (fields.own, *fields.others))
    return f"labels {', '.join(names)}"
