"""Align frames to words, and words to segments, by their intervals in seconds.

Axis legend: F frames, S spans (words or segments), d features of a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.damage import damaged
from comodal.data.ragged import frame_index

__all__ = ["SHORTEST", "mean_over", "members_of"]

SHORTEST = 1e-4
"""Seconds that two intervals must have in common; intervals that only touch share rounding errors."""

_MOST_REPEATS = 100
_FREE = 10**6


def members_of(
    intervals: NDArray[np.float64], spans: NDArray[np.float64], *, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the intervals that overlap each span, in order of their starts.

    Intervals may overlap, have gaps and come in any order; one that crosses the border of two spans belongs to both.
    Those without duration, or with a bound that is NaN, belong nowhere.

    Args:
        intervals: ``(F, 2)`` start and end of each frame.
        spans: ``(S, 2)`` start and end of each span.
        where: file and video, for errors.

    Returns:
        ``(sum of lengths,)`` numbers of the intervals, span by span, and ``(S,)`` how many each span has.
    """
    with np.errstate(invalid="ignore"):
        lasting = np.flatnonzero(intervals[:, 1] - intervals[:, 0] > SHORTEST)
        wide = spans[:, 1] - spans[:, 0] > SHORTEST
    order = lasting[np.argsort(intervals[lasting, 0], kind="stable")]
    starts, ends = intervals[order, 0], intervals[order, 1]
    early, late = spans[:, 0] + SHORTEST, spans[:, 1] - SHORTEST
    # Before `first` every interval has ended, from `last` on none has begun; in between one in an odd order may have.
    first = np.searchsorted(np.maximum.accumulate(ends), early, side="right")
    last = np.searchsorted(starts, late, side="left")
    lengths = np.where(wide, np.maximum(last - first, 0), 0).astype(np.int64)
    if lengths.sum() > max(_FREE, _MOST_REPEATS * (len(intervals) + len(spans))):
        raise damaged(where, f"intervals overlap more than {_MOST_REPEATS} times")
    found = frame_index(first.astype(np.int64), lengths)
    owner = np.repeat(np.arange(len(spans)), lengths)
    inside = ends[found] > early[owner]
    return order[found[inside]].astype(np.int64), np.bincount(owner[inside], minlength=len(spans)).astype(np.int64)


def mean_over(
    frames: NDArray[np.floating], index: NDArray[np.int64], lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the mean of the finite values among the frames of each span.

    Args:
        frames: ``(F, d)``.
        index: from :func:`members_of`.
        lengths: ``(S,)`` from :func:`members_of`.

    Returns:
        ``(S, d)``; zero where a span has no frame, NaN where it has frames but none of them is finite.
    """
    found = np.zeros((len(lengths), frames.shape[1]), dtype=np.float32)
    some = lengths > 0
    if some.any():
        with np.errstate(invalid="ignore"):
            values = frames[index].astype(np.float64)
        finite = np.isfinite(values)
        values[~finite] = 0.0
        # Sums of runs, not differences of running sums: one huge value must not spoil the words after it.
        begins = (np.cumsum(lengths) - lengths)[some]
        counts = np.add.reduceat(finite, begins, axis=0, dtype=np.int64)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found[some] = np.add.reduceat(values, begins, axis=0) / counts
    return found
