"""What a critic says of each utterance, and how far it may be believed.

Axis legend: N utterances.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts.columns import read_columns, write_columns
from comodal.contracts.errors import InputError

__all__ = ["Attribution", "ExplanationTable", "PairingScore"]

_SCALARS = ("id", "group", "target", "prediction", "dependency", "percentile", "transcript", "map_x", "map_y")
_BY_MODALITY = ("swapped", "without")


@dataclass(frozen=True)
class ExplanationTable:
    """One row an utterance of the explained part.

    Attributes:
        id: ``(N,)`` utterance ids.
        group: ``(N,)`` the video (or speaker) of each.
        target: ``(N,)`` labels.
        prediction: ``(N,)`` with every modality.
        dependency: ``(N,)`` the critic's pointwise dependency; low where the modalities disagree. NaN without a critic.
        percentile: ``(N,)`` rank of ``dependency`` among the N, from 0 to 100.
        transcript: ``(N,)`` text, empty where the data hold none.
        map_x: ``(N,)`` first coordinate of the fused representation on a plane.
        map_y: ``(N,)`` second.
        swapped: modality to ``(N,)``, the mean dependency when that modality is another utterance's.
        without: modality to ``(N,)``, the prediction when that modality is removed.
        facts: what a reader must know: ``fusion``, ``measure``, ``unit`` (``"nats"``, or ``"rank"`` where only order
            means anything), ``critic`` (``"trained with the model"`` or ``"fitted afterwards"``), ``seed``, ``split``,
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
        lengths = {name: len(column) for name, column in self.columns().items()}
        if len(set(lengths.values())) != 1:
            raise InputError(f"columns of an explanation differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.id)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(self.without)

    @property
    def disagreeing(self) -> np.ndarray[Any, Any]:
        """``(N,)`` the modality whose exchange lowers the dependency least, or raises it; empty without a critic."""
        if not self.swapped or not np.isfinite(self.dependency).any():
            return np.full(len(self), "")
        highest = np.argmax(np.stack(list(self.swapped.values())), axis=0)
        names: np.ndarray[Any, Any] = np.asarray(list(self.swapped))[highest]
        return names

    def columns(self) -> dict[str, np.ndarray[Any, Any]]:
        """Name and array of every column, in file order; one of a modality is called ``swapped:audio``."""
        found = {name: getattr(self, name) for name in _SCALARS}
        for kind in _BY_MODALITY:
            found.update({f"{kind}:{name}": column for name, column in getattr(self, kind).items()})
        return found

    def to_parquet(self, path: str | Path) -> None:
        """Write as Parquet; the facts go into its metadata."""
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
    """What moved one prediction, by integrated gradients.

    Attributes:
        id: the utterance.
        modality: which of its modalities.
        total: sum over frames and features: how far the modality moved the prediction.
        frames: sum over the features of each frame, or of each word.
        words: what the frames are, when they are words; empty otherwise.
        features: the features of largest absolute contribution, number and contribution, largest first.
    """

    id: str
    modality: str
    total: float
    frames: tuple[float, ...]
    words: tuple[str, ...]
    features: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class PairingScore:
    """How well a score finds utterances whose modalities do not belong together.

    Attributes:
        score: what scores: ``"critic"``, ``"linear CCA"``, or another.
        target: what is to be found: ``"broken pairs"`` or ``"planted disagreement"``.
        modality: which modality was taken from another video; empty for planted disagreement.
        auroc: area below the receiver operating characteristic; 0.5 is chance.
        auroc_low: lower end of its 95 % interval.
        auroc_high: upper end.
        average_precision: area below the precision-recall curve; its chance is ``n_broken / n``.
        precision_low: lower end of its 95 % interval.
        precision_high: upper end.
        n_broken: utterances to be found, in each repetition.
        n: all utterances.
        note: what a reader must know; empty when there is nothing.
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
