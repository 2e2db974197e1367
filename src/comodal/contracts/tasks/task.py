"""What every task declares and computes, and the labels of samples as numbers.

Axis legend: N samples, B samples of a batch, K outputs of a model.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from comodal.contracts.errors import InputError

if TYPE_CHECKING:  # `comodal --help` imports this room, and must not wait for torch
    from torch import Tensor

__all__ = ["Array", "Task", "class_name", "numbers_of", "one_class_each", "per_sample", "require_names"]

Array = npt.NDArray[Any]
_NO_LIMIT = (-math.inf, math.inf)
_MOST_NAMES = 20


@dataclass(frozen=True)
class Task(ABC):
    """What a model predicts, as every room asks for it; see :class:`Regression` and :class:`Multiclass`.

    Attributes:
        kind: name of the family, as options and files write it.
        losses: names of the losses it can be trained with, the default first.
        metrics: names of the metrics that mean something, the primary one first.
        reported: those of a table unless others are asked for, in its order, the primary one first.
        noun: what each of :attr:`all_names` is: a class, a label or an output.
        predicts: whether there is anything to predict.
    """

    kind: ClassVar[str]
    losses: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[str, ...]]
    reported: ClassVar[tuple[str, ...]]
    noun: ClassVar[str]
    predicts: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """Number of outputs K of a model."""
        return 1

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, empty for a regression."""
        return ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of the classes, the labels or the several outputs."""
        return self.classes

    @property
    def breakdown(self) -> tuple[str, ...]:
        """Numbers of each of :attr:`all_names` by itself; see :func:`comodal.metrics.breakdown`."""
        return ()

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Figures of predictions that mean something: ``"confusion"``, ``"reliability"``, ``"scatter"``."""
        return ()

    @property
    def described(self) -> str:
        """What is predicted, in words; of many names the first ones and the last."""
        plural = f"{self.noun}es" if self.noun.endswith("s") else f"{self.noun}s"
        names = self.all_names
        shown = names if len(names) <= _MOST_NAMES else (*names[: _MOST_NAMES - 1], "...", names[-1])
        return f"{len(names)} {plural}: {', '.join(shown)}"

    @property
    @abstractmethod
    def label_range(self) -> tuple[float, float]:
        """Smallest and largest legal value of a target."""

    @abstractmethod
    def encode(self, labels: npt.ArrayLike, *, where: str) -> npt.NDArray[np.float32]:
        """Return the target of raw labels, NaN where a label is missing (``None`` or NaN).

        Raises:
            InputError: a label that the task does not have.
        """

    @abstractmethod
    def predict(self, logits: Tensor) -> Tensor:
        """Map logits ``(B, K)`` to predictions ``(B,)`` or ``(B, K)``."""

    @abstractmethod
    def decide(self, prediction: Array) -> Array:
        """Return the target that a prediction stands for: itself, or the number of the most probable class."""

    @abstractmethod
    def error(self, prediction: Array, target: Array) -> Array:
        """Return ``(N,)`` how wrong each prediction is, 0 for a perfect one; "largest error" means this everywhere."""

    @abstractmethod
    def is_collapsed(self, target: Array, prediction: Array) -> bool:
        """Return whether a model predicts the same for every sample although their labels differ."""

    def balance(self, target: Array) -> npt.NDArray[np.float32]:
        """Return the weight of each class that makes all count alike: N over K times its number of samples.

        ``(K,)`` for classes, ``(K, 2)`` for labels: the weight of 0 and of 1. A class without samples has weight 0.

        Raises:
            InputError: the task has no classes.
        """
        del target
        raise InputError(f"a {self.kind} has no classes to balance; leave class_weight out", code="conflict")

    def rows_by_class(self, target: Array) -> dict[str, Array]:
        """Return name of each class to the rows that have it; all rows under ``""`` where a sample has no one class."""
        return {"": np.arange(len(target))}

    def groups(self, target: Array) -> dict[str, Array]:
        """Return name to rows of groups of targets ``(N,)`` that figures keep apart: classes, or signs of numbers."""
        return self.rows_by_class(target)

    def parts(self, target: Array, prediction: Array) -> dict[str, tuple[Task, Array, Array]]:
        """Return name to task, target and prediction of each label or output; under ``""`` where there is just one.

        Predictions may have more axes in front, such as one of seeds.
        """
        return {"": (self, target, prediction)}

    def presence(self, target: Array) -> dict[str, Array]:
        """Return name of each class or label to ``(N,)`` whether a sample has it, empty for a regression."""
        held = target == 1 if target.ndim == 2 else target[:, None] == np.arange(len(self.classes))
        return dict(zip(self.classes, held.T, strict=False))

    def probabilities(self, prediction: Array) -> dict[str, Array]:
        """Return name of each class or label to ``(N,)`` its probability, empty for a regression."""
        return dict(zip(self.classes, self.output_values(prediction).T, strict=False))

    def output_values(self, prediction: Array) -> Array:
        """Return ``(N, J)`` the predicted number, or probability, of every output."""
        found = np.asarray(prediction)
        return found if found.ndim == 2 else found[:, None]

    def output_logits(self, logits: Tensor) -> Tensor:
        """Return ``(B, J)`` the logit of every output."""
        return logits

    def output_number(self, name: str) -> int:
        """Return the number of an output.

        Raises:
            InputError: no output of that name.

        Example:
            >>> from comodal.contracts import Multiclass
            >>> Multiclass(("joy", "anger", "fear")).output_number("anger")
            1
        """
        if not self.all_names:
            raise InputError(f"output {name!r}: a {self.kind} predicts one number; leave it out", code="conflict")
        if name not in self.all_names:
            raise InputError.unknown("output", name, self.all_names)
        return self.all_names.index(name)

    def explained(self, prediction: Array) -> Array:
        """Return ``(N, E)`` numbers of the outputs that an explanation is of: the most probable class or label."""
        return np.asarray(self.output_values(prediction).argmax(axis=1)[:, None])

    def of_decided(self, values: Array, prediction: Array) -> Array:
        """Return ``(N,)`` what values like those of a prediction are for the class that it decides for."""
        del prediction
        return values

    @abstractmethod
    def readable(self, target: Array) -> Array:
        """Return ``(N,)`` targets as a reader of a table wants them: numbers, or names of classes, empty for none."""

    def require_loss(self, name: str) -> str:
        """Return the name of a loss, that of the default for ``"auto"``.

        Raises:
            InputError: the task cannot be trained with it.

        Example:
            >>> from comodal.contracts import Multiclass, Regression
            >>> Regression().require_loss("auto"), Multiclass(("a", "b", "c")).require_loss("auto")
            ('l1', 'cross_entropy')
        """
        if name == "auto":
            return self.losses[0]
        if name not in self.losses:
            raise InputError(
                f"training.task_loss {name!r} does not fit {self.kind}: give {' or '.join(('auto', *self.losses))}",
                code="conflict",
            )
        return name

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that :func:`task_from_dict` reads back."""
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        # JSON has no infinity, which is the default of a limit.
        return {"kind": self.kind, **{name: value for name, value in plain.items() if value not in _NO_LIMIT}}


def require_names(names: Sequence[str], what: str, *, fewest: int) -> None:
    """Raise an error unless there are so many names, each of one line and given once."""
    if len(names) < fewest:
        raise InputError(f"{len(names)} {what}: give at least {fewest} different names", code="empty")
    for name in names:
        if not str(name).strip() or len(str(name).splitlines()) != 1:
            raise InputError(f"name {name!r} of {what}: give a name of one line", code="invalid")
        if list(names).count(name) > 1:
            raise InputError(f"name {name!r} of {what} is given twice; give each once", code="duplicate")


def numbers_of(labels: npt.ArrayLike, names: Sequence[str], where: str) -> npt.NDArray[np.float32]:
    """Return labels as float32, ``(N,)`` or with one column per name, all or none NaN in a row; masked ones are NaN."""
    if np.ma.isMaskedArray(labels):
        labels = np.ma.filled(np.ma.asarray(labels, dtype=np.float64), np.nan)
    try:
        found = np.array(labels)
        if found.dtype == object:  # pandas' missing values become no float
            found[np.vectorize(lambda each: class_name(each) is None, otypes=[bool])(found)] = np.nan
        found = found.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: target is not numbers ({error}); give one float per sample, or task= for classes",
            code="wrong_type",
        ) from error
    wanted = (len(found), len(names)) if names else (len(found),)
    if found.shape != wanted:
        expected = f"(N, {len(names)}) for {', '.join(names)}" if names else "(N,), one number per sample"
        raise InputError(f"{where}: target has shape {found.shape}; give {expected}", code="wrong_shape")
    _require_whole_rows(found.reshape(len(found), -1), names, where)
    return found


def _require_whole_rows(found: npt.NDArray[np.float32], names: Sequence[str], where: str) -> None:
    missing = np.isnan(found)
    partly = missing.any(axis=1) & ~missing.all(axis=1)
    if partly.any():
        row = int(partly.argmax())
        raise InputError(
            f"{where}, row {row}: {names[int(missing[row].argmax())]} is missing and others are not; give all of a "
            "row, or none where it has no label",
            code="missing",
        )


def per_sample(errors: Array) -> Array:
    """Return ``(N,)`` errors, the mean over the outputs of each sample."""
    return errors if errors.ndim == 1 else np.asarray(errors.mean(axis=1))


def one_class_each(labels: npt.ArrayLike, where: str) -> Array:
    """Return labels ``(N,)`` as an array, masked where they are; refuse another shape."""
    found = np.ma.asarray(labels) if np.ma.isMaskedArray(labels) else np.asarray(labels, dtype=object)
    if found.ndim != 1:
        raise InputError(
            f"{where}: target has shape {found.shape}; give (N,), one class per sample (of probabilities the largest, "
            "argmax(1)), or task='multilabel'",
            code="wrong_shape",
        )
    return found


def class_name(label: object) -> str | None:
    """Return the name of a label's class, ``None`` for a missing label; 2.0 is the class ``2``."""
    if label is None or str(label).lower() in {"", "nan", "<na>", "nat"}:
        return None
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)
