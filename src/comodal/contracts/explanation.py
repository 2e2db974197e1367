"""Explanations of predictions, and scores of how reliable the critic is.

Axis legend: N samples, J outputs of a task (classes, labels or numbers), E of them explained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts.columns import read_columns, require_one_length, write_columns
from comodal.contracts.tasks import Sentiment, Task, task_from_dict

__all__ = ["SCALARS", "Attribution", "ExplanationTable", "PairingScore"]

SCALARS = ("id", "group", "target", "prediction", "dependency", "percentile", "transcript", "map_x", "map_y")
"""Columns with a row per sample that every explanation has."""

_BY_MODALITY = ("swapped", "without")


@dataclass(frozen=True)
class ExplanationTable:
    """Explanation of a split: one row per sample.

    Attributes:
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each sample, such as its video or speaker.
        target: ``(N,)`` or ``(N, K)`` true values, as in :class:`PredictionTable`.
        prediction: ``(N,)`` or ``(N, K)`` prediction from all modalities.
        dependency: ``(N,)`` pointwise dependency by the critic, low where modalities disagree; NaN without a critic.
        percentile: ``(N,)`` rank of ``dependency`` among the N, from 0 to 100.
        transcript: ``(N,)`` text, empty where the data have none.
        map_x: ``(N,)`` first coordinate of the fused representation in the plane.
        map_y: ``(N,)`` second coordinate.
        swapped: modality to ``(N,)``, mean dependency when that modality comes from another sample.
        without: modality to the prediction without that modality, of the shape of ``prediction``.
        facts: ``fusion``, ``measure``, ``unit`` (``"nats"``, or ``"rank"`` where only order
            has a meaning), ``critic`` (``"trained with the model"`` or ``"fitted afterwards"``), ``seed``, ``split``,
            ``map`` (how the plane was made), ``output`` (name of the output to explain) and others.
        task: what is predicted.
    """

    id: np.ndarray[Any, Any]
    group: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    prediction: np.ndarray[Any, Any]
    dependency: np.ndarray[Any, Any]
    percentile: np.ndarray[Any, Any]
    transcript: np.ndarray[Any, Any]
    map_x: np.ndarray[Any, Any]
    map_y: np.ndarray[Any, Any]
    swapped: Mapping[str, np.ndarray[Any, Any]]
    without: Mapping[str, np.ndarray[Any, Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    task: Task = field(default_factory=Sentiment)

    def __post_init__(self) -> None:
        require_one_length(self.columns(), kind="an explanation")

    def __len__(self) -> int:
        return len(self.id)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.without)

    @property
    def disagreeing(self) -> np.ndarray[Any, Any]:
        """``(N,)`` modality whose swap lowers the dependency least or raises it most; empty without a critic."""
        if not self.swapped or not np.isfinite(self.dependency).any():
            return np.full(len(self), "")
        highest = np.argmax(np.stack(list(self.swapped.values())), axis=0)
        names: np.ndarray[Any, Any] = np.asarray(list(self.swapped))[highest]
        return names

    @property
    def error(self) -> np.ndarray[Any, Any]:
        """``(N,)`` how wrong each prediction is, by :meth:`Task.error`; NaN without a target or a prediction."""
        found = np.full(len(self), np.nan)
        known = _finite(self.target) & _finite(self.prediction)
        found[known] = self.task.error(self.prediction[known], self.target[known])
        return found

    @property
    def explained(self) -> np.ndarray[Any, Any]:
        """``(N, E)`` numbers of the explained outputs: the one that ``facts`` name, else those of the task."""
        if name := self.facts.get("output"):
            return np.full((len(self), 1), self.task.output_number(name))
        return self.task.explained(self.prediction)

    def of_explained(self, prediction: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return ``(N, E)`` the numbers, or probabilities, of the explained outputs in predictions of these samples.

        Example:
            >>> from comodal.contracts import Multiclass
            >>> n, names = np.zeros(1), np.array(["a"])
            >>> found = np.array([[0.1, 0.7, 0.2]])
            >>> less = {"text": np.array([[0.3, 0.4, 0.3]])}
            >>> task = Multiclass(("joy", "anger", "fear"))
            >>> table = ExplanationTable(names, names, n, found, n, n, names, n, n, {}, less, {}, task)
            >>> table.of_explained(table.without["text"]).tolist(), table.readable()["predicted"].tolist()
            ([[0.4]], ['anger'])
        """
        return np.take_along_axis(self.task.output_values(prediction), self.explained, axis=1)

    def readable(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return columns with names of classes or labels, empty for a regression.

        ``true`` and ``predicted`` classes, the ``explained`` class, its ``probability``, and its probability without
        each modality, ``probability_without:audio``.
        """
        if not self.task.classes:
            return {}
        return {
            "true": self.task.readable(self.target),
            "predicted": self.task.readable(self.task.decide(self.prediction)),
            "explained": np.array(self.task.classes)[self.explained[:, 0]],
            "probability": self.of_explained(self.prediction)[:, 0],
            **{f"probability_without:{name}": self.of_explained(each)[:, 0] for name, each in self.without.items()},
        }

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return name and array of every column, in file order; columns per modality are named ``swapped:audio``."""
        found = {name: getattr(self, name) for name in SCALARS}
        for kind in _BY_MODALITY:
            found.update({f"{kind}:{name}": column for name, column in getattr(self, kind).items()})
        return found

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet, also the :meth:`readable` columns, with task and facts in the metadata."""
        write_columns(path, {**self.columns(), **self.readable()}, {**self.facts, "task": self.task.to_dict()})

    @staticmethod
    def from_parquet(path: str | Path) -> ExplanationTable:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        column, facts = read_columns(path, kind="explanation", needed=SCALARS, command="comodal explain")
        swapped, without = (
            {name.partition(":")[2]: values for name, values in column.items() if name.startswith(f"{kind}:")}
            for kind in _BY_MODALITY
        )
        scalars = {name: column[name] for name in SCALARS}
        task = task_from_dict(facts.pop("task", {}))
        return ExplanationTable(**scalars, swapped=swapped, without=without, facts=facts, task=task)


@dataclass(frozen=True)
class Attribution:
    """Contributions of one modality to one output of a prediction, by integrated gradients.

    Attributes:
        id: the sample.
        modality: the modality.
        total: sum over frames and features: how far the modality moved the prediction, or the logit of a class.
        frames: sum over the features of each frame or word.
        words: the word of each frame; empty when frames are not words.
        features: number and contribution of the features with the largest absolute contributions, largest first.
        output: the class, label or output that is explained; empty for a single number.
    """

    id: str
    modality: str
    total: float
    frames: tuple[float, ...]
    words: tuple[str, ...]
    features: tuple[tuple[int, float], ...]
    output: str = ""


@dataclass(frozen=True)
class PairingScore:
    """How well a score finds samples whose modalities do not belong together.

    Attributes:
        score: ``"critic"``, ``"linear CCA"``, or another score.
        target: ``"broken pairs"`` or ``"planted disagreement"``, which the score has to find.
        modality: modality taken from another group; empty for planted disagreement.
        auroc: area under the receiver operating characteristic; 0.5 is chance.
        auroc_low: lower end of its 95 % interval.
        auroc_high: upper end.
        average_precision: area under the precision-recall curve; ``n_broken / n`` is chance.
        precision_low: lower end of its 95 % interval.
        precision_high: upper end.
        n_broken: samples to find, in each repetition.
        n: all samples.
        note: caveats.
    """

    score: str
    target: str
    modality: str
    auroc: float
    auroc_low: float
    auroc_high: float
    average_precision: float
    precision_low: float
    precision_high: float
    n_broken: int
    n: int
    note: str = ""


def _finite(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ``(N,)`` whether all numbers of a sample are finite."""
    known: np.ndarray[Any, Any] = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    return known
