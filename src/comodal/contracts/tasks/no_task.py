"""No task: representations are learnt from the dependency between modalities alone.

Axis legend: N samples, B samples of a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from comodal.contracts.tasks.task import Array, Task

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoTask"]


@dataclass(frozen=True)
class NoTask(Task):
    """Nothing is predicted: no sample has a label, and none lacks one. The target of every sample is 0.

    Example:
        >>> NoTask().encode(["yes", None], where="toy").tolist(), NoTask().predicts
        ([0.0, 0.0], False)
    """

    kind = "none"
    losses = ("none",)
    metrics: ClassVar[tuple[str, ...]] = ()
    reported: ClassVar[tuple[str, ...]] = ()
    noun = "output"
    predicts = False

    @property
    def described(self) -> str:
        """Nothing."""
        return "nothing"

    @property
    def label_range(self) -> tuple[float, float]:
        """Every number."""
        return -math.inf, math.inf

    def encode(self, labels: npt.ArrayLike, *, where: str) -> npt.NDArray[np.float32]:
        """Return ``(N,)`` zeros, whatever the labels are."""
        del where
        return np.zeros(len(np.asarray(labels, dtype=object)), dtype=np.float32)

    def predict(self, logits: Tensor) -> Tensor:
        """Return ``(B,)`` NaN."""
        return logits.new_full((len(logits),), math.nan)

    def decide(self, prediction: Array) -> Array:
        """Return the predictions as they are."""
        return prediction

    def error(self, prediction: Array, target: Array) -> Array:
        """Return ``(N,)`` NaN."""
        del target
        return np.full(len(prediction), np.nan)

    def is_collapsed(self, target: Array, prediction: Array) -> bool:
        """Return false: there is no prediction to collapse."""
        del target, prediction
        return False

    def readable(self, target: Array) -> Array:
        """Return ``(N,)`` empty texts."""
        return np.full(len(target), "")
