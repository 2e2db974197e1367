"""A trained model that predicts one sample at a time, for the live page."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import FusionOutput, InputError, MultimodalBatch
from comodal.data.corruptions import Corruption
from comodal.dependency import views_of
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet, SavedRun
from comodal.explain.broken_pairs import rearranged
from comodal.explain.critic import PointwiseCritic
from comodal.explain.explain import ExplanationConfig, critic_of
from comodal.explain.representations import represent
from comodal.serve.panel_request import Edit, PanelRequest

__all__ = ["LiveModel"]

_NEIGHBOURS = 30  # noise leaves out features that are 0 in a whole batch: one sample does not show which
_FOUND = 20


@dataclass(frozen=True)
class _LiveFold:
    fitted: FittedFold
    critic: PointwiseCritic | None
    dependencies: NDArray[Any]  # of its test samples, sorted

    def percentile(self, dependency: float) -> float:
        below, upto = (np.searchsorted(self.dependencies, dependency, side=side) for side in ("left", "right"))
        return float(50.0 * (below + upto) / len(self.dependencies))


@dataclass(frozen=True)
class LiveModel:
    """The models of a run, each for the samples that it was tested on.

    Attributes:
        facts: description of the model: arm, seed, modalities, and the critic's measure, unit and origin.
        ids: ids of the test samples.
        transcripts: transcripts of these samples; empty where unknown.
    """

    facts: Mapping[str, Any]
    ids: tuple[str, ...]
    transcripts: tuple[str, ...]
    _folds: tuple[_LiveFold, ...]
    _place: Mapping[str, tuple[int, int]]  # id to fold and row
    _searched: tuple[str, ...]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, runs: RunSet, run: SavedRun, *, fit_critic: str = "") -> LiveModel:
        """Return the models of a finished run, with the critic that was trained with them, if any."""
        folds = tuple(_live(fitted, fit_critic) for fitted in runs.fitted(run))
        place = {
            str(runs.dataset.id[row]): (number, int(row))
            for number, fold in enumerate(folds)
            for row in fold.fitted.fold.partition.test
        }
        known = runs.dataset.transcript
        words = tuple("" if known is None else str(known[row]) for _, row in place.values())
        searched = tuple(f"{name}\n{text}".casefold() for name, text in zip(place, words, strict=True))
        return cls(_facts(run, folds), tuple(place), words, folds, place, searched)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the model's modalities."""
        return tuple(self.facts["modalities"])

    def find(self, query: str, *, beside: str = "") -> list[dict[str, str]]:
        """Return the first samples whose id or transcript contains a text, in either case.

        With ``beside``, only those that may lend a modality to that sample.
        """
        wanted = query.casefold()
        fold = self._placed(beside)[0] if beside else None
        rows = (
            row
            for row, (name, text) in enumerate(zip(self.ids, self._searched, strict=True))
            if wanted in text and name != beside and fold in {None, self._place[name][0]}
        )
        chosen = [row for row, _ in zip(rows, range(_FOUND), strict=False)]
        return [{"id": self.ids[row], "transcript": self.transcripts[row]} for row in chosen]

    def answer(self, request: PanelRequest) -> dict[str, Any]:
        """Return prediction and dependency of a sample, unchanged and after the edits.

        Safe to call from several threads; they take turns.
        """
        number, row = self._placed(request.id)
        fold = self._folds[number]
        donors = {name: self._donor(name, request.id, number) for name in request.donors}
        test = fold.fitted.fold.partition.test
        # Other samples show which features vary, for the noise; their values do not enter the result.
        others = [other for other in test[:_NEIGHBOURS].tolist() if other != row and other not in donors.values()]
        with self._lock, torch.inference_mode():
            batch = fold.fitted.fold.view[[row, *donors.values(), *others]]
            found = [_judged(fold, each) for each in (_taken(batch, [0]), _changed(batch, request, list(donors)))]
        return {"id": request.id, "target": float(batch.target[0]), "clean": found[0], "changed": found[1]}

    def _placed(self, name: str) -> tuple[int, int]:
        if name not in self._place:
            raise InputError(f"no sample {name[:60]!r} among the {len(self.ids)} tested ones", code="unknown_name")
        return self._place[name]

    def _donor(self, name: str, receiver: str, number: int) -> int:
        fold, row = self._placed(name)
        if name == receiver:
            raise InputError(f"{name!r} cannot lend a modality to itself: choose another sample", code="conflict")
        if fold != number:
            message = f"{name!r} is tested in another fold than {receiver!r}, whose model was trained on it"
            raise InputError(message, code="conflict")
        return row


def _live(fitted: FittedFold, fit_critic: str) -> _LiveFold:
    if fitted.task.width > 1:
        raise InputError(
            f"a {fitted.task.kind} model has {fitted.task.width} outputs; the live page shows one number",
            code="unsupported",
        )
    if fitted.penalty is None and not fit_critic:
        return _LiveFold(fitted, None, np.empty(0))
    critic = critic_of(fitted, ExplanationConfig(fit_critic=fit_critic))
    dependency = critic(represent(fitted).compared(critic.between))
    return _LiveFold(fitted, critic, np.sort(dependency.numpy()))


def _facts(run: SavedRun, folds: tuple[_LiveFold, ...]) -> dict[str, Any]:
    spec, critic = folds[0].fitted.fold.view.spec, folds[0].critic
    return {
        "arm": f"{run.arm.label}/{run.arm.measure}",
        "seed": run.seed,
        "folds": len(folds),
        "modalities": {name: name in spec.feature_dims for name in spec.modalities},
        "label_range": spec.task.label_range,
        "unit": None if critic is None else critic.unit,
        "critic": None if critic is None else critic.origin,
    }


def _taken(batch: MultimodalBatch, rows: Iterable[int]) -> MultimodalBatch:
    return rearranged(batch, dict.fromkeys(batch.modalities, torch.tensor(list(rows))))


def _changed(batch: MultimodalBatch, request: PanelRequest, donors: list[str]) -> MultimodalBatch:
    """Return the first sample after the edits; ``donors`` are the samples behind it."""
    first = _taken(batch, [0])
    sequences = dict(first.modalities)
    for name, edit in request.edits.items():
        generator = torch.Generator().manual_seed(request.seed)
        # Of two samples each receives the modality of the other.
        rows = [0, 1 + donors.index(edit.donor)] if edit.kind == "swap" else range(len(batch))
        acted = _edit(edit, name).apply(_taken(batch, rows), generator)
        sequences[name] = _taken(acted, [0]).modalities[name]
    return replace(first, modalities=sequences)


def _edit(edit: Edit, name: str) -> Corruption:
    kinds = {"on": ("drop", 0.0), "off": ("drop", 1.0), "swap": ("swap", 1.0), "noise": ("noise", edit.severity)}
    kind, severity = kinds[edit.kind]
    return Corruption(kind, name, severity)


def _judged(fold: _LiveFold, batch: MultimodalBatch) -> dict[str, float | None]:
    output: FusionOutput = fold.fitted.model(batch)
    prediction = float(fold.fitted.task.predict(output.logits)[0])
    if fold.critic is None:
        return {"prediction": prediction, "dependency": None, "percentile": None}
    dependency = float(fold.critic(views_of(output, between=fold.critic.between))[0])
    return {"prediction": prediction, "dependency": dependency, "percentile": fold.percentile(dependency)}
