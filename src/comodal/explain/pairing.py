"""Is the explanation true? How well a score finds utterances whose modalities do not belong together.

Axis legend: n utterances of a part, M modalities, k tuples, R repetitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import InputError, PairingScore
from comodal.evaluation.groups import Grouping
from comodal.evaluation.runs import RunSet, SavedRun
from comodal.explain.broken_pairs import draw_donors
from comodal.explain.pairing_areas import Area, Ranking, areas, grouping_of, interval
from comodal.explain.pairing_scorers import RowScorer, scorers_of

__all__ = [
    "BROKEN",
    "PLANTED",
    "Detection",
    "HeldOutPart",
    "detections",
    "held_out_parts",
    "summary",
    "validate_pairing",
]

BROKEN, PLANTED = "broken pairs", "planted disagreement"
FEWEST = 20
LARGEST = 5000


@dataclass(frozen=True, eq=False)
class HeldOutPart:
    """The test utterances of one partition, with what scores them.

    Attributes:
        modalities: names, in the order of a tuple's rows.
        groups: ``(n,)`` the video of each utterance.
        planted: ``(n,)`` bool, those that the data say disagree.
        scorers: name to scorer.
        notes: scorer to what a reader must know of it.
    """

    modalities: tuple[str, ...]
    groups: NDArray[Any]
    planted: NDArray[np.bool_]
    scorers: Mapping[str, RowScorer]
    notes: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Detection:
    """How well one score finds one kind of disagreement.

    Attributes:
        score: name of what scores.
        target: :data:`BROKEN` or :data:`PLANTED`.
        modality: whose pairing is broken; empty for planted disagreement.
        auroc: with its values without each video.
        precision: average precision, the same.
        groups: the videos.
        n_broken: utterances to be found, in each repetition.
        n: all utterances that are ranked.
        note: what a reader must know.
    """

    score: str
    target: str
    modality: str
    auroc: Area
    precision: Area
    groups: Grouping
    n_broken: int
    n: int
    note: str


def validate_pairing(
    runs: RunSet,
    run: SavedRun,
    *,
    measure_to_fit: str | None = None,
    share: float = 0.5,
    repetitions: int = 20,
    seed: int = 0,
) -> list[PairingScore]:
    """Break the pairing of some test utterances and see whether the critic finds them.

    A share of the test utterances get one modality of an utterance of another video; the score of each utterance should
    tell which. Scores: the critic that was trained with the model, one fitted afterwards on its training part, and
    linear CCA fitted on the same representations and on the features themselves. Where the data say which utterances
    disagree, as the embedded data do, those are to be found too, and are left out of the broken pairs, whose others
    must be whole. Ranks are within a partition, whose model did not see these utterances.

    Args:
        runs: what :func:`~comodal.evaluation.runs.open_runs` found.
        run: one of them.
        measure_to_fit: measure of the critic that is fitted afterwards; none is when ``None``.
        share: of the utterances that are broken.
        repetitions: draws of which, and of their donors.
        seed: of these draws.

    Returns:
        One entry a score, and a modality or planted disagreement.

    Raises:
        InputError: no critic to judge, one modality only, fewer than 20 test utterances, test utterances of a single
            video, or a share outside (0, 1).

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.evaluation.runs import open_runs
        >>> from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
        >>> folder, training = tempfile.mkdtemp(), TrainingConfig(max_epochs=1)
        >>> short = RunConfig(penalty=PenaltyConfig(measure="kl", weight=0.1), training=training)
        >>> _ = train(DataConfig(source="synthetic:redundant"), short, out=folder)
        >>> runs = open_runs(folder)
        >>> found = validate_pairing(runs, runs.runs[0], repetitions=2)
        >>> [(each.score, each.modality) for each in found[:2]], found[0].n_broken, found[0].n
        ([('critic', 'text'), ('critic', 'audio')], 400, 800)
    """
    parts = held_out_parts(runs, run, measure_to_fit=measure_to_fit)
    return [summary(each) for each in detections(parts, share=share, repetitions=repetitions, seed=seed)]


def held_out_parts(runs: RunSet, run: SavedRun, *, measure_to_fit: str | None = None) -> list[HeldOutPart]:
    """The test part of every partition of a run, with its scorers."""
    planted = runs.dataset.columns.get("disagree", np.full(len(runs.dataset), ""))
    found = []
    for fitted in runs.fitted(run):
        test = fitted.fold.partition.test
        rows = _few_enough(test, fitted.fold.groups)
        scorers, notes = scorers_of(fitted, rows, measure_to_fit=measure_to_fit)
        if len(rows) < len(test):
            notes = {name: _joined(notes.get(name, ""), _drawn(len(rows), len(test))) for name in scorers}
        names = tuple(fitted.fold.view.spec.modalities)
        found.append(HeldOutPart(names, fitted.fold.groups[rows], planted[rows] != "", scorers, notes))
    return found


def detections(
    parts: Sequence[HeldOutPart], *, share: float = 0.5, repetitions: int = 20, seed: int = 0
) -> Iterator[Detection]:
    """How well each scorer finds broken pairs of each modality, and planted disagreement where there is any.

    Args:
        parts: of one run; every one with the same scorers.
        share: as in :func:`validate_pairing`.
        repetitions: R.
        seed: as there. All scorers, and all modalities, meet the same draws.

    Raises:
        InputError: as there.
    """
    if (n := sum(len(part.groups) for part in parts)) < FEWEST:
        raise InputError(f"{n} test utterances: broken pairs are looked for among {FEWEST} or more; give more data")
    groups, codes = grouping_of([part.groups for part in parts])
    draws = []
    for place, (part, video) in enumerate(zip(parts, codes, strict=True)):
        whole = np.flatnonzero(~part.planted)
        donors = draw_donors(part.groups[whole], share=share, rounds=repetitions, seed=seed + place)
        draws.append(_Draw(part, video, whole, donors))
    for name in parts[0].scorers:
        for modality in parts[0].modalities:
            rankings = [ranking for draw in draws for ranking in draw.rankings(name, modality)]
            yield _detection(parts, name, rankings, groups, target=BROKEN, modality=modality, rounds=repetitions)
        rankings = [draw.planted(name) for draw in draws if 0 < draw.part.planted.sum() < len(draw.video)]
        if rankings:
            yield _detection(parts, name, rankings, groups, target=PLANTED, modality="", rounds=1)


def summary(detection: Detection) -> PairingScore:
    """A detection as reports read it, with 95 % intervals over videos."""
    auroc_ends = interval(detection.auroc, detection.groups)
    precision_ends = interval(detection.precision, detection.groups)
    return PairingScore(
        score=detection.score,
        target=detection.target,
        modality=detection.modality,
        auroc=detection.auroc.value,
        auroc_low=auroc_ends[0],
        auroc_high=auroc_ends[1],
        average_precision=detection.precision.value,
        precision_low=precision_ends[0],
        precision_high=precision_ends[1],
        n_broken=detection.n_broken,
        n=detection.n,
        note=detection.note,
    )


@dataclass(frozen=True, eq=False)
class _Draw:
    """Which utterances of a part are broken, and by whose modality.

    Attributes:
        part: the utterances.
        video: ``(n,)`` number of the video of each.
        whole: rows of the part that the data do not say disagree.
        donors: ``(R, len(whole))`` places in ``whole``.
    """

    part: HeldOutPart
    video: NDArray[np.intp]
    whole: NDArray[np.intp]
    donors: NDArray[np.int64]

    def rankings(self, name: str, modality: str) -> Iterator[Ranking]:
        """One a repetition: utterances as they are, but for those that got a modality of another."""
        found, views = self.donors != np.arange(len(self.whole)), len(self.part.modalities)
        score = np.tile(self._score(name, np.tile(self.whole, (views, 1))), (len(self.donors), 1))
        tuples = np.tile(np.broadcast_to(self.whole, found.shape)[found], (views, 1))
        tuples[self.part.modalities.index(modality)] = self.whole[self.donors[found]]
        score[found] = self._score(name, tuples)
        video = self.video[self.whole]
        for row, donor, broken in zip(score, self.donors, found, strict=True):
            yield Ranking(-row, broken, video, video[donor])

    def planted(self, name: str) -> Ranking:
        """All utterances as they are; to be found are those that the data say disagree."""
        rows = np.tile(np.arange(len(self.video)), (len(self.part.modalities), 1))
        return Ranking(-self._score(name, rows), self.part.planted, self.video, self.video)

    def _score(self, name: str, rows: NDArray[Any]) -> NDArray[np.float64]:
        with torch.no_grad():
            return self.part.scorers[name](torch.from_numpy(np.ascontiguousarray(rows))).double().numpy()


def _detection(
    parts: Sequence[HeldOutPart],
    name: str,
    rankings: Sequence[Ranking],
    groups: Grouping,
    *,
    target: str,
    modality: str,
    rounds: int,
) -> Detection:
    auroc, precision = areas(rankings, groups.count)
    return Detection(
        score=name,
        target=target,
        modality=modality,
        auroc=auroc,
        precision=precision,
        groups=groups,
        n_broken=sum(int(each.found.sum()) for each in rankings) // rounds,
        n=sum(len(each.found) for each in rankings) // rounds,
        note=_joined(*(part.notes.get(name, "") for part in parts)),
    )


def _joined(*notes: str) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def _drawn(some: int, n: int) -> str:
    return f"on {some} of {n} test utterances, whole videos drawn at random"


def _few_enough(rows: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.int64]:
    """Whole videos drawn until 5,000 utterances are met: beyond that an interval is narrow and the time is not."""
    if len(rows) <= LARGEST:
        return rows
    names, codes, sizes = np.unique(groups[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(0).permutation(len(names))
    chosen = order[np.cumsum(sizes[order]) <= LARGEST]
    return rows[np.isin(codes, chosen if len(chosen) > 1 else order[:2])]
