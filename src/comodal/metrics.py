"""Scores of predictions against labels, each convention of the field under its own name.

Papers print "Acc2" and "F1" for different quantities: with or without the utterances labelled exactly 0. Here the
ending says which: ``_nonneg`` is negative against non-negative over all utterances ("has zero"), ``_pos`` is negative
against positive with the zero labels left out ("non-zero"); ``f1`` is ``f1_pos``. Two more habits exist in published
code and are not offered: weighting F1 by the *predicted* support, and leaving zero labels out of MAE and Corr.

Every metric is a function of sums over utterances: ``terms`` gives one row an utterance, ``value`` turns summed rows
into the metric. Sums over videos, resampled any number of times, therefore give the metric of every resample at once.

Every function takes ``(N,)`` labels and ``(N,)`` predictions and raises :class:`~comodal.contracts.InputError` when
their lengths differ or a value is NaN or infinite.

Axis legend: N utterances, k terms of a metric. All arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Array",
    "Metric",
    "acc_2_nonneg",
    "acc_2_pos",
    "acc_5",
    "acc_7",
    "checked",
    "corr",
    "f1",
    "f1_nonneg",
    "f1_pos",
    "is_collapsed",
    "mae",
    "metrics_named",
]

Array = npt.NDArray[np.float64]
_NO_VARIATION = 1e-12  # variance below this share of the second moment is rounding error


@dataclass(frozen=True)
class Metric:
    """A metric as a function of sums over utterances.

    Attributes:
        name: as in tables and files.
        unit: ``"%"`` for a share from 0 to 100, ``"label"`` for the unit of the labels, ``""`` for none.
        higher_is_better: which direction is an improvement.
        terms: ``(N,)`` targets and ``(N,)`` predictions to ``(N, k)`` rows to be summed.
        value: ``(..., k)`` sums to ``(...)`` metric values, NaN where no utterance counts.
    """

    name: str
    unit: str
    higher_is_better: bool
    terms: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]

    def __call__(self, target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
        """The metric of one set of predictions.

        Raises:
            InputError: lengths differ, something is not finite, or no utterance counts.
        """
        return float(self.of_sums(self.terms(*checked(target, prediction)).sum(axis=0)))

    def of_sums(self, sums: Array) -> Array:
        """The metric of terms summed over all utterances of ``(...)`` sets of predictions.

        Raises:
            InputError: in one of them no utterance counts.
        """
        values = self.value(sums)
        if np.isnan(values).any():
            raise InputError(f"{self.name}: every label is exactly 0 and none counts; use acc_2_nonneg or f1_nonneg")
        return values


def checked(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array]:
    """Both as ``(N,)`` float64 arrays.

    Raises:
        InputError: shapes differ, nothing is given, or a value is NaN or infinite.

    >>> checked([1, 2], [0.5, 2.5])
    (array([1., 2.]), array([0.5, 2.5]))
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not y.size:
        raise InputError(f"targets {y.shape} and predictions {p.shape}: give two vectors of one length, at least 1")
    for what, column in (("targets", y), ("predictions", p)):
        bad = ~np.isfinite(column)
        if bad.any():
            raise InputError(
                f"{int(bad.sum())} of {bad.size} {what} are NaN or infinite, the first at row {int(bad.argmax())}: "
                "the run has diverged or the file is damaged; train it again, or leave it out"
            )
    return y, p


def mae(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean absolute error over all utterances, predictions unclipped; smaller is better.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)`` in the unit of the labels.

    Returns:
        Non-negative, in the unit of the labels.

    >>> mae([3.0, -1.0], [4.0, -1.5])
    0.75
    """
    return METRICS["mae"](target, prediction)


def corr(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Pearson's correlation; by definition here 0 when targets or predictions are constant.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        From -1 to 1, no unit.

    >>> corr([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), corr([1.0, 2.0, 3.0], [0.3, 0.3, 0.3])
    (1.0, 0.0)
    """
    return METRICS["corr"](target, prediction)


def acc_2_nonneg(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Binary accuracy, negative against non-negative: ``(p >= 0) == (y >= 0)`` over all utterances.

    Args:
        target: ``(N,)`` labels; a label of 0 is non-negative.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> acc_2_nonneg([-1.0, 0.0, 2.0, 1.0], [-0.2, 0.1, 0.3, -0.1])
    75.0
    """
    return METRICS["acc_2_nonneg"](target, prediction)


def acc_2_pos(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Binary accuracy, negative against positive: ``(p > 0) == (y > 0)`` where ``y != 0``.

    Args:
        target: ``(N,)`` labels; utterances labelled exactly 0 are left out.
        prediction: ``(N,)``; exactly 0 counts as negative.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_2_pos([-1.0, 0.0, 2.0, 1.0], [-0.2, -0.1, 0.3, 0.0]), 1)
    66.7
    """
    return METRICS["acc_2_pos"](target, prediction)


def acc_5(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Five-class accuracy: both clipped to [-2, 2] and rounded half to even.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_5([3.0, 0.5, -1.0], [1.6, 0.4, -1.5]), 1)
    66.7
    """
    return METRICS["acc_5"](target, prediction)


def acc_7(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Seven-class accuracy: both clipped to [-3, 3] and rounded half to even.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> round(acc_7([3.0, 0.5, -1.0], [4.2, 0.4, -1.5]), 1)
    66.7
    """
    return METRICS["acc_7"](target, prediction)


def f1_nonneg(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of negative against non-negative over all utterances, weighted by true support.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100; a class that is never true and never predicted counts 0 with weight 0.

    >>> f1_nonneg([-1.0, 0.0, 2.0], [-1.0, 1.0, 1.0])
    100.0
    """
    return METRICS["f1_nonneg"](target, prediction)


def f1_pos(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """F1 of negative against positive, zero labels left out, weighted by true support.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.

    Returns:
        Percent, 0 to 100.

    >>> f1_pos([-1.0, 0.0, 2.0], [-1.0, -1.0, 1.0])
    100.0
    """
    return METRICS["f1_pos"](target, prediction)


f1 = f1_pos


def is_collapsed(target: npt.ArrayLike, prediction: npt.ArrayLike, *, share: float = 0.05) -> bool:
    """Whether the predictions have collapsed to a constant: ``std(prediction) <= share * std(target)``.

    Args:
        target: ``(N,)`` labels.
        prediction: ``(N,)``.
        share: largest spread, as a share of the labels' spread, that still counts as constant.

    Returns:
        True when a constant would have done.

    >>> is_collapsed([-2.0, 0.0, 2.0], [0.31, 0.30, 0.31]), is_collapsed([-2.0, 0.0, 2.0], [-0.2, 0.0, 0.2])
    (True, False)
    """
    y, p = (_centred(column) for column in checked(target, prediction))
    return float(p.std()) <= share * float(y.std())


def metrics_named(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics of these names, in this order.

    Raises:
        InputError: a name is unknown; the nearest known one is offered.

    >>> [metric.unit for metric in metrics_named(["acc_7", "mae"])]
    ['%', 'label']
    """
    for name in names:
        if name not in METRICS:
            raise InputError.unknown("metric", name, METRICS)
    return tuple(METRICS[name] for name in names)


def _centred(values: Array) -> Array:
    # A constant minus its mean need not be exactly 0; rounding noise would then be correlated with something.
    return values - values.mean() if np.ptp(values) > 0 else np.zeros_like(values)


def _ratio(numerator: Array, denominator: Array, *, empty: float) -> Array:
    out: Array = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def _mean(sums: Array) -> Array:
    return _ratio(sums[..., 0], sums[..., 1], empty=np.nan)


def _percent(sums: Array) -> Array:
    return 100.0 * _mean(sums)


def _columns(*columns: Any) -> Array:
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=-1)


def _absolute_error(y: Array, p: Array) -> Array:
    return _columns(np.abs(p - y), np.ones_like(y))


def _same_sign_nonneg(y: Array, p: Array) -> Array:
    return _columns((p >= 0) == (y >= 0), np.ones_like(y))


def _same_sign_pos(y: Array, p: Array) -> Array:
    return _columns(((p > 0) == (y > 0)) & (y != 0), y != 0)


def _same_class(limit: float) -> Callable[[Array, Array], Array]:
    def terms(y: Array, p: Array) -> Array:
        label, guess = (np.round(np.clip(column, -limit, limit)) for column in (y, p))
        return _columns(label == guess, np.ones_like(y))

    return terms


def _confusion(true: Any, guess: Any, counted: Any) -> Array:
    return _columns(true & guess & counted, ~true & guess & counted, true & ~guess & counted, ~true & ~guess & counted)


def _confusion_nonneg(y: Array, p: Array) -> Array:
    return _confusion(y >= 0, p >= 0, np.ones(y.shape, dtype=bool))


def _confusion_pos(y: Array, p: Array) -> Array:
    return _confusion(y > 0, p > 0, y != 0)


def _weighted_f1(sums: Array) -> Array:
    tp, fp, fn, tn = np.moveaxis(sums, -1, 0)
    upper = _ratio(2 * tp, 2 * tp + fp + fn, empty=0.0)
    lower = _ratio(2 * tn, 2 * tn + fn + fp, empty=0.0)
    return 100.0 * _ratio(upper * (tp + fn) + lower * (tn + fp), tp + fp + fn + tn, empty=np.nan)


def _moments(y: Array, p: Array) -> Array:
    # Centring leaves the correlation unchanged and keeps n * sum(p^2) - sum(p)^2 from cancelling.
    y, p = _centred(y), _centred(p)
    return _columns(np.ones_like(y), y, p, y * y, p * p, y * p)


def _correlation(sums: Array) -> Array:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    var_y, var_p = n * yy - y * y, n * pp - p * p
    varied = (var_y > _NO_VARIATION * n * yy) & (var_p > _NO_VARIATION * n * pp)
    scale = np.sqrt(np.where(varied, var_y * var_p, 0.0))
    return np.clip(_ratio(n * yp - y * p, scale, empty=0.0), -1.0, 1.0)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("acc_2_nonneg", "%", True, _same_sign_nonneg, _percent),
        Metric("acc_2_pos", "%", True, _same_sign_pos, _percent),
        Metric("acc_5", "%", True, _same_class(2.0), _percent),
        Metric("acc_7", "%", True, _same_class(3.0), _percent),
        Metric("f1", "%", True, _confusion_pos, _weighted_f1),
        Metric("f1_nonneg", "%", True, _confusion_nonneg, _weighted_f1),
        Metric("f1_pos", "%", True, _confusion_pos, _weighted_f1),
        Metric("mae", "label", False, _absolute_error, _mean),
        Metric("corr", "", True, _moments, _correlation),
    )
}
"""Name to metric."""

DEFAULT_METRICS: tuple[str, ...] = ("acc_2_nonneg", "acc_2_pos", "acc_5", "acc_7", "f1", "mae", "corr")
"""The metrics of a comparison unless others are asked for."""
