"""AUROC and average precision over several rankings, with jackknife intervals over groups.

Axis legend: n samples of a ranking, W sets of weights, G distinct scores, V groups of all rankings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.evaluation.groups import Grouping
from comodal.metrics.detection import curve

__all__ = ["Area", "ScoredPairs", "areas", "grouping_of", "interval"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """Samples that one model scored, some of them positives.

    Attributes:
        score: ``(n,)``, higher = more suspicious.
        found: ``(n,)`` bool, the positives.
        group: ``(n,)`` int, the number of each sample's group, below V.
        donor_group: ``(n,)`` int, the group of its donor; its own where the sample is not broken.
    """

    score: Array
    found: NDArray[Any]
    group: NDArray[Any]
    donor_group: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Area:
    """A mean area, and its leave-one-group-out values.

    Attributes:
        value: of all groups.
        left_out: ``(V,)`` without the samples of one group and those that it gave a modality to.
    """

    value: float
    left_out: Array


def areas(rankings: Sequence[ScoredPairs], groups: int) -> tuple[Area, Area]:
    """Return AUROC and average precision, computed within each ranking and averaged.

    Scores of different models have no common scale, so nothing is compared across rankings. AUROCs are weighted by
    pairs (positive, negative): their mean is the probability that a positive scores higher than a negative *of the
    same model*. Average precisions are weighted by positives. ``groups`` is V.
    """
    # AUROC and precision, their sum and its weight, without each group and with all
    totals = np.zeros((2, 2, groups + 1))
    for ranking in rankings:
        met, parts = _without_each(ranking)
        totals += parts[..., -1:]
        totals[..., met] += parts[..., :-1] - parts[..., -1:]
    with np.errstate(invalid="ignore"):
        means = totals[:, 0] / totals[:, 1]
    return Area(float(means[0, -1]), means[0, :-1]), Area(float(means[1, -1]), means[1, :-1])


def _without_each(ranking: ScoredPairs) -> tuple[NDArray[np.intp], Array]:
    """Groups met ``(v,)``, and ``(2, 2, v + 1)`` as in the totals, the last with all of them."""
    met = np.unique(np.concatenate([ranking.group, ranking.donor_group]))
    kept = np.ones((len(met) + 1, len(ranking.score)))
    kept[:-1] -= (met[:, None] == ranking.group) | (met[:, None] == ranking.donor_group)
    met_on_the_way = curve(ranking.score, ranking.found, kept)
    broken, whole = met_on_the_way.hits[:, -1], met_on_the_way.misses[:, -1]
    weights = np.stack([broken * whole, broken * (whole > 0)])
    values = np.nan_to_num(np.stack([met_on_the_way.auroc(), met_on_the_way.average_precision()]))
    return met, np.stack([values * weights, weights], axis=1)


def interval(area: Area, groups: Grouping) -> tuple[float, float]:
    """Return the 95 % interval of an area over groups, by the jackknife.

    ``value -+ t sqrt((V - 1) / V sum_v (A_v - mean A)^2)`` with ``A_v`` the area without group v and Student's t of the
    effective number of groups, clipped to [0, 1]. Samples of a group share a speaker, so the group is the unit;
    leaving one out also leaves out the samples it gave a modality to. The interval holds for one trained model.

    Returns:
        Lower and upper end; both NaN where fewer than two groups can be left out.

    Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, chapter 3.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - keeps `import comodal` light

    defined = area.left_out[np.isfinite(area.left_out)]
    if len(defined) < 2:
        return math.nan, math.nan
    variance = (len(defined) - 1) * float(defined.var())
    reach = float(stdtrit(max(groups.effective_count - 1.0, 1.0), 0.975)) * math.sqrt(variance)
    return max(0.0, area.value - reach), min(1.0, area.value + reach)


def grouping_of(groups: Sequence[NDArray[Any]]) -> tuple[Grouping, list[NDArray[np.intp]]]:
    """Return the groups of several parts numbered together, and the group numbers of each part's samples."""
    _, codes, sizes = np.unique(np.concatenate(groups).astype(str), return_inverse=True, return_counts=True)
    found = Grouping(codes.astype(np.intp), sizes.astype(np.int64))
    return found, np.split(found.codes, np.cumsum([len(each) for each in groups])[:-1])
