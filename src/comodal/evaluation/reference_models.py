"""Reference models that a network must beat: a constant, a linear model, and two that also use unlabelled rows.

Axis legend: N samples, d features of all modalities side by side, M modalities, K outputs of a model.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from comodal.contracts import Multilabel, Task
from comodal.metrics import METRICS

__all__ = ["REFERENCE_MODELS", "STRENGTHS", "ReferenceData", "constant", "label_spreading", "linear", "self_training"]

Array = NDArray[Any]
Predict = Callable[[Array], Array]
"""From features ``(n, d)``, standardised as those a model learned from, to predictions ``(n,)`` or ``(n, K)``."""

STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
"""Strengths of the regularisation that validation chooses from: alpha of ridge, 1 / C of logistic regression."""

_CHOSEN_BY = {"l1": "mae", "mse": "rmse", "smooth_l1": "mae", "cross_entropy": "log_loss", "bce": "log_loss"}
_MOST_UNLABELLED = 5000
_NEIGHBOURS = 10
_STEPS = 500


@dataclass(frozen=True, eq=False)
class ReferenceData:
    """What a reference model learns from.

    Attributes:
        features: ``(N, d)`` standardised, one vector per sample.
        dims: M numbers of features, one per modality, in the order of ``features``; they add up to d.
        target: ``(N,)`` or ``(N, K)``.
        labelled: row numbers of the training part that have a label.
        unlabelled: row numbers of the training part that have none.
        valid: row numbers that choose the strength of the regularisation.
        task: what is predicted.
        loss: name of the loss that the networks are trained with.
        class_weight: ``"none"`` or ``"balanced"``, as the networks are trained.
    """

    features: Array
    dims: tuple[int, ...]
    target: Array
    labelled: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    valid: NDArray[np.int64]
    task: Task
    loss: str
    class_weight: str = "none"


def constant(data: ReferenceData) -> Predict:
    """Return a model that predicts the same for every sample.

    It is the median of the labels, their mean for the loss ``mse``, or the share of each class among them.

    Example:
        >>> from comodal.contracts import Binary
        >>> rows = np.arange(4)
        >>> data = ReferenceData(np.zeros((6, 1)), (1,), np.array([0.0, 1, 1, 1, 0, 1]), rows, rows[:0], rows[2:],
        ...                      Binary(("no", "yes")), "bce")
        >>> constant(data)(np.zeros((2, 1))).tolist()
        [0.75, 0.75]
    """
    centre = _centre(data)
    return lambda given: _repeated(centre, len(given))


def linear(data: ReferenceData) -> Predict:
    """Return a ridge or logistic regression.

    Validation chooses by the task's loss: the strength of the regularisation, and whether every feature or every
    modality has the same variance, so that one of few features is not lost beside one of many. Several labels have one
    logistic regression each, with one strength and one scale for all.

    Example:
        >>> from comodal.contracts import Regression
        >>> x, rows = np.arange(40.0)[:, None], np.arange(20)
        >>> data = ReferenceData(x, (1,), 2 * x[:, 0], rows, rows[:0], rows + 10, Regression(), "mse")
        >>> bool(abs(linear(data)(x[20:]) - 2 * x[20:, 0]).max() < 0.1)
        True
    """
    scale, strength = _chosen(data)
    model = _fit(_scaled(data, scale), strength)
    return lambda given: model(given * scale)


def self_training(data: ReferenceData) -> Predict:
    """Return the logistic regression that labels the unlabelled rows it is sure of.

    :class:`sklearn.semi_supervised.SelfTrainingClassifier` around the logistic regression of :func:`linear`, on at most
    5000 unlabelled rows.
    """
    if len(np.unique(data.target[data.labelled])) < 2:
        return constant(data)
    rows, target = _partly_labelled(data)
    scale, strength = _chosen(data)
    with warnings.catch_warnings(action="ignore"):  # convergence: the result after so many steps is the reference
        model = SelfTrainingClassifier(_logistic(data, strength)).fit(data.features[rows] * scale, target)
    return lambda given: _probabilities(data.task, model.classes_, model.predict_proba(given * scale))


def label_spreading(data: ReferenceData) -> Predict:
    """Return labels that spread over the 10 nearest neighbours.

    :class:`sklearn.semi_supervised.LabelSpreading` on at most 5000 unlabelled rows; a sample without a labelled
    neighbour gets the prediction of :func:`constant`.
    """
    rows, target = _partly_labelled(data)
    model = LabelSpreading(kernel="knn", n_neighbors=min(_NEIGHBOURS, len(rows)))
    otherwise = constant(data)

    def predict(given: Array) -> Array:
        with np.errstate(invalid="ignore"):  # 0 / 0: no label reaches the sample
            found = model.predict_proba(given)
        probability = _probabilities(data.task, model.classes_, found)
        known = np.isfinite(found).all(axis=1)
        return np.where(known if probability.ndim == 1 else known[:, None], probability, otherwise(given))

    with warnings.catch_warnings(action="ignore"), np.errstate(divide="ignore", invalid="ignore"):
        model.fit(data.features[rows], target)
    return predict


REFERENCE_MODELS: Mapping[str, Callable[[ReferenceData], Predict]] = {
    "constant": constant,
    "linear": linear,
    "self-training": self_training,
    "label spreading": label_spreading,
}
"""Name in tables to the function that learns; the last two are for classes and unlabelled rows."""


def _repeated(value: Array, count: int) -> Array:
    return np.broadcast_to(value, (count, *value.shape))


def _centre(data: ReferenceData) -> Array:
    """Return the prediction of the constant, a scalar or ``(K,)``."""
    target = data.target[data.labelled].astype(np.float64)
    if not data.task.classes:
        return np.asarray(target.mean(axis=0) if data.loss == "mse" else np.median(target, axis=0))
    if isinstance(data.task, Multilabel):
        return np.asarray(target.mean(axis=0))
    classes, counts = np.unique(target, return_counts=True)
    return np.asarray(_probabilities(data.task, classes, (counts / counts.sum())[None])[0])


def _chosen(data: ReferenceData) -> tuple[Array, float]:
    """Return the scale ``(d,)`` of the features and the strength with the lowest loss on validation."""
    metric, dims = METRICS[_CHOSEN_BY[data.loss]], np.array(data.dims)
    same = np.ones(dims.sum())
    # All modalities have the same variance, and together as much as before.
    scales = [same] if len(dims) == 1 else [same, np.repeat(np.sqrt(dims.mean() / dims), dims)]

    scaled = [(scale, _scaled(data, scale)) for scale in scales]

    def loss(choice: tuple[tuple[Array, ReferenceData], float]) -> float:
        (_, given), strength = choice
        return metric(given.target[given.valid], _fit(given, strength)(given.features[given.valid]))

    (scale, _), strength = min(itertools.product(scaled, STRENGTHS), key=loss)
    return scale, strength


def _scaled(data: ReferenceData, scale: Array) -> ReferenceData:
    return replace(data, features=data.features * scale)


def _fit(data: ReferenceData, strength: float) -> Predict:
    """Return the function from features to predictions that a linear model of this strength learns."""
    features, target = data.features[data.labelled], data.target[data.labelled]
    if not data.task.classes:
        return _ridge(features, target, strength)
    if isinstance(data.task, Multilabel):
        each = [_binary(data, features, column, strength) for column in target.T]
        return lambda given: np.stack([of_label(given) for of_label in each], axis=1)
    if len(np.unique(target)) < 2:
        return lambda given: _repeated(_centre(data), len(given))
    model = _trained(data, features, target, strength)
    return lambda given: _probabilities(data.task, model.classes_, model.predict_proba(given))


def _ridge(features: Array, target: Array, strength: float) -> Predict:
    model = Ridge(alpha=strength).fit(features, target)
    return lambda given: np.asarray(model.predict(given))


def _binary(data: ReferenceData, features: Array, target: Array, strength: float) -> Predict:
    """Return the probability of one label as a function of the features; its share where it is always the same."""
    if len(np.unique(target)) < 2:
        return lambda given: np.full(len(given), target.mean())
    model = _trained(data, features, target, strength)
    return lambda given: np.asarray(model.predict_proba(given)[:, 1])


def _trained(data: ReferenceData, features: Array, target: Array, strength: float) -> Any:
    with warnings.catch_warnings(action="ignore"):  # convergence: the result after so many steps is the reference
        return _logistic(data, strength).fit(features, target)


def _logistic(data: ReferenceData, strength: float) -> Any:
    weight = None if data.class_weight == "none" else data.class_weight
    return LogisticRegression(C=1.0 / strength, class_weight=weight, max_iter=_STEPS)


def _probabilities(task: Task, classes: Array, found: Array) -> Array:
    """Return the probabilities of some classes as predictions of the task; that of an absent class is 0."""
    every = np.zeros((len(found), len(task.classes)))
    every[:, classes.astype(np.int64)] = found
    return every[:, 1] if task.width == 1 else every


def _partly_labelled(data: ReferenceData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labelled and unlabelled rows, and their classes, -1 for an unlabelled one."""
    step = max(1, -(-len(data.unlabelled) // _MOST_UNLABELLED))
    hidden = data.unlabelled[::step]
    known = data.target[data.labelled].astype(np.int64)
    return np.concatenate([data.labelled, hidden]), np.concatenate([known, np.full(len(hidden), -1)])
