"""Read the utterances of one video from the SDK's files: frames belong to words, and words to segments, by their times.

Axis legend: S labelled segments, W words, F frames, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.csd_files import SEGMENT_KEY, Entry, OpenFile
from comodal.data.formats.interface import Block
from comodal.data.formats.label_fields import label_values
from comodal.data.formats.texts import as_text, column, damaged
from comodal.data.ragged import RaggedArray, frame_index, run_offsets

__all__ = ["SHORTEST", "mean_over", "members_of", "video_block"]

SHORTEST = 1e-4
"""Seconds that two intervals must have in common; intervals that only touch share rounding errors."""

_MOST_REPEATS = 100
_FREE = 10**6
_PAUSE = "sp"


class _Words(NamedTuple):
    """The words of a video ``(W,)`` and their times ``(W, 2)``, assigned to its segments.

    ``chosen`` are the words of each segment, segment by segment, without pauses; ``lengths`` ``(S,)`` are how many each
    has, and ``pauses`` ``(S,)`` how many were left out.
    """

    text: list[str]
    intervals: NDArray[np.float64]
    chosen: NDArray[np.int64]
    lengths: NDArray[np.int64]
    pauses: NDArray[np.int64]


def video_block(key: str, *, labels: OpenFile, words: OpenFile | None, features: Mapping[str, OpenFile]) -> Block:
    """Return the labelled segments of a video; features are aligned to words where there is a file of words."""
    labelled = labels.read(key)
    n = len(labelled.intervals)
    found = label_values(labelled.features, where=labelled.where)
    ids, video, renamed = _ids(key, n)
    counts = {renamed: n, **found.normalised}
    spoken = _spoken(words.entry(key), labelled.intervals) if words else None
    if spoken:
        counts["pauses (sp) were left out with their frames"] = int((spoken.pauses > 0).sum())
        counts["the whole video has no words, and so no frames"] = 0 if spoken.text else n
    modalities = {}
    for name, file in features.items():
        entry = file.entry(key)
        modalities[name], zeroed = _frames(entry, labelled.intervals, spoken, dim=file.file.dim)
        counts[f"{name}: words without a frame became zeros"] = zeroed
        counts[f"{name}: absent in the whole video"] = 0 if entry else n
    return Block(
        id=column(ids, where=labelled.where),
        group=column([video] * n, where=labelled.where),
        target=found.target,
        modalities=modalities,
        columns={"start": labelled.intervals[:, 0], "end": labelled.intervals[:, 1], **found.columns},
        transcript=column(_transcripts(spoken), where=labelled.where) if spoken else None,
        normalised={sentence: count for sentence, count in counts.items() if sentence and count},
    )


def _ids(key: str, n: int) -> tuple[list[str], str, str]:
    """Return ids, video, and what was changed in the keys.

    Only brackets separate a segment from its video here: names of videos may end in an underscore and digits.
    """
    bracketed = SEGMENT_KEY.fullmatch(key)
    if not bracketed:
        return [f"{key}_{row + 1}" for row in range(n)], key, "segments were numbered from 1 within their video"
    stem = f"{bracketed['video']}_{bracketed['segment']}"
    ids = [stem] if n == 1 else [f"{stem}_{row + 1}" for row in range(n)]
    return ids, bracketed["video"], "ids were brought to video_segment"


def _spoken(entry: Entry | None, segments: NDArray[np.float64]) -> _Words:
    if entry is None:
        none = np.zeros(len(segments), dtype=np.int64)
        return _Words([], np.zeros((0, 2)), none[:0], none, none)
    # A word holds no white space: transcripts are split there.
    text = ["_".join(as_text(word).split()) for word in entry.features[:, 0].tolist()]
    index, lengths = members_of(entry.intervals, segments, where=entry.where)
    kept = np.array([word.lower() not in ("", _PAUSE) for word in text], dtype=bool)[index]
    owner = np.repeat(np.arange(len(segments)), lengths)
    left = np.bincount(owner[kept], minlength=len(segments)).astype(np.int64)
    return _Words(text, entry.intervals, index[kept], left, lengths - left)


def _transcripts(spoken: _Words) -> list[str]:
    words = [spoken.text[word] for word in spoken.chosen.tolist()]
    offsets = run_offsets(spoken.lengths).tolist()
    return [" ".join(words[begin:end]) for begin, end in pairwise(offsets)]


def _frames(
    entry: Entry | None, segments: NDArray[np.float64], spoken: _Words | None, *, dim: int
) -> tuple[RaggedArray, int]:
    """Return the frames of every segment, and in how many segments a word has none."""
    if entry is None or not len(entry.features):
        return RaggedArray(np.zeros((0, dim), np.float32), np.zeros(len(segments) + 1, np.int64)), 0
    if spoken is None:
        index, lengths = members_of(entry.intervals, segments, where=entry.where)
        with np.errstate(over="ignore", invalid="ignore"):
            return RaggedArray(entry.features[index].astype(np.float32), run_offsets(lengths)), 0
    index, lengths = members_of(entry.intervals, spoken.intervals, where=entry.where)
    means = mean_over(entry.features, index, lengths)
    owner = np.repeat(np.arange(len(segments)), spoken.lengths)
    without = len(np.unique(owner[lengths[spoken.chosen] == 0]))
    return RaggedArray(means[spoken.chosen], run_offsets(spoken.lengths)), without


def members_of(
    intervals: NDArray[np.float64], spans: NDArray[np.float64], *, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of the intervals ``(F, 2)`` overlap each of the spans ``(S, 2)``, in order of their starts.

    Intervals may overlap, have gaps and come in any order; one that crosses the border of two spans belongs to both.
    Those without duration, or with a bound that is NaN, belong nowhere. Overlap that repeats every frame a hundred
    times is refused.

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
    """Return ``(S, d)``: the mean of the finite values among the frames ``(F, d)`` of each span.

    Index and lengths are those of :func:`members_of`. Zero where a span has no frame, NaN where it has frames but none
    of them is finite.
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
