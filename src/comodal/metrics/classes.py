"""Metrics of classes and of labels, from the probabilities of a model.

Targets are class numbers ``(N,)``, or 0 and 1 for each of several labels ``(N, K)``; predictions are probabilities: of
the second of two classes ``(N,)``, or of every class or label ``(N, K)``. A class that occurs in neither targets nor
predictions does not count in a mean over classes. Axis legend: N samples, K classes or labels.

>>> y, p = [0, 1, 1, 0], [0.2, 0.7, 0.4, 0.1]
>>> accuracy(y, p), round(macro_f1(y, p), 1), auroc(y, p), round(brier(y, p), 3)
(75.0, 73.3, 1.0, 0.125)
>>> accuracy([0, 2], [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]), subset_accuracy([[0, 1]], [[0.3, 0.9]])
(50.0, 100.0)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from comodal.contracts.tasks import class_probabilities
from comodal.metrics.detection import Curve
from comodal.metrics.metric import Array, RankMetric, SumMetric, checked, columns, mean, percent, ratio

__all__ = [
    "accuracy",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "brier",
    "calibration_error",
    "confusion_matrix",
    "log_loss",
    "macro_f1",
    "micro_f1",
    "of_each_class",
    "reliability",
    "subset_accuracy",
    "uar",
    "weighted_f1",
]

_BINS = 15
_SMALLEST = float(np.finfo(np.float32).eps)


def _one_hot(y: Array, p: Array) -> tuple[Array, Array]:
    """Return truth and probabilities, both ``(N, K)``."""
    if y.ndim == 2:
        return y, p
    probabilities = class_probabilities(p)
    return (y[:, None] == np.arange(probabilities.shape[1])).astype(np.float64), probabilities


def _decided(y: Array, p: Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return true and predicted classes or labels, both ``(N, K)``."""
    truth, probabilities = _one_hot(y, p)
    if y.ndim == 2:
        return truth == 1, probabilities > 0.5
    return truth == 1, probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])


def _all_right(y: Array, p: Array) -> Array:
    truth, guess = _decided(y, p)
    return columns((truth == guess).all(axis=1), np.ones(len(y)))


def _confusion(y: Array, p: Array) -> Array:
    """Return true positives, false positives and false negatives of every class, ``(N, 3 K)``."""
    truth, guess = _decided(y, p)
    return np.concatenate([truth & guess, ~truth & guess, truth & ~guess], axis=1).astype(np.float64)


def _counts(sums: Array) -> tuple[Array, Array, Array]:
    tp, fp, fn = np.split(sums, 3, axis=-1)
    return tp, fp, fn


def _mean_over(values: Array, counted: npt.NDArray[np.bool_]) -> Array:
    total = np.where(counted, values, 0.0).sum(axis=-1)
    return 100.0 * ratio(total, counted.sum(axis=-1).astype(np.float64), empty=np.nan)


def _f1(tp: Array, fp: Array, fn: Array, *, empty: float = 0.0) -> Array:
    return ratio(2 * tp, 2 * tp + fp + fn, empty=empty)


def _macro_f1(sums: Array) -> Array:
    tp, fp, fn = _counts(sums)
    return _mean_over(_f1(tp, fp, fn), tp + fp + fn > 0)


def _weighted_f1(sums: Array) -> Array:
    tp, fp, fn = _counts(sums)
    support = tp + fn
    return 100.0 * ratio((_f1(tp, fp, fn) * support).sum(axis=-1), support.sum(axis=-1), empty=np.nan)


def _micro_f1(sums: Array) -> Array:
    return 100.0 * _f1(*(each.sum(axis=-1) for each in _counts(sums)), empty=np.nan)


def _balanced(sums: Array) -> Array:
    tp, _, fn = _counts(sums)
    return _mean_over(ratio(tp, tp + fn, empty=0.0), tp + fn > 0)


def _precision(sums: Array) -> Array:
    tp, fp, _ = _counts(sums)
    return 100.0 * ratio(tp, tp + fp, empty=np.nan)


def _recall(sums: Array) -> Array:
    tp, _, fn = _counts(sums)
    return 100.0 * ratio(tp, tp + fn, empty=np.nan)


def _class_f1(sums: Array) -> Array:
    return 100.0 * _f1(*_counts(sums), empty=np.nan)


def _support(sums: Array) -> Array:
    tp, _, fn = _counts(sums)
    return tp + fn


def confusion_matrix(target: npt.ArrayLike, decided: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """Return ``(K, K)`` numbers of samples by true class, in rows, and predicted class.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    place = np.asarray(target, dtype=np.int64) * classes + np.asarray(decided, dtype=np.int64)
    return np.bincount(place, minlength=classes * classes).reshape(classes, classes)


def reliability(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Return samples, mean confidence and share of right predictions of the bins of :data:`calibration_error`.

    Confidence is the probability of the most probable class; mean and share are NaN in an empty bin.

    Example:
        >>> samples, confidence, right = reliability([1, 0], [0.9, 0.9])
        >>> samples[13].item(), confidence[13].item(), right[13].item()
        (2.0, 0.9, 0.5)
    """
    samples, confidence, right = np.split(_confidence(*checked(target, prediction)).sum(axis=0), 3)
    return samples, ratio(confidence, samples, empty=np.nan), ratio(right, samples, empty=np.nan)


def _surprise(y: Array, p: Array) -> Array:
    truth, probabilities = _one_hot(y, p)
    kept = np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)
    if y.ndim == 2:
        return columns(-np.where(truth == 1, np.log(kept), np.log1p(-kept)).mean(axis=1), np.ones(len(y)))
    return columns(-np.log(kept[truth == 1]), np.ones(len(y)))


def _squares(y: Array, p: Array) -> Array:
    truth, probabilities = (y, p) if p.ndim == 1 or y.ndim == 2 else _one_hot(y, p)
    squared = np.square(truth - probabilities)
    if squared.ndim == 2:
        squared = squared.mean(axis=1) if y.ndim == 2 else squared.sum(axis=1)
    return columns(squared, np.ones(len(y)))


def _confidence(y: Array, p: Array) -> Array:
    """Return samples, confidence and right predictions by bin of confidence, ``(N, 3 * bins)``."""
    probabilities = class_probabilities(p)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y
    own = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)[:, None] == np.arange(_BINS)
    return np.concatenate([own, own * confidence[:, None], own & right[:, None]], axis=1).astype(np.float64)


def _gap(sums: Array) -> Array:
    samples, confidence, right = np.split(sums, 3, axis=-1)
    return ratio(np.abs(right - confidence).sum(axis=-1), samples.sum(axis=-1), empty=np.nan)


accuracy = SumMetric("accuracy", "%", True, _all_right, percent)
"""Share of samples whose most probable class is the true one."""

subset_accuracy = SumMetric("subset_accuracy", "%", True, _all_right, percent)
"""Share of samples for which every label is right."""

balanced_accuracy = SumMetric("balanced_accuracy", "%", True, _confusion, _balanced)
"""Mean recall over the classes of the targets."""

uar = replace(balanced_accuracy, name="uar")
"""Unweighted average recall: the same as :data:`balanced_accuracy`, under the name customary for emotions."""

macro_f1 = SumMetric("macro_f1", "%", True, _confusion, _macro_f1)
"""Mean F1 over the classes."""

micro_f1 = SumMetric("micro_f1", "%", True, _confusion, _micro_f1)
"""F1 of all decisions together."""

weighted_f1 = SumMetric("weighted_f1", "%", True, _confusion, _weighted_f1)
"""Mean F1 over the classes, weighted by their true support."""

auroc = RankMetric("auroc", "", True, Curve.auroc)
"""Area under the ROC curve: of the second of two classes, or the mean over classes against the rest."""

auprc = RankMetric("auprc", "", True, Curve.average_precision)
"""Average precision: of the second of two classes, or the mean over classes against the rest."""

log_loss = SumMetric("log_loss", "nats", False, _surprise, mean)
"""Mean of minus the logarithm of the probability of the truth; of several labels, the mean over the labels."""

brier = SumMetric("brier", "", False, _squares, mean)
"""Mean squared distance of the probabilities from the truth, summed over several classes, a mean over labels."""

calibration_error = SumMetric("calibration_error", "", False, _confidence, _gap)
"""Expected calibration error: mean distance of confidence and accuracy over 15 bins of confidence of one width.

Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3.
"""

of_each_class = (
    SumMetric("precision", "%", True, _confusion, _precision),
    SumMetric("recall", "%", True, _confusion, _recall),
    SumMetric("f1", "%", True, _confusion, _class_f1),
    SumMetric("support", "", True, _confusion, _support),
)
"""Numbers of each class or label, for :meth:`SumMetric.of_each`; support is its number of samples."""
