"""Validate critics on artificially broken pairs: how well a score finds modalities that do not belong together.

Axis legend: n samples of a part, M modalities, k tuples, R repetitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import InputError, PairingScore
from comodal.evaluation.groups import Grouping
from comodal.evaluation.runs import RunSet, SavedRun
from comodal.explain.broken_pairs import draw_donors
from comodal.explain.pairing_areas import Area, ScoredPairs, areas, grouping_of, interval
from comodal.explain.pairing_scorers import RowScorer, scorers_of

__all__ = ["BROKEN", "PLANTED", "Detection", "HeldOutSamples", "detections", "held_out_parts", "validate_pairing"]

BROKEN, PLANTED = "broken pairs", "planted disagreement"
FEWEST = 20
LARGEST = 5000


@dataclass(frozen=True, eq=False)
class HeldOutSamples:
    """Test samples of one partition, with their scorers.

    Attributes:
        modalities: names, in the order of a tuple's rows.
        groups: ``(n,)`` group of each sample.
        planted: ``(n,)`` bool, samples whose modalities disagree according to the data.
        scorers: name to scorer.
        notes: scorer to a note for readers.
    """

    modalities: tuple[str, ...]
    groups: NDArray[Any]
    planted: NDArray[np.bool_]
    scorers: Mapping[str, RowScorer]
    notes: Mapping[str, str]


class Detection(NamedTuple):
    """How well one score finds one kind of disagreement.

    Attributes:
        score: as reports read it, with 95 % intervals over groups.
        auroc: with its values without each group.
        groups: the groups.
    """

    score: PairingScore
    auroc: Area
    groups: Grouping


def validate_pairing(
    runs: RunSet,
    run: SavedRun,
    *,
    measure_to_fit: str | None = None,
    share: float = 0.5,
    repetitions: int = 20,
    seed: int = 0,
) -> list[PairingScore]:
    """Break the pairing of some test samples and measure how well each score finds them.

    A share of the test samples gets one modality from a sample of another group. Scores: the critic trained with the
    model, one fitted afterwards on its training part, and linear CCA on the same representations and on the features.
    Samples that disagree according to the data, as in the embedded data, are a second target and take no part in the
    broken pairs. Samples are ranked within a partition, whose model was not trained on them.

    Args:
        runs: see :func:`~comodal.evaluation.runs.open_runs`.
        run: one of them.
        measure_to_fit: dependency measure of a critic to fit afterwards; ``None`` for no such critic.
        share: of samples whose pairing is broken.
        repetitions: draws of broken samples and their donors.
        seed: of these draws.

    Returns:
        One entry per score and modality, and per score and planted disagreement.

    Raises:
        InputError: no critic, only one modality, fewer than 20 test samples, only one group, or a share outside (0, 1).
    """
    parts = held_out_parts(runs, run, measure_to_fit=measure_to_fit)
    return [each.score for each in detections(parts, share=share, repetitions=repetitions, seed=seed)]


def held_out_parts(runs: RunSet, run: SavedRun, *, measure_to_fit: str | None = None) -> list[HeldOutSamples]:
    """Return the test samples of every partition of a run, with their scorers."""
    planted = runs.dataset.columns.get("disagree", np.full(len(runs.dataset), ""))
    found = []
    for fitted in runs.fitted(run):
        test = fitted.fold.partition.test
        rows = _few_enough(test, fitted.fold.groups)
        scorers, notes = scorers_of(fitted, rows, measure_to_fit=measure_to_fit)
        if len(rows) < len(test):
            drawn = f"on {len(rows)} of {len(test)} test samples, whole groups drawn at random"
            notes = {name: _joined(notes.get(name, ""), drawn) for name in scorers}
        names = tuple(fitted.fold.view.spec.modalities)
        found.append(HeldOutSamples(names, fitted.fold.groups[rows], planted[rows] != "", scorers, notes))
    return found


def detections(
    parts: Sequence[HeldOutSamples], *, share: float = 0.5, repetitions: int = 20, seed: int = 0
) -> Iterator[Detection]:
    """Yield how well each scorer finds broken pairs of each modality, and planted disagreement where there is any.

    All parts have the same scorers; all scorers and modalities share the draws. Arguments and errors: see
    :func:`validate_pairing`.
    """
    if (n := sum(len(part.groups) for part in parts)) < FEWEST:
        raise InputError(f"{n} test samples are too few for broken pairs; give {FEWEST} or more", code="empty")
    groups, codes = grouping_of([part.groups for part in parts])
    draws = []
    for place, (part, group) in enumerate(zip(parts, codes, strict=True)):
        whole = np.flatnonzero(~part.planted)
        donors = draw_donors(part.groups[whole], share=share, rounds=repetitions, seed=seed + place)
        draws.append(_Draw(part, group, whole, donors))
    for name in parts[0].scorers:
        for modality in parts[0].modalities:
            rankings = [ranking for draw in draws for ranking in draw.rankings(name, modality)]
            yield _detection(parts, name, rankings, groups, target=BROKEN, modality=modality, rounds=repetitions)
        rankings = [draw.planted(name) for draw in draws if 0 < draw.part.planted.sum() < len(draw.group)]
        if rankings:
            yield _detection(parts, name, rankings, groups, target=PLANTED, modality="", rounds=1)


@dataclass(frozen=True, eq=False)
class _Draw:
    """Broken samples of one part, and their donors.

    ``group (n,)`` numbers each sample's group; ``whole`` are the rows without planted disagreement, and ``donors``
    ``(R, len(whole))`` are places in it.
    """

    part: HeldOutSamples
    group: NDArray[np.intp]
    whole: NDArray[np.intp]
    donors: NDArray[np.int64]

    def rankings(self, name: str, modality: str) -> Iterator[ScoredPairs]:
        """Yield one set of scored samples per repetition; broken ones have the modality of their donor."""
        found, views = self.donors != np.arange(len(self.whole)), len(self.part.modalities)
        score = np.tile(self._score(name, np.tile(self.whole, (views, 1))), (len(self.donors), 1))
        tuples = np.tile(np.broadcast_to(self.whole, found.shape)[found], (views, 1))
        tuples[self.part.modalities.index(modality)] = self.whole[self.donors[found]]
        score[found] = self._score(name, tuples)
        group = self.group[self.whole]
        for row, donor, broken in zip(score, self.donors, found, strict=True):
            yield ScoredPairs(-row, broken, group, group[donor])

    def planted(self, name: str) -> ScoredPairs:
        """Return all samples unchanged; the positives are those with planted disagreement."""
        rows = np.tile(np.arange(len(self.group)), (len(self.part.modalities), 1))
        return ScoredPairs(-self._score(name, rows), self.part.planted, self.group, self.group)

    def _score(self, name: str, rows: NDArray[Any]) -> NDArray[np.float64]:
        with torch.no_grad():
            return self.part.scorers[name](torch.from_numpy(np.ascontiguousarray(rows))).double().numpy()


def _detection(
    parts: Sequence[HeldOutSamples],
    name: str,
    rankings: Sequence[ScoredPairs],
    groups: Grouping,
    *,
    target: str,
    modality: str,
    rounds: int,
) -> Detection:
    auroc, precision = areas(rankings, groups.count)
    auroc_low, auroc_high = interval(auroc, groups)
    precision_low, precision_high = interval(precision, groups)
    score = PairingScore(
        score=name,
        target=target,
        modality=modality,
        auroc=auroc.value,
        auroc_low=auroc_low,
        auroc_high=auroc_high,
        average_precision=precision.value,
        precision_low=precision_low,
        precision_high=precision_high,
        n_broken=sum(int(each.found.sum()) for each in rankings) // rounds,
        n=sum(len(each.found) for each in rankings) // rounds,
        note=_joined(*(part.notes.get(name, "") for part in parts)),
    )
    return Detection(score, auroc, groups)


def _joined(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _few_enough(rows: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.int64]:
    """Return rows of whole groups drawn at random, at most 5,000: more narrow the interval little and take long."""
    if len(rows) <= LARGEST:
        return rows
    names, codes, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    chosen = order[np.cumsum(sizes[order]) <= LARGEST]
    return rows[np.isin(codes, chosen if len(chosen) > 1 else order[:2])]
