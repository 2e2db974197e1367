"""Utterances that a file lists one by one, as tuples ``((words, visual, acoustic, ...), label, segment)``.

Axis legend: N utterances, T frames of an utterance, d features of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comodal.data.formats.ids import Identified, identify_splits
from comodal.data.formats.interface import Block, Source
from comodal.data.formats.numeric import sentiment
from comodal.data.formats.parts import DIVISIONS
from comodal.data.formats.record_words import PARTS, WORD_IDS, frame_table, has_word_ids, speak
from comodal.data.formats.texts import as_text, column, damaged, one_line
from comodal.data.ragged import RaggedArray

__all__ = ["Listing", "listing_source", "looks_like_records", "require_records"]

_LOOKED_AT = 8
_ROWS = 512


@dataclass(frozen=True)
class Listing:
    """The utterances of one split as they are in the file, one tuple each; ``where`` names the file and key."""

    split: str
    where: str
    records: Sequence[Any]

    def at(self, row: int) -> str:
        """Return file, key, number and segment of an utterance, for errors."""
        segment = self.records[row][2] if len(self.records[row]) == 3 else None
        named = isinstance(segment, str | bytes)
        return f"{self.where}, utterance {row}" + (f" ({one_line(as_text(segment), longest=60)})" if named else "")


def looks_like_records(content: object, parts: Collection[int]) -> bool:
    """Whether content lists utterances of so many parts, by the first few of them."""
    return isinstance(content, list | tuple) and any(_is_record(each, parts) for each in content[:_LOOKED_AT])


def _is_record(record: object, parts: Collection[int]) -> bool:
    if not isinstance(record, list | tuple) or len(record) != 3:
        return False
    content = record[0]
    if not isinstance(content, list | tuple) or len(content) not in parts:
        return False
    return all(isinstance(each, list | tuple) or (isinstance(each, np.ndarray) and each.ndim) for each in content[1:3])


def require_records(content: object, parts: Collection[int], *, split: str, where: str) -> Listing:
    """Return the utterances of a split, each checked to have the form of one."""
    if not isinstance(content, list | tuple):
        raise damaged(where, f"a list of utterances is expected, not {type(content).__name__}", code="wrong_type")
    for row, record in enumerate(content):
        if not _is_record(record, parts):
            sizes = " or ".join(map(str, sorted(parts)))
            form = f"((words, visual, acoustic, ...), label, segment) with {sizes} parts in the first"
            raise damaged(f"{where}, utterance {row}", f"not of the form {form}")
        if not isinstance(record[2], str | bytes | int | np.integer | None):
            kind = type(record[2]).__name__
            raise damaged(f"{where}, utterance {row}", f"its segment is {kind}, not text", code="wrong_type")
    return Listing(split, where, content)


def listing_source(
    path: Path, listings: Sequence[Listing], *, family: str, files: Sequence[Path], facts: Mapping[str, str]
) -> Source:
    """Return the source of some listings, with the modalities that have a frame at all, and word ids if any."""
    if not any(listing.records for listing in listings):
        raise damaged(path, "no utterance under train, dev or test", code="empty")
    widths = {name: _width(listings, part) for name, part in PARTS.items()}
    dims = {name: width for name, width in widths.items() if width}
    if not dims:
        raise damaged(path, "no utterance has a frame of audio or vision", code="empty")
    numbered = any(has_word_ids(record[0]) for listing in listings for record in listing.records)
    return Source(
        path=path,
        format=family,
        dims={**dims, **({WORD_IDS: 1} if numbered else {})},
        divisions=DIVISIONS,
        blocks=lambda features: _blocks(listings, features, dims, where=str(path)),
        n_utterances=sum(len(listing.records) for listing in listings),
        files=tuple(files),
        facts=facts,
    )


def _width(listings: Sequence[Listing], part: int) -> int:
    """Return the features per frame of the first utterance that has a frame; 0 where none has."""
    for listing in listings:
        for row, record in enumerate(listing.records):
            if len(record[0][part]):
                return int(frame_table(record[0][part], where=listing.at(row)).shape[1])
    return 0


def _blocks(
    listings: Sequence[Listing], features: Collection[str], dims: Mapping[str, int], *, where: str
) -> Iterator[Block]:
    """Yield some hundred utterances at a time."""
    segments = {listing.split: [record[2] for record in listing.records] for listing in listings}
    identified = identify_splits(segments, where=where)
    for listing in listings:
        for start in range(0, len(listing.records), _ROWS):
            rows = range(start, min(start + _ROWS, len(listing.records)))
            yield _block(listing, rows, features, dims, identified[listing.split])


def _block(
    listing: Listing, rows: range, features: Collection[str], dims: Mapping[str, int], identified: Identified
) -> Block:
    held = [speak(listing.records[row][0], dims, listing.at(row)) for row in rows]
    labels = [_label(listing.records[row][1], where=listing.at(row)) for row in rows]
    # The ids of a split were changed at once, which is counted once.
    counts = Counter({} if rows.start else identified.normalised)
    counts.update(sentence for each in held for sentence in each.changed)
    counts.update(sentence for _, sentence in labels if sentence)
    own = slice(rows.start, rows.stop)
    return Block(
        id=identified.id[own],
        group=identified.group[own],
        target=np.array([label for label, _ in labels], dtype=np.float32),
        modalities={name: RaggedArray.from_rows([each.frames[name] for each in held]) for name in features},
        columns={"split": np.full(len(rows), listing.split)},
        transcript=column([" ".join(each.words) for each in held], where=listing.where),
        normalised=dict(counts),
    )


def _label(raw: Any, *, where: str) -> tuple[float, str]:
    if raw is None:
        return float("nan"), "utterances without a label were given none"
    row = raw.reshape(1, -1) if isinstance(raw, np.ndarray) else [raw]
    labels, sentence = sentiment(row, where=where)
    return float(labels[0]), sentence
