"""Prediction of numbers: of one output, of several, and of sentiment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from comodal.contracts.errors import InputError
from comodal.contracts.tasks.task import Array, Task, numbers_of, per_sample, require_names

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Regression", "Sentiment"]

_COLLAPSED = 0.05
_SIGNS = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}


@dataclass(frozen=True)
class Regression(Task):
    """Prediction of one number per sample, or of one number per named output.

    Attributes:
        low: smallest legal label.
        high: largest legal label.
        names: of several outputs, empty for one.

    Raises:
        InputError: no such range, or a name twice.

    Example:
        >>> Regression(0.0, 5.0).label_range, Regression(names=("valence", "arousal")).width
        ((0.0, 5.0), 2)
    """

    low: float = -math.inf
    high: float = math.inf
    names: tuple[str, ...] = ()

    kind = "regression"
    losses = ("l1", "mse", "smooth_l1")
    metrics: ClassVar[tuple[str, ...]] = ("mae", "corr", "r2", "ccc", "rmse")
    reported: ClassVar[tuple[str, ...]] = metrics
    noun = "output"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(
                f"label range {self.low} to {self.high}: give the smallest and the largest legal label, two different "
                "numbers",
                code="out_of_range",
            )
        require_names(self.names, "outputs", fewest=0)

    @property
    def width(self) -> int:
        """Number of outputs."""
        return max(1, len(self.names))

    @property
    def label_range(self) -> tuple[float, float]:
        """Smallest and largest legal label."""
        return self.low, self.high

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of several outputs, empty for one."""
        return self.names

    @property
    def breakdown(self) -> tuple[str, ...]:
        """Metrics of each of several outputs."""
        return Regression.metrics if self.names else ()

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """A scatter plot of each of several outputs."""
        return ("scatter",) if self.names else ()

    @property
    def described(self) -> str:
        """Range of the labels, and the names of several outputs."""
        span = f"from {self.low:g} to {self.high:g}"
        return f"{super().described}, each {span}" if self.names else span

    def encode(self, labels: npt.ArrayLike, *, where: str) -> npt.NDArray[np.float32]:
        """Return the labels as float32.

        Raises:
            InputError: labels that are not numbers, or of another shape.
        """
        return numbers_of(labels, self.names, where)

    def predict(self, logits: Tensor) -> Tensor:
        """Return the outputs as they are."""
        return logits if self.names else logits.squeeze(1)

    def decide(self, prediction: Array) -> Array:
        """Return the predictions as they are."""
        return prediction

    def groups(self, target: Array) -> dict[str, Array]:
        """Return the rows of negative, neutral and positive targets."""
        return {name: np.flatnonzero(np.sign(target) == sign) for name, sign in _SIGNS.items()}

    def parts(self, target: Array, prediction: Array) -> dict[str, tuple[Task, Array, Array]]:
        """Return each of several outputs as a regression on the same range."""
        if not self.names:
            return super().parts(target, prediction)
        pairs = zip(self.names, target.T, np.moveaxis(prediction, -1, 0), strict=True)
        return {name: (Regression(self.low, self.high), wanted, found) for name, wanted, found in pairs}

    def error(self, prediction: Array, target: Array) -> Array:
        """Return the absolute error, the mean over several outputs."""
        return per_sample(np.abs(prediction - target))

    def explained(self, prediction: Array) -> Array:
        """Return ``(N, K)``, the numbers of all outputs."""
        return np.tile(np.arange(self.width), (len(prediction), 1))

    def readable(self, target: Array) -> Array:
        """Return the numbers as they are."""
        return target

    def is_collapsed(self, target: Array, prediction: Array) -> bool:
        """Return whether no output varies by more than a twentieth of its target (standard deviations)."""
        spread = (_centred(np.asarray(each, dtype=np.float64)).std(axis=0) for each in (target, prediction))
        wanted, found = spread
        return bool((found <= _COLLAPSED * wanted).all())


@dataclass(frozen=True)
class Sentiment(Regression):
    """Regression of sentiment from -3 to 3, with the metrics that are customary in that field."""

    low: float = -3.0
    high: float = 3.0

    kind = "sentiment"
    metrics = (
        "mae",
        "corr",
        "acc_2_pos",
        "acc_7",
        "acc_2_nonneg",
        "acc_5",
        "f1",
        "f1_pos",
        "f1_nonneg",
        "r2",
        "ccc",
        "rmse",
    )
    reported = ("mae", "corr", "acc_2_pos", "acc_7", "acc_2_nonneg", "acc_5", "f1")


def _centred(values: Array) -> Array:
    # A constant minus its mean need not be exactly 0.
    return np.where(np.ptp(values, axis=0) > 0, values - values.mean(axis=0), 0.0)
