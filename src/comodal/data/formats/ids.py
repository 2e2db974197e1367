"""Parse the field's schemes of utterance ids, and bring them to ``video_segment``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.texts import as_text, column, damaged

__all__ = ["Identified", "identify_splits", "parse_id"]

_SEPARATED = re.compile(r"(?P<video>.+)\$_\$(?P<segment>.+)", re.DOTALL)
_BRACKETED = re.compile(r"(?P<video>.+)\[(?P<segment>\d+)\]", re.DOTALL)
_UNDERSCORED = re.compile(r"(?P<video>.+)_(?P<segment>\d+)", re.DOTALL)


def parse_id(raw: object) -> tuple[str, str]:
    """Return video and segment of an id; the segment is empty where the id names a video alone.

    Understood are ``video$_$segment`` (MMSA), ``video[segment]`` (SDK, MAG-BERT), ``video_segment`` (MulT; split at
    the last underscore, since names of videos hold underscores too) and bytes of each. Segments keep the file's own
    numbers: some count from 0 and some from 1.
    """
    text = as_text(raw).strip()
    for scheme in (_SEPARATED, _BRACKETED, _UNDERSCORED):
        found = scheme.fullmatch(text)
        if found:
            return found["video"], found["segment"]
    return text, ""


class Identified(NamedTuple):
    """Ids ``video_segment`` of the utterances of a split, the video of each or else its id, and what was changed."""

    id: NDArray[np.str_]
    group: NDArray[np.str_]
    normalised: Mapping[str, int]


def identify_splits(
    raw: Mapping[str, Sequence[object]], *, where: str, order: Mapping[str, Sequence[float]] | None = None
) -> dict[str, Identified]:
    """Return ids and videos of all utterances of a file; schemes may be mixed.

    An id without a segment gets the lowest number that its video has free, from 0. In a file with such ids, the digits
    after an underscore may belong to the name of a video: they do where the same id stands there more than once.
    An utterance without an id is called by split and row. Ids that stand there twice do so afterwards.

    ``order`` is what the utterances of a video are numbered by, for example their start; as they come when ``None``.
    """
    given = {split: [_text(each, f"{where}/{split}") for each in rows] for split, rows in raw.items()}
    parsed = _parsed([text for rows in given.values() for text in rows if text])
    by = np.concatenate([np.asarray(order[split], dtype=np.float64) for split in raw]) if order and raw else None
    known = np.array([bool(text) for rows in given.values() for text in rows], dtype=bool)
    named = iter(_number(parsed, None if by is None else by[known]))
    return {split: _split_ids(split, rows, named, f"{where}/{split}") for split, rows in given.items()}


def _text(raw: object, where: str) -> str:
    if not isinstance(raw, str | bytes | int | float | np.generic | None):
        kind = type(raw).__name__
        raise damaged(where, f"an id is a {kind}", remedy="give one string per utterance", code="wrong_type")
    # NumPy drops zero characters at the end of a text, so that an id of nothing else would become empty.
    return as_text(raw).replace("\0", "").strip()


def _parsed(given: Sequence[str]) -> list[tuple[str, str]]:
    """Return video and segment of each id of a file; see :func:`identify_splits` for the one doubtful case."""
    found = [parse_id(text) for text in given]
    if all(segment for _, segment in found):
        return found
    often = {text for text, count in Counter(given).items() if count > 1 and _UNDERSCORED.fullmatch(text)}
    return [(text, "") if text in often else pair for text, pair in zip(given, found, strict=True)]


def _number(parsed: Sequence[tuple[str, str]], by: NDArray[np.float64] | None) -> list[tuple[str, str, bool]]:
    """Return video, segment, and whether the segment was made here."""
    taken = set(parsed)
    free: Counter[str] = Counter()
    found = [(video, segment, False) for video, segment in parsed]
    for row in np.argsort(by, kind="stable").tolist() if by is not None else range(len(parsed)):
        video, segment = parsed[row]
        if segment:
            continue
        while (video, str(free[video])) in taken:
            free[video] += 1
        found[row] = (video, str(free[video]), True)
        free[video] += 1
    return found


def _split_ids(split: str, given: Sequence[str], named: Iterator[tuple[str, str, bool]], where: str) -> Identified:
    ids, videos = [], []
    counts: Counter[str] = Counter()
    for row, text in enumerate(given):
        video, segment, made = next(named) if text else (split, str(row), False)
        ids.append(f"{video}_{segment}")
        # An utterance without an id may be of any video, so it is its own group.
        videos.append(video if text else ids[-1])
        if not text:
            counts["utterances without an id were named by split and row"] += 1
        elif made:
            counts["ids that name a video alone were numbered within their video"] += 1
        elif text != ids[-1]:
            counts["ids were brought to video_segment"] += 1
    return Identified(column(ids, where=where), column(videos, where=where), dict(counts))
