"""Fusion models as scikit-learn estimators, for ``cross_val_score``, ``GridSearchCV`` and ``Pipeline``.

Axis legend: N samples, d features of a modality, C classes, K outputs or labels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, check_random_state, column_or_1d, validate_data

from comodal.contracts import Binary, InputError, Multiclass, Multilabel, Task
from comodal.contracts.tasks.task import class_name
from comodal.data.arrays import from_arrays
from comodal.data.targets import is_missing, target_of
from comodal.evaluation.experiment import fit
from comodal.training.build_config import build_config
from comodal.training.config import RunConfig

__all__ = ["FusionClassifier", "FusionRegressor"]

Array = NDArray[Any]
_WHOLE = "all"


class _FusionEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: parameters, modalities of ``X``, the validation part and the fit."""

    def __init__(
        self,
        *,
        views: Mapping[str, Any] | None = None,
        fusion: str = "early",
        measure: str = "none",
        weight: float = 0.3,
        fusion_config: Mapping[str, Any] | None = None,
        penalty: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        validation: float = 0.2,
        random_state: Any = None,
    ) -> None:
        self.views = views
        self.fusion = fusion
        self.measure = measure
        self.weight = weight
        self.fusion_config = fusion_config
        self.penalty = penalty
        self.training = training
        self.validation = validation
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit the model; a share of the labelled samples is its validation part.

        Args:
            X: ``(N, D)`` whose columns ``views`` assigns to modalities; or, without ``views``, modality to array as
                :func:`comodal.from_arrays` takes it.
            y: ``(N,)`` or ``(N, K)``; samples whose label is NaN or ``None`` are unlabelled, and train the dependency
                measure alone.
            groups: ``(N,)`` groups, such as speakers, of which none is in training and validation.

        Returns:
            The estimator itself.

        Raises:
            InputError: data or a parameter that are wrong, a ``ValueError``.
        """
        modalities = self._modalities(X, reset=True)
        count = len(next(iter(modalities.values()), ()))
        target, task = self._target(y)
        if len(target) != count:
            raise InputError(f"y: {len(target)} labels for {count} samples; give one per sample", code="mismatch")
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31 - 1))
        group = np.arange(count) if groups is None else column_or_1d(groups)
        if len(group) != count:
            raise InputError(f"groups: {len(group)} for {count} samples; give one per sample", code="mismatch")
        split = _division(
            task.encode(target, where="y"), group, task, share=self.validation, seed=seed, grouped=groups is not None
        )
        kept = np.flatnonzero(split != "")
        dataset = from_arrays(
            {name: _rows(values, kept) for name, values in modalities.items()},
            target[kept],
            group=group[kept],
            split=split[kept],
            task=task,
            name=type(self).__name__,
        )
        self.model_ = fit(dataset, self._config(seed))
        self.task_ = task
        return self

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``training__lr`` sets one option of ``training``, so that a grid can search it.

        Raises:
            ValueError: an unknown parameter.
        """
        nested: dict[str, dict[str, Any]] = {}
        for key in list(params):
            name, _, option = key.partition("__")
            if option and name in {"fusion_config", "penalty", "training"}:
                before = nested.get(name, params.get(name, getattr(self, name)))
                nested[name] = {**(before or {}), option: params.pop(key)}
        found: Self = super().set_params(**params | nested)
        return found

    def _config(self, seed: int) -> RunConfig:
        for name in {"measure", "weight"} & set(self.penalty or {}):
            raise InputError(f"penalty has {name!r}, which is a parameter of its own; give it there", code="conflict")
        given: dict[str, Any] = {
            "fusion": self.fusion,
            "fusion_config": dict(self.fusion_config or {}),
            "penalty": {"measure": self.measure, "weight": self.weight, **(self.penalty or {})},
            "training": dict(self.training or {}),
            "seed": seed,
        }
        config: RunConfig = build_config(RunConfig, given, where=type(self).__name__)
        return config

    def _modalities(self, X: Any, *, reset: bool) -> dict[str, Any]:  # noqa: N803
        """Return modality to its features; those of a table are columns of it."""
        of_modalities = isinstance(X, Mapping) and not issparse(X)  # one of SciPy's formats is a dict
        if of_modalities and self.views is None:
            return dict(X)
        if of_modalities:
            raise InputError(
                "views name columns of one table, and X has a table per modality; leave one out", code="conflict"
            )
        table = validate_data(self, X, reset=reset, dtype=np.float32, ensure_min_samples=1 + int(reset))
        if self.views is None:
            return {_WHOLE: table}
        if not isinstance(self.views, Mapping) or not self.views:
            raise InputError(f"views is {self.views!r}: give a mapping from modality to columns", code="wrong_type")
        names = [str(name) for name in getattr(self, "feature_names_in_", ())]
        return {name: table[:, _columns(chosen, names, table.shape[1], name)] for name, chosen in self.views.items()}

    def _predicted(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        return self.model_.predict(self._modalities(X, reset=False))

    @abstractmethod
    def _target(self, y: ArrayLike) -> tuple[Array, Task]:
        """Return the labels, with missing ones, and what is predicted."""


class FusionClassifier(ClassifierMixin, _FusionEstimator):  # type: ignore[misc]
    """A fusion model that predicts one of several classes, or several labels, as a scikit-learn classifier.

    ``views`` gives columns of ``X`` to modalities, so that scikit-learn can take rows from it. :meth:`fit` also takes a
    dict of arrays, with sequences and absent modalities, of which ``cross_val_score`` cannot take rows.

    Args:
        views: modality to a slice, or a list of numbers or names, of the columns of ``X``; all are one modality when
            ``None``.
        fusion: name of the fusion model.
        measure: dependency measure that is rewarded, ``"none"`` for no penalty.
        weight: lambda, the weight of the penalty.
        fusion_config: options of the fusion model.
        penalty: other options of :class:`comodal.PenaltyConfig`.
        training: options of :class:`comodal.TrainingConfig`.
        validation: share of the labelled samples that chooses the best epoch, of whole groups where these are given.
        random_state: seed of the validation part and of the model.

    Attributes:
        classes_: ``(C,)`` the classes; the numbers of the labels where ``y`` is ``(N, K)`` of 0 and 1.
        model_: the fitted :class:`comodal.Predictor`.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> X, y = make_classification(200, n_features=8, n_informative=8, n_redundant=0, random_state=0)
        >>> views = {"left": slice(0, 4), "right": slice(4, 8)}
        >>> model = FusionClassifier(views=views, measure="kl", training={"max_epochs": 20}, random_state=0).fit(X, y)
        >>> model.predict_proba(X).shape, bool(model.score(X, y) > 0.8)
        ((200, 2), True)
    """

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return ``(N,)`` the most probable class, or ``(N, K)`` 1 for each label that is more probable than not."""
        probability = self.predict_proba(X)
        if isinstance(self.task_, Multilabel):
            return (probability > 0.5).astype(np.int64)
        return np.asarray(self.classes_[probability.argmax(axis=1)])

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Return ``(N, C)`` the probability of each class, or ``(N, K)`` that of each label."""
        return np.stack(list(self._predicted(X).probability.values()), axis=1)

    def _target(self, y: ArrayLike) -> tuple[Array, Task]:
        labels = np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] > 1:
            self.classes_ = np.arange(labels.shape[1])
            return labels, Multilabel(tuple(map(str, self.classes_)))
        labels = column_or_1d(labels, warn=True)
        known = np.array([class_name(each) is not None for each in labels.tolist()], dtype=bool)
        if labels.dtype.kind == "f" and np.isinf(labels).any():
            raise InputError("y: a class is infinite; give names or whole numbers", code="not_finite")
        given = _one_kind(labels[known])
        check_classification_targets(given)
        self.classes_, number = np.unique(given, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y: one class, {self.classes_.tolist()}; give two or more", code="empty")
        names = tuple(map(str, self.classes_.tolist()))
        found = np.full(len(labels), None, dtype=object)
        found[known] = np.array(names, dtype=object)[number]
        return found, Binary(names) if len(names) == 2 else Multiclass(names)


class FusionRegressor(RegressorMixin, _FusionEstimator):  # type: ignore[misc]
    """A fusion model that predicts one number or several, as a scikit-learn regressor.

    Its parameters are those of :class:`FusionClassifier`.

    Attributes:
        model_: the fitted :class:`comodal.Predictor`.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(200, 6))
        >>> views = {"eeg": [0, 1, 2], "face": [3, 4, 5]}
        >>> model = FusionRegressor(views=views, training={"max_epochs": 30}, random_state=0).fit(X, X[:, 0] + X[:, 3])
        >>> bool(model.score(X, X[:, 0] + X[:, 3]) > 0.5)
        True
    """

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Return ``(N,)`` or ``(N, K)`` predictions."""
        return np.asarray(self._predicted(X).prediction, dtype=np.float64)

    def _target(self, y: ArrayLike) -> tuple[Array, Task]:
        labels = np.asarray(y)
        labels = labels if labels.dtype == object else labels.astype(np.float64)
        several = labels.ndim == 2 and labels.shape[1] > 1
        labels = labels if several else column_or_1d(labels, warn=True)
        names = tuple(map(str, range(labels.shape[1]))) if several else ()
        task, target = target_of(labels, "regression", names=names, where="y")
        return target, task


def _one_kind(labels: Array) -> Array:
    """Return labels of objects as the numbers or truth values that all of them are; text stays as it is."""
    if labels.dtype == object and not any(isinstance(each, str) for each in labels.tolist()):
        return np.array(labels.tolist())
    return labels


def _columns(chosen: Any, names: list[str], width: int, view: str) -> NDArray[np.int64]:
    """Return the numbers of the columns that a slice, numbers or names choose."""
    if isinstance(chosen, slice):
        found = np.arange(width)[chosen]
    else:
        each = [chosen] if np.isscalar(chosen) else list(chosen)
        for column in each:
            if isinstance(column, str) and column not in names:
                raise InputError.unknown("column", column, names, where=f"views[{view!r}]")
        if any(isinstance(column, bool) or not isinstance(column, str | int | np.integer) for column in each):
            raise InputError(f"views[{view!r}] is {chosen!r}: give numbers or names of columns", code="wrong_type")
        found = np.array([names.index(column) if isinstance(column, str) else column for column in each], np.int64)
    if not len(found) or found.min() < 0 or found.max() >= width:
        raise InputError(f"views[{view!r}] is {chosen!r}: choose some of the {width} columns of X", code="out_of_range")
    return found


def _rows(values: Any, rows: NDArray[np.int64]) -> Any:
    """Return rows of an array or of a list of sequences."""
    return [values[row] for row in rows] if isinstance(values, list | tuple) else np.asarray(values)[rows]


def _division(target: Array, group: Array, task: Task, *, share: float, seed: int, grouped: bool) -> NDArray[np.str_]:
    """Return ``(N,)`` train, valid or unlabelled; empty for a sample without a label whose group validates."""
    if not 0 < share < 1:
        raise InputError(f"validation is {share}: give a share between 0 and 1", code="out_of_range")
    missing = is_missing(target)
    known = np.flatnonzero(~missing)
    classes = [len(rows) for name, rows in task.rows_by_class(target[known]).items() if name]
    if grouped:
        splitter: Any = GroupShuffleSplit(1, test_size=share, random_state=seed)
    elif classes and min(classes) > 1 and share * len(known) >= len(classes):
        splitter = StratifiedShuffleSplit(1, test_size=share, random_state=seed)
    else:
        splitter = ShuffleSplit(1, test_size=share, random_state=seed)
    train, _ = next(splitter.split(known, target[known].astype(str), group[known] if grouped else None))
    trains = np.isin(np.arange(len(known)), train)
    for rows in task.rows_by_class(target[known]).values():  # a class that only validated could not be learnt
        if len(rows) and not trains[rows].any():
            trains |= group[known] == group[known[rows[0]]]
    split = np.full(len(target), "unlabelled")
    split[known] = np.where(trains, "train", "valid")
    split[missing & np.isin(group, group[known[~trains]])] = ""
    return split
