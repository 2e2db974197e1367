"""AUROC and average precision, exact with ties: of one ranking, and over several with jackknife intervals over groups.

Axis legend: n samples of a ranking, W sets of weights, G distinct scores, V groups of all rankings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError
from comodal.evaluation.groups import Grouping

__all__ = ["Area", "Curve", "ScoredPairs", "areas", "curve", "grouping_of", "interval"]

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """Cumulative weights down a ranking, one step per distinct score.

    Attributes:
        hits: ``(W, G)`` weight of true positives so far.
        misses: ``(W, G)`` weight of false positives so far.
    """

    hits: Array
    misses: Array

    def auroc(self) -> Array:
        """Return the area under the ROC curve ``(W,)``: the probability that a positive scores higher than a negative.

        ``P(S_+ > S_-) + P(S_+ = S_-) / 2``, the Mann-Whitney statistic over the number of pairs; 0.5 is chance, NaN
        where only one class has weight.

        Source: J. A. Hanley, B. J. McNeil, Radiology 143, 1982.
        """
        before = np.concatenate([np.zeros((len(self.hits), 1)), self.hits[:, :-1]], axis=1)
        area = (np.diff(self.misses, axis=1, prepend=0.0) * (before + self.hits) / 2).sum(axis=1)
        return _ratio(area, self.hits[:, -1] * self.misses[:, -1])

    def average_precision(self) -> Array:
        """Return the area ``(W,)`` under the precision-recall curve as a sum of steps: mean precision at the positives.

        ``sum_g (R_g - R_{g-1}) P_g`` over the distinct scores from the highest; chance is the share of positives, NaN
        where only one class has weight.

        Source: C. D. Manning, P. Raghavan, H. Schuetze, Introduction to Information Retrieval, 2008, section 8.4.
        """
        precision = _ratio(self.hits, self.hits + self.misses, empty=0.0)
        area = (np.diff(self.hits, axis=1, prepend=0.0) * precision).sum(axis=1)
        return _ratio(np.where(self.misses[:, -1] > 0, area, np.nan), self.hits[:, -1])


def curve(score: ArrayLike, found: ArrayLike, weight: ArrayLike | None = None) -> Curve:
    """Return the cumulative weights down a ranking.

    Args:
        score: ``(n,)``, higher = more likely positive.
        found: ``(n,)`` bool, the positives.
        weight: ``(W, n)`` non-negative, one curve per row; default: one row of ones.

    Raises:
        InputError: only one class, scores that are not finite, or lengths that differ.
    """
    values, sought = np.asarray(score, dtype=np.float64), np.asarray(found, dtype=bool)
    weights = np.ones((1, len(values))) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(values, sought, weights)
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    hits, misses = (np.cumsum((weights * mask)[:, order], axis=1)[:, ends] for mask in (sought, ~sought))
    return Curve(hits, misses)


def _check(score: Array, found: NDArray[Any], weight: Array) -> None:
    if score.ndim != 1 or found.shape != score.shape or weight.shape[1:] != score.shape:
        raise InputError(
            f"scores are {score.shape}, positives {found.shape}, weights {weight.shape}: give (n,), (n,) and (W, n)",
            code="wrong_shape",
        )
    if not np.isfinite(score).all():
        raise InputError(
            f"{(~np.isfinite(score)).sum()} of {len(score)} scores are NaN or infinite: fit the critic again",
            code="not_finite",
        )
    if found.all() or not found.any():
        raise InputError("only one class: give positive and negative samples", code="empty")


def _ratio(part: Array, whole: Array, *, empty: float = np.nan) -> Array:
    return np.divide(part, whole, out=np.full_like(part, empty), where=whole > 0)


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
