"""Read the utterances of one video from the SDK's files of labels, words and features.

Axis legend: S labelled segments, W words, F frames, d features of a frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.csd_alignment import mean_over, members_of
from comodal.data.formats.csd_files import Entry, SequenceFile, read_entry
from comodal.data.formats.interface import Block
from comodal.data.formats.numeric import sentiment
from comodal.data.formats.texts import as_text, column
from comodal.data.ragged import RaggedArray, run_offsets

__all__ = ["OpenFile", "video_block"]

_PAUSE = "sp"
_SEGMENT_KEY = re.compile(r"(?P<video>.+)\[(?P<segment>\d+)\]", re.DOTALL)


@dataclass(frozen=True, eq=False)
class OpenFile:
    """A file while it is read.

    Attributes:
        file: what it holds.
        data: its group of videos.
        videos: their names.
    """

    file: SequenceFile
    data: Any
    videos: frozenset[str]

    def entry(self, key: str) -> Entry | None:
        """Return the frames of a video, or of the video of a labelled ``video[segment]``; ``None`` without."""
        bracketed = _SEGMENT_KEY.fullmatch(key)
        for name in (key, bracketed["video"] if bracketed else key):
            if name in self.videos:
                return read_entry(self.data, name, like=self.file)
        return None


@dataclass(frozen=True, eq=False)
class _Words:
    """The words of a video, assigned to its segments.

    Attributes:
        text: ``(W,)``.
        intervals: ``(W, 2)``.
        index: words of each segment, segment by segment, without pauses.
        lengths: ``(S,)`` how many each segment has.
        pauses: ``(S,)`` how many were left out.
    """

    text: list[str]
    intervals: NDArray[np.float64]
    index: NDArray[np.int64]
    lengths: NDArray[np.int64]
    pauses: NDArray[np.int64]


def video_block(key: str, *, labels: OpenFile, words: OpenFile | None, features: Mapping[str, OpenFile]) -> Block:
    """Return the labelled segments of one video.

    Args:
        key: of the video in the file of labels.
        labels: that file.
        words: the file of words; features are aligned to words when there is one.
        features: name to file of the features that are wanted.
    """
    labelled = read_entry(labels.data, key, like=labels.file)
    n = len(labelled.intervals)
    target, taken = sentiment(labelled.features, where=labelled.where)
    ids, video, renamed = _ids(key, n)
    counts = {renamed: n, taken: n}
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
        target=target,
        modalities=modalities,
        columns={"start": labelled.intervals[:, 0], "end": labelled.intervals[:, 1]},
        transcript=column(_transcripts(spoken), where=labelled.where) if spoken else None,
        normalised={sentence: count for sentence, count in counts.items() if sentence and count},
    )


def _ids(key: str, n: int) -> tuple[list[str], str, str]:
    """Return ids, video, and what was changed in the keys.

    Only brackets separate a segment from its video here: names of videos may end in an underscore and digits.
    """
    bracketed = _SEGMENT_KEY.fullmatch(key)
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
    ends = np.cumsum(spoken.lengths)
    words = [spoken.text[word] for word in spoken.index.tolist()]
    return [" ".join(words[end - n : end]) for end, n in zip(ends.tolist(), spoken.lengths.tolist(), strict=True)]


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
    without = len(np.unique(owner[lengths[spoken.index] == 0]))
    return RaggedArray(means[spoken.index], run_offsets(spoken.lengths)), without
