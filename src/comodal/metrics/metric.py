"""Metrics of targets and predictions, on all samples and on any weighting of groups of samples.

Axis legend: N samples, V groups, W sets of weights, K outputs or classes, k terms of a metric.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from comodal.contracts import InputError
from comodal.metrics.detection import Curve, curve, left_out_curve

__all__ = ["Array", "Metric", "RankMetric", "SumMetric", "checked", "columns", "mean", "on_groups", "percent", "ratio"]

Array = npt.NDArray[np.float64]
_AT_ONCE = 1 << 17
"""Weights of single samples that are in memory at once: so many stay in the cache of a processor."""


@dataclass(frozen=True)
class Metric(ABC):
    """A metric: call it with targets and predictions, ``(N,)`` or ``(N, K)`` as their task has them.

    Attributes:
        name: as in tables and files.
        unit: ``"%"`` for a share from 0 to 100, ``"label"`` for the unit of the labels, ``"nats"``, ``""`` for none.
        higher_is_better: which direction is an improvement.
    """

    name: str
    unit: str
    higher_is_better: bool

    def __call__(self, target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
        """Return the metric of one set of predictions.

        Raises:
            InputError: lengths differ, a value is NaN or infinite, or no sample counts.
        """
        y, p = checked(target, prediction)
        return self.defined(self._value(y, p))

    def on_groups(
        self, target: npt.ArrayLike, prediction: npt.ArrayLike, codes: npt.NDArray[np.intp], count: int
    ) -> tuple[float, Array]:
        """Return the metric on all samples, and ``(V,)`` with each group left out, NaN where then no sample counts.

        Args:
            target: of N samples.
            prediction: of the same samples.
            codes: ``(N,)`` group of each sample, 0 to V - 1.
            count: V.

        Raises:
            InputError: as for a call.
        """
        return on_groups([self], target, prediction, codes, count)[self.name]

    @abstractmethod
    def resampled(
        self, target: npt.ArrayLike, prediction: npt.ArrayLike, codes: npt.NDArray[np.intp], weights: Array
    ) -> Array:
        """Return ``(W,)``, the metric where group v counts ``weights[w, v]`` times; NaN where no sample counts."""

    @abstractmethod
    def _value(self, y: Array, p: Array) -> float: ...

    def defined(self, value: float) -> float:
        """Return a value of the metric; refuse one that does not exist."""
        if np.isnan(value):
            raise InputError(
                f"{self.name}: no sample counts, or all labels are the same; leave it out (--metrics)", code="empty"
            )
        return value


@dataclass(frozen=True)
class SumMetric(Metric):
    """A metric that is a function of sums over samples, so sums per group give it for any resample of groups.

    Attributes:
        terms: targets and predictions to ``(N, k)`` rows to be summed.
        value: ``(..., k)`` sums to ``(...)`` metric values, NaN where no sample counts.
        by_output: whether several outputs are judged one by one, and the metric is their mean.
    """

    terms: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]
    by_output: bool = False

    def resampled(
        self, target: npt.ArrayLike, prediction: npt.ArrayLike, codes: npt.NDArray[np.intp], weights: Array
    ) -> Array:
        """See :meth:`Metric.resampled`."""
        sums = [weights @ each for each in self._group_sums(*checked(target, prediction), codes, weights.shape[1])]
        return self._mean(sums)

    def of_each(self, target: npt.ArrayLike, prediction: npt.ArrayLike) -> Array:
        """Return ``(K,)``, the metric of each of K outputs or classes, NaN where it is not defined."""
        outputs = self._outputs(*checked(target, prediction))
        return np.concatenate([np.atleast_1d(self.value(self.terms(*each).sum(axis=0))) for each in outputs])

    def _value(self, y: Array, p: Array) -> float:
        return float(self._mean([self.terms(*each).sum(axis=0) for each in self._outputs(y, p)]))

    def left_out(self, y: Array, p: Array, codes: npt.NDArray[np.intp], count: int) -> tuple[float, Array]:
        """Return the metric on all samples, and with each group left out."""
        sums = self._group_sums(y, p, codes, count)
        totals = [each.sum(axis=0) for each in sums]
        left = [total - each for total, each in zip(totals, sums, strict=True)]
        return float(self._mean(totals)), self._mean(left)

    def _outputs(self, y: Array, p: Array) -> Iterator[tuple[Array, Array]]:
        if self.by_output and y.ndim == 2:
            yield from zip(y.T, p.T, strict=True)
        else:
            yield y, p

    def _group_sums(self, y: Array, p: Array, codes: npt.NDArray[np.intp], count: int) -> list[Array]:
        """Return ``(V, k)`` sums of each output."""
        return [
            np.stack([np.bincount(codes, weights=column, minlength=count) for column in self.terms(*each).T], axis=-1)
            for each in self._outputs(y, p)
        ]

    def _mean(self, sums: list[Array]) -> Array:
        values = [self.value(each) for each in sums]
        return values[0] if len(values) == 1 else np.asarray(np.mean(values, axis=0))


@dataclass(frozen=True)
class RankMetric(Metric):
    """A metric of how well scores rank samples, the mean over the classes that have positives and negatives.

    It is no sum over samples: every set of weights sums the ranking anew.

    Attributes:
        area: curve of a ranking to ``(W,)``.
    """

    area: Callable[[Curve], Array]

    def resampled(
        self, target: npt.ArrayLike, prediction: npt.ArrayLike, codes: npt.NDArray[np.intp], weights: Array
    ) -> Array:
        """See :meth:`Metric.resampled`."""
        y, p = checked(target, prediction)
        parts = _parts(len(weights), len(y))
        return np.concatenate([self._areas(y, p, weights[part.start : part.stop][:, codes]) for part in parts])

    def mean_area(self, areas: list[Array], count: int) -> Array:
        """Return ``(count,)`` the mean of the areas of the classes that have one, NaN where none has."""
        every = np.stack(areas) if areas else np.full((1, count), np.nan)
        known = np.isfinite(every)
        total = np.where(known, every, 0.0).sum(axis=0)
        return ratio(total, known.sum(axis=0), empty=np.nan)

    def _value(self, y: Array, p: Array) -> float:
        return float(self._areas(y, p, np.ones((1, len(y))))[0])

    def _areas(self, y: Array, p: Array, weights: Array) -> Array:
        found = [self.area(curve(score, sought, weights)) for score, sought in _rankings(y, p)]
        return self.mean_area(found, len(weights))


def on_groups(
    metrics: Sequence[Metric],
    target: npt.ArrayLike,
    prediction: npt.ArrayLike,
    codes: npt.NDArray[np.intp],
    count: int,
) -> dict[str, tuple[float, Array]]:
    """Return name to what :meth:`Metric.on_groups` returns; metrics of rankings share the work of ranking."""
    y, p = checked(target, prediction)
    ranks = {each.name: each for each in metrics if isinstance(each, RankMetric)}
    areas = _left_out_areas(ranks, y, p, codes, count)
    found = {
        each.name: each.left_out(y, p, codes, count) if isinstance(each, SumMetric) else (each(y, p), areas[each.name])
        for each in metrics
    }
    return {each.name: (each.defined(found[each.name][0]), found[each.name][1]) for each in metrics}


def _left_out_areas(
    metrics: Mapping[str, RankMetric], y: Array, p: Array, codes: npt.NDArray[np.intp], count: int
) -> dict[str, Array]:
    """Return name to ``(V,)``, the metric with each group left out."""
    parts: dict[str, list[Array]] = {name: [] for name in metrics}
    for groups in _parts(count, len(y)) if metrics else ():
        areas: dict[str, list[Array]] = {name: [] for name in metrics}
        for score, sought in _rankings(y, p):
            ranking = left_out_curve(score, sought, codes, groups)
            for name, metric in metrics.items():
                areas[name].append(metric.area(ranking))
        for name, metric in metrics.items():
            parts[name].append(metric.mean_area(areas[name], len(groups)))
    return {name: np.concatenate(each) for name, each in parts.items()}


def _parts(count: int, samples: int) -> list[range]:
    """Return ranges of weights that are summed at once; of several weights none is alone, which may change a bit."""
    ends = np.linspace(0, count, 1 + max(1, min(count // 4, count * samples // _AT_ONCE))).astype(int).tolist()
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def _rankings(y: Array, p: Array) -> Iterator[tuple[Array, npt.NDArray[np.bool_]]]:
    """Yield scores and positives of each class that has both kinds of samples; of two classes, of the second."""
    if p.ndim == 1:
        columns = [(p, y == 1)]
    elif y.ndim == 1:
        columns = [(p[:, k], y == k) for k in range(p.shape[1])]
    else:
        columns = [(p[:, k], y[:, k] == 1) for k in range(p.shape[1])]
    yield from ((score, sought) for score, sought in columns if sought.any() and not sought.all())


def checked(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[Array, Array]:
    """Return targets and predictions as float64 arrays, ``(N,)`` or ``(N, K)``.

    Raises:
        InputError: shapes differ, nothing is given, or a value is NaN or infinite.

    >>> checked([1, 2], [0.5, 2.5])
    (array([1., 2.]), array([0.5, 2.5]))
    """
    y, p = np.asarray(target, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if y.ndim not in {1, 2} or p.ndim not in {1, 2} or len(y) != len(p) or not y.size or y.shape != p.shape[: y.ndim]:
        raise InputError(
            f"targets {y.shape} and predictions {p.shape}: give the same samples, at least 1", code="wrong_shape"
        )
    for what, column in (("targets", y), ("predictions", p)):
        bad = ~np.isfinite(column)
        if bad.any():
            first = int(np.argwhere(bad)[0, 0])
            raise InputError(
                f"{int(bad.sum())} of {bad.size} {what} are NaN or infinite, the first at row {first}: "
                "the run has diverged or the file is damaged; train it again, or leave it out",
                code="not_finite",
            )
    return y, p


def columns(*terms: Any) -> Array:
    """Return terms of ``(N,)`` side by side, ``(N, k)`` in float64."""
    return np.stack([np.asarray(term, dtype=np.float64) for term in terms], axis=-1)


def ratio(numerator: Array, denominator: Array, *, empty: float) -> Array:
    """Return quotients of any shape, ``empty`` where the denominator is not positive."""
    out: Array = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), empty)
    return np.divide(numerator, denominator, out=out, where=denominator > 0)


def mean(sums: Array) -> Array:
    """Return the means ``(...)`` of sums and counts ``(..., 2)``, NaN where the count is 0."""
    return ratio(sums[..., 0], sums[..., 1], empty=np.nan)


def percent(sums: Array) -> Array:
    """Return the :func:`mean` in percent."""
    return 100.0 * mean(sums)
