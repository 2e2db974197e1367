"""Explanations of predictions, and scores of how reliable the critic is.

Axis legend: N samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts.columns import read_columns, require_one_length, write_columns

__all__ = ["Attribution", "ExplanationTable", "PairingScore"]

_SCALARS = ("id", "group", "target", "prediction", "dependency", "percentile", "transcript", "map_x", "map_y")
_BY_MODALITY = ("swapped", "without")


@dataclass(frozen=True)
class ExplanationTable:
    """Explanation of a split: one row per sample.

    Attributes:
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each sample, such as its video or speaker.
        target: ``(N,)`` true values.
        prediction: ``(N,)`` prediction from all modalities.
        dependency: ``(N,)`` pointwise dependency by the critic, low where modalities disagree; NaN without a critic.
        percentile: ``(N,)`` rank of ``dependency`` among the N, from 0 to 100.
        transcript: ``(N,)`` text, empty where the data have none.
        map_x: ``(N,)`` first coordinate of the fused representation in the plane.
        map_y: ``(N,)`` second coordinate.
        swapped: modality to ``(N,)``, mean dependency when that modality comes from another sample.
        without: modality to ``(N,)``, prediction without that modality.
        facts: ``fusion``, ``measure``, ``unit`` (``"nats"``, or ``"rank"`` where only order
            has a meaning), ``critic`` (``"trained with the model"`` or ``"fitted afterwards"``), ``seed``, ``split``,
            ``map`` (how the plane was made) and others.
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

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return name and array of every column, in file order; columns per modality are named ``swapped:audio``."""
        found = {name: getattr(self, name) for name in _SCALARS}
        for kind in _BY_MODALITY:
            found.update({f"{kind}:{name}": column for name, column in getattr(self, kind).items()})
        return found

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet, with the facts in the metadata."""
        write_columns(path, self.columns(), self.facts)

    @staticmethod
    def from_parquet(path: str | Path) -> ExplanationTable:
        """Read what :meth:`to_parquet` wrote.

        Raises:
            InputError: the file is missing, is not Parquet, or lacks a column.
        """
        column, facts = read_columns(path, kind="explanation", needed=_SCALARS, command="comodal explain")
        swapped, without = (
            {name.partition(":")[2]: values for name, values in column.items() if name.startswith(f"{kind}:")}
            for kind in _BY_MODALITY
        )
        scalars = {name: column[name] for name in _SCALARS}
        return ExplanationTable(**scalars, swapped=swapped, without=without, facts=facts)


@dataclass(frozen=True)
class Attribution:
    """Contributions of one modality to one prediction, by integrated gradients.

    Attributes:
        id: the sample.
        modality: the modality.
        total: sum over frames and features: how far the modality moved the prediction.
        frames: sum over the features of each frame or word.
        words: the word of each frame; empty when frames are not words.
        features: number and contribution of the features with the largest absolute contributions, largest first.
    """

    id: str
    modality: str
    total: float
    frames: tuple[float, ...]
    words: tuple[str, ...]
    features: tuple[tuple[int, float], ...]


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
