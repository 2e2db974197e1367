"""Areas below the curves of several rankings together, and how far they move when a video is left out.

Axis legend: n utterances of a ranking, V videos of all rankings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.evaluation.groups import Grouping
from comodal.explain.detection import curve

__all__ = ["Area", "Ranking", "areas", "grouping_of", "interval"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Utterances that one model ranked, some of which it should find.

    Attributes:
        score: ``(n,)``, higher = more suspicious.
        found: ``(n,)`` bool, what is to be found.
        video: ``(n,)`` int, the video of each, a number below V.
        donor_video: ``(n,)`` int, the video its exchanged modality is from; its own where none was exchanged.
    """

    score: Array
    found: NDArray[Any]
    video: NDArray[Any]
    donor_video: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Area:
    """A mean of areas.

    Attributes:
        value: of all videos.
        left_out: ``(V,)`` without one video, be it an utterance's own or a donor's.
    """

    value: float
    left_out: Array


def areas(rankings: Sequence[Ranking], videos: int) -> tuple[Area, Area]:
    """AUROC and average precision within each ranking, averaged.

    Scores of different models have no common scale, so nothing is compared across rankings. AUROCs are weighted by
    pairs (found, not found), which makes their mean the chance that of two utterances *scored by one model* the broken
    one is the more suspicious; average precisions by what is to be found.

    Args:
        rankings: at least one.
        videos: V.

    Returns:
        AUROC, average precision.

    Example:
        >>> ranking = Ranking(np.array([3.0, 1.0, 2.0]), np.array([True, False, False]), np.arange(3), np.arange(3))
        >>> [area.value for area in areas([ranking], 3)]
        [1.0, 1.0]
    """
    totals = np.zeros(
        (2, 2, videos + 1)
    )  # AUROC and precision, their sum and its weight, without each video and with all
    for ranking in rankings:
        met, parts = _without_each(ranking)
        totals += parts[..., -1:]
        totals[..., met] += parts[..., :-1] - parts[..., -1:]
    with np.errstate(invalid="ignore"):
        means = totals[:, 0] / totals[:, 1]
    return Area(float(means[0, -1]), means[0, :-1]), Area(float(means[1, -1]), means[1, :-1])


def _without_each(ranking: Ranking) -> tuple[NDArray[np.intp], Array]:
    """Videos met ``(v,)``, and ``(2, 2, v + 1)`` as in the totals, the last with all of them."""
    met = np.unique(np.concatenate([ranking.video, ranking.donor_video]))
    kept = np.ones((len(met) + 1, len(ranking.score)))
    kept[:-1] -= (met[:, None] == ranking.video) | (met[:, None] == ranking.donor_video)
    met_on_the_way = curve(ranking.score, ranking.found, kept)
    broken, whole = met_on_the_way.hits[:, -1], met_on_the_way.misses[:, -1]
    weights = np.stack([broken * whole, broken * (whole > 0)])
    values = np.nan_to_num(np.stack([met_on_the_way.auroc(), met_on_the_way.average_precision()]))
    return met, np.stack([values * weights, weights], axis=1)


def interval(area: Area, groups: Grouping) -> tuple[float, float]:
    """The 95 % interval of an area for other videos of the same kind, from the jackknife over videos.

    ``value -+ t sqrt((V - 1) / V sum_v (A_v - mean A)^2)`` with ``A_v`` the area without video v and Student's t of the
    effective number of videos, cut to [0, 1]. Utterances of a video share a speaker, so videos and not utterances are
    the unit; leaving one out also leaves out the pairs it gave a modality to. It is for the model as it is: another
    seed gives another model.

    Args:
        area: of :func:`areas`.
        groups: the videos, in the numbering of the rankings.

    Returns:
        Lower and upper end; NaN for both where fewer than two videos can be left out.

    Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 3.

    Example:
        >>> groups = Grouping(np.arange(4), np.ones(4, dtype=np.int64))
        >>> interval(Area(0.7, np.array([0.7, 0.7, 0.7, 0.7])), groups)
        (0.7, 0.7)
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - keeps `import comodal` light

    defined = area.left_out[np.isfinite(area.left_out)]
    if len(defined) < 2:
        return math.nan, math.nan
    variance = (len(defined) - 1) * float(defined.var())
    reach = float(stdtrit(max(groups.effective_count - 1.0, 1.0), 0.975)) * math.sqrt(variance)
    return max(0.0, area.value - reach), min(1.0, area.value + reach)


def grouping_of(groups: Sequence[NDArray[Any]]) -> tuple[Grouping, list[NDArray[np.intp]]]:
    """Videos of several parts numbered together, and the numbers of each part's utterances.

    >>> grouping_of([np.array(["a", "b"]), np.array(["c", "b"])])[1]
    [array([0, 1]), array([2, 1])]
    """
    _, codes, sizes = np.unique(np.concatenate(groups).astype(str), return_inverse=True, return_counts=True)
    found = Grouping(codes.astype(np.intp), sizes.astype(np.int64))
    return found, np.split(found.codes, np.cumsum([len(each) for each in groups])[:-1])
