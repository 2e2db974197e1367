"""Metrics as functions of sums over samples, with name, unit and direction.

Axis legend: N samples, k terms of a metric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError

__all__ = ["Array", "Metric", "checked", "columns", "mean", "percent", "ratio"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A metric: call it with targets ``(N,)`` and predictions ``(N,)``.

    Attributes:
        name: as in tables and files.
        unit: ``"%"`` for a share from 0 to 100, ``"label"`` for the unit of the labels, ``""`` for none.
        higher_is_better: which direction is an improvement.
        terms: ``(N,)`` targets and ``(N,)`` predictions to ``(N, k)`` rows to be summed.
        value: ``(..., k)`` sums to ``(...)`` metric values, NaN where no sample counts.
    """

    name: str
    unit: str
    higher_is_better: bool
    terms: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]

    def __call__(self, target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
        """Return the metric of one set of predictions.

        Raises:
            InputError: lengths differ, a value is NaN or infinite, or no sample counts.
        """
        return float(self.of_sums(self.terms(*checked(target, prediction)).sum(axis=0)))

    def of_sums(self, sums: Array) -> Array:
        """Return the metrics ``(...)`` of terms ``(..., k)`` summed over the samples of each set of predictions.

        Raises:
            InputError: no sample of a set counts.
        """
        values = self.value(sums)
        if np.isnan(values).any():
            raise InputError(
                f"{self.name}: every label is exactly 0 and none counts; use acc_2_nonneg or f1_nonneg", code="empty"
            )
        return values


def checked(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array]:
    """Return targets and predictions as ``(N,)`` float64 arrays.

    Raises:
        InputError: shapes differ, nothing is given, or a value is NaN or infinite.

    >>> checked([1, 2], [0.5, 2.5])
    (array([1., 2.]), array([0.5, 2.5]))
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not y.size:
        raise InputError(
            f"targets {y.shape} and predictions {p.shape}: give two vectors of one length, at least 1",
            code="wrong_shape",
        )
    for what, column in (("targets", y), ("predictions", p)):
        bad = ~np.isfinite(column)
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {bad.size} {what} are NaN or infinite, the first at row {int(bad.argmax())}: "
                "the run has diverged or the file is damaged; train it again, or leave it out",
                code="not_finite",
            )
    return y, p


def columns(*terms: Any) -> Array:
    """Return terms of ``(N,)`` side by side, ``(N, k)`` in float64."""
    return np.stack([np.asarray(term, dtype=np.float64) for term in terms], axis=-1)


def ratio(numerator: Array, denominator: Array, *, empty: float) -> Array:
    """Return quotients of any shape, ``empty`` where the denominator is not positive."""
    out: Array = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def mean(sums: Array) -> Array:
    """Return the means ``(...)`` of sums and counts ``(..., 2)``, NaN where the count is 0."""
    return ratio(sums[..., 0], sums[..., 1], empty=np.nan)


def percent(sums: Array) -> Array:
    """Return the :func:`mean` in percent."""
    return 100.0 * mean(sums)
