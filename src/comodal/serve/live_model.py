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
from comodal.explain.attribution import integrated_gradients
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
        facts: description of the model: arm, seed, modalities, names of classes or outputs, and the critic's unit and
            origin.
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
        return cls(_facts(run, folds, runs.dataset.target), tuple(place), words, folds, place, searched)

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
        """Return prediction, probabilities and dependency of a sample, unchanged and after the edits.

        Safe to call from several threads; they take turns.
        """
        with self._lock, torch.no_grad():
            fold, batches = self._posed(request)
            clean, changed = (_judged(fold, each) for each in batches)
        target = fold.fitted.task.readable(batches[0].target.numpy())[0]
        return {"id": request.id, "target": np.asarray(target).tolist(), "clean": clean, "changed": changed}

    def attribute(self, request: PanelRequest) -> list[dict[str, Any]]:
        """Return the contribution of each modality, unchanged and after the edits, to every explained output.

        By default that is the class predicted after the edits, or each of several outputs.

        Raises:
            InputError: no such output, or captum is not installed.
        """
        with self._lock:
            fold, (clean, changed) = self._posed(request)
            task = fold.fitted.task
            with torch.no_grad():
                prediction = task.predict(fold.fitted.model(changed).logits).numpy()
            chosen = [task.output_number(request.output)] if request.output else task.explained(prediction)[0].tolist()
            return [
                {
                    "output": task.all_names[number] if task.all_names else "",
                    "clean": _contributions(fold.fitted, clean, number),
                    "changed": _contributions(fold.fitted, changed, number),
                }
                for number in chosen
            ]

    def _posed(self, request: PanelRequest) -> tuple[_LiveFold, tuple[MultimodalBatch, MultimodalBatch]]:
        """Return the model that tests a sample, and the sample unchanged and after the edits."""
        number, row = self._placed(request.id)
        fold = self._folds[number]
        donors = {name: self._donor(name, request.id, number) for name in request.donors}
        test = fold.fitted.fold.partition.test
        # Other samples show which features vary, for the noise; their values do not enter the result.
        others = [other for other in test[:_NEIGHBOURS].tolist() if other != row and other not in donors.values()]
        batch = fold.fitted.fold.view[[row, *donors.values(), *others]]
        return fold, (_taken(batch, [0]), _changed(batch, request, list(donors)))

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
    if not fitted.has_critic and not fit_critic:
        return _LiveFold(fitted, None, np.empty(0))
    critic = critic_of(fitted, ExplanationConfig(fit_critic=fit_critic))
    dependency = critic(represent(fitted).compared(critic.between))
    return _LiveFold(fitted, critic, np.sort(dependency.numpy()))


def _facts(run: SavedRun, folds: tuple[_LiveFold, ...], target: NDArray[Any]) -> dict[str, Any]:
    spec, critic = folds[0].fitted.fold.view.spec, folds[0].critic
    return {
        "arm": run.arm.name,
        "seed": run.seed,
        "folds": len(folds),
        "modalities": {name: name in spec.feature_dims for name in spec.modalities},
        "names": list(spec.task.all_names),
        "classes": bool(spec.task.classes),
        "label_range": None if spec.task.all_names else _axis(*spec.task.label_range, target),
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


def _axis(low: float, high: float, target: NDArray[Any]) -> list[float]:
    """Return the range of labels, up to the most extreme label where it has no limit."""
    ends = zip((low, high), (np.nanmin(target), np.nanmax(target)), strict=True)
    return [limit if np.isfinite(limit) else float(label) for limit, label in ends]


def _judged(fold: _LiveFold, batch: MultimodalBatch) -> dict[str, Any]:
    """Return the prediction, a number, several, or the name of a class, with all probabilities, and the dependency."""
    output: FusionOutput = fold.fitted.model(batch)
    task = fold.fitted.task
    predicted = task.predict(output.logits).numpy()
    found = {
        "prediction": np.asarray(task.readable(task.decide(predicted))[0]).tolist(),
        "probabilities": {name: float(each[0]) for name, each in task.probabilities(predicted).items()},
    }
    if fold.critic is None:
        return {**found, "dependency": None, "percentile": None}
    dependency = float(fold.critic(views_of(output, between=fold.critic.between))[0])
    return {**found, "dependency": dependency, "percentile": fold.percentile(dependency)}


def _contributions(fitted: FittedFold, batch: MultimodalBatch, number: int) -> dict[str, float]:
    """Return modality to its integrated gradients, without modalities that the sample does not have."""
    tokens = fitted.fold.view.spec.tokens
    output = torch.tensor([number])
    found = integrated_gradients(fitted.model, batch, task=fitted.task, output=output, tokens=tokens)
    return {name: float(values.sum()) for name, values in found.values.items() if batch.modalities[name].present[0]}
