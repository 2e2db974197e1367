"""Prediction of classes: one of two, one of several, or any of several labels.

Axis legend: N samples, B samples of a batch, K classes or labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from comodal.contracts.errors import InputError
from comodal.contracts.tasks.task import (
    Array,
    Task,
    class_name,
    numbers_of,
    one_class_each,
    per_sample,
    require_names,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Binary", "Multiclass", "Multilabel", "class_probabilities"]


_SHOWN = ("accuracy", "macro_f1", "auroc", "log_loss")
_REPORTED = (*_SHOWN, "balanced_accuracy", "weighted_f1", "auprc", "brier", "calibration_error")
_BREAKDOWN = ("precision", "recall", "f1", "support")
_DIAGNOSTICS = ("confusion", "reliability")


@dataclass(frozen=True)
class _Classes(Task):
    names: tuple[str, ...]

    noun = "class"
    breakdown = _BREAKDOWN
    diagnostics = _DIAGNOSTICS

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self.names

    @property
    def label_range(self) -> tuple[float, float]:
        """Numbers of the first and the last class."""
        return 0.0, float(len(self.names) - 1)

    def encode(self, labels: npt.ArrayLike, *, where: str) -> npt.NDArray[np.float32]:
        """Return the number of each label's class.

        Whole numbers from 0 are the numbers of classes whose names are none.

        Raises:
            InputError: a label that is not the name of a class, or several values a sample.

        Example:
            >>> task = Binary(("no", "yes"))
            >>> task.encode(["yes", None, "no"], where="toy").tolist(), task.encode([1, 0], where="toy").tolist()
            ([1.0, nan, 0.0], [1.0, 0.0])
        """
        given = [class_name(label) for label in one_class_each(labels, where).tolist()]
        number = {name: float(k) for k, name in enumerate(self.names)}
        numbered = {str(k): float(k) for k in range(len(self.names))}
        if not number.keys() & numbered.keys() and {*given} - {None} <= numbered.keys():
            number = numbered
        found = []
        for row, name in enumerate(given):
            if name is not None and name not in number:
                raise InputError.unknown("class", name, self.names, where=f"{where}, row {row}")
            found.append(math.nan if name is None else number[name])
        return np.array(found, dtype=np.float32)

    def balance(self, target: Array) -> npt.NDArray[np.float32]:
        """Return ``(K,)`` weights; see :meth:`Task.balance`.

        Example:
            >>> Multiclass(("a", "b")).balance(np.array([0.0] * 5 + [1.0] * 3 + [1.0] * 2)).tolist()
            [1.0, 1.0]
        """
        return _balanced(np.bincount(target[np.isfinite(target)].astype(np.int64), minlength=len(self.names)))

    def rows_by_class(self, target: Array) -> dict[str, Array]:
        """Return name of each class to the rows that have it."""
        return {name: np.flatnonzero(target == k) for k, name in enumerate(self.names)}

    def readable(self, target: Array) -> Array:
        """Return the names of the classes, empty without a label."""
        names = np.array([*self.names, ""])
        return names[np.where(np.isfinite(target), target, len(self.names)).astype(np.int64)]

    def output_values(self, prediction: Array) -> Array:
        """Return ``(N, J)`` the probability of every class."""
        return class_probabilities(prediction)

    def of_decided(self, values: Array, prediction: Array) -> Array:
        """Return the values of the most probable class; those of two classes are the same for both."""
        if values.ndim == 1:
            return values
        return np.take_along_axis(values, self.decide(prediction)[:, None], axis=1).squeeze(1)

    def error(self, prediction: Array, target: Array) -> Array:
        """Return 1 minus the probability of the true class."""
        return 1.0 - np.take_along_axis(
            class_probabilities(prediction), np.asarray(target, dtype=np.int64)[:, None], axis=1
        ).squeeze(1)

    def is_collapsed(self, target: Array, prediction: Array) -> bool:
        """Return whether one class is predicted for all samples of several."""
        return len(np.unique(target)) > 1 and len(np.unique(self.decide(prediction))) == 1


@dataclass(frozen=True)
class Binary(_Classes):
    """One of two classes; a prediction is the probability of the second.

    Attributes:
        names: of the two classes.

    Example:
        >>> task = Binary(("no", "yes"))
        >>> task.decide(np.array([0.2, 0.7])).tolist(), task.error(np.array([0.25]), np.array([1.0])).tolist()
        ([0, 1], [0.75])
    """

    kind = "binary"
    losses = ("bce",)
    metrics = (*_REPORTED, "micro_f1", "uar")
    reported = _REPORTED

    def __post_init__(self) -> None:
        require_names(self.names, "classes", fewest=2)
        if len(self.names) != 2:
            raise InputError(f"{len(self.names)} classes of a binary task: give two names", code="wrong_shape")

    def predict(self, logits: Tensor) -> Tensor:
        """Return ``(B,)`` the probability of the second class."""
        return logits.squeeze(1).sigmoid()

    def output_logits(self, logits: Tensor) -> Tensor:
        """Return ``(B, 2)``; the logit of the first class is minus that of the second."""
        return logits * logits.new_tensor([-1.0, 1.0])

    def decide(self, prediction: Array) -> Array:
        """Return 1 where the second class is the more probable one."""
        return (np.asarray(prediction) > 0.5).astype(np.int64)


@dataclass(frozen=True)
class Multiclass(_Classes):
    """One of several classes; a prediction is a probability for each.

    Attributes:
        names: of the classes, at least two.

    Example:
        >>> task = Multiclass(("joy", "anger", "fear"))
        >>> task.width, task.decide(np.array([[0.2, 0.5, 0.3]])).tolist()
        (3, [1])
    """

    kind = "multiclass"
    losses = ("cross_entropy",)
    metrics = (*_REPORTED, "micro_f1", "uar")
    reported = _REPORTED

    def __post_init__(self) -> None:
        require_names(self.names, "classes", fewest=2)

    @property
    def width(self) -> int:
        """Number of classes."""
        return len(self.names)

    def predict(self, logits: Tensor) -> Tensor:
        """Return ``(B, K)`` probabilities."""
        return logits.softmax(1)

    def decide(self, prediction: Array) -> Array:
        """Return the number of the most probable class, the first of equal ones."""
        return np.asarray(np.asarray(prediction).argmax(axis=1))


@dataclass(frozen=True)
class Multilabel(Task):
    """Any of several labels; a prediction is a probability for each.

    Attributes:
        names: of the labels.

    Example:
        >>> task = Multilabel(("happy", "sad"))
        >>> task.decide(np.array([[0.9, 0.6]])).tolist()
        [[1, 1]]
    """

    names: tuple[str, ...]

    kind = "multilabel"
    losses = ("bce",)
    metrics = ("macro_f1", "auroc", "log_loss", "subset_accuracy", "micro_f1", "weighted_f1", "auprc", "brier")
    reported = metrics
    noun = "label"
    breakdown = _BREAKDOWN
    diagnostics = _DIAGNOSTICS

    def __post_init__(self) -> None:
        require_names(self.names, "labels", fewest=1)

    @property
    def width(self) -> int:
        """Number of labels."""
        return len(self.names)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.names

    @property
    def label_range(self) -> tuple[float, float]:
        """0 without a label, 1 with it."""
        return 0.0, 1.0

    def encode(self, labels: npt.ArrayLike, *, where: str) -> npt.NDArray[np.float32]:
        """Return ``(N, K)`` of 0 and 1; a row without any label is NaN.

        Raises:
            InputError: other values, another number of columns, or a row that has some of the labels only.
        """
        found = numbers_of(labels, self.names, where)
        wrong = ~np.isin(found, (0.0, 1.0)) & ~np.isnan(found)
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            raise InputError(
                f"{where}, row {row}: {self.names[column]} is {found[row, column]:g}; give 0 or 1 for each label",
                code="out_of_range",
            )
        return found

    def predict(self, logits: Tensor) -> Tensor:
        """Return ``(B, K)`` the probability of each label."""
        return logits.sigmoid()

    def decide(self, prediction: Array) -> Array:
        """Return ``(N, K)``, 1 where a label is more probable than not."""
        return (np.asarray(prediction) > 0.5).astype(np.int64)

    def balance(self, target: Array) -> npt.NDArray[np.float32]:
        """Return ``(K, 2)``, the weights of 0 and of 1 of every label; see :meth:`Task.balance`."""
        known = target[np.isfinite(target).all(axis=1)]
        return np.stack([_balanced(np.array([(each == 0).sum(), (each == 1).sum()])) for each in known.T])

    def readable(self, target: Array) -> Array:
        """Return the names of the labels that a sample has, joined by ``+``."""
        names = np.array(self.names)
        return np.array(["+".join(names[row == 1].tolist()) for row in target])

    def parts(self, target: Array, prediction: Array) -> dict[str, tuple[Task, Array, Array]]:
        """Return each label as a task of two classes, without and with it."""
        pairs = zip(self.names, target.T, np.moveaxis(prediction, -1, 0), strict=True)
        return {name: (Binary((f"not {name}", name)), wanted, found) for name, wanted, found in pairs}

    def of_decided(self, values: Array, prediction: Array) -> Array:
        """Return the mean over the labels."""
        del prediction
        return per_sample(values)

    def error(self, prediction: Array, target: Array) -> Array:
        """Return the mean over the labels of the distance between probability and truth."""
        return per_sample(np.abs(prediction - target))

    def is_collapsed(self, target: Array, prediction: Array) -> bool:
        """Return whether all samples get the same labels although theirs differ."""
        return len(np.unique(target, axis=0)) > 1 and len(np.unique(self.decide(prediction), axis=0)) == 1


def class_probabilities(prediction: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return ``(N, K)`` probabilities of all classes, also where a prediction is that of the second of two.

    Example:
        >>> class_probabilities([0.25]).tolist()
        [[0.75, 0.25]]
    """
    given = np.asarray(prediction, dtype=np.float64)
    return given if given.ndim == 2 else np.stack([1.0 - given, given], axis=1)


def _balanced(counts: Array) -> npt.NDArray[np.float32]:
    weights = np.divide(counts.sum(), len(counts) * counts, out=np.zeros(len(counts)), where=counts > 0)
    return np.asarray(weights, dtype=np.float32)
