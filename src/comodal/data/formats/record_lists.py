"""Utterances that a file lists one by one, as tuples ``(content, label, segment)``.

The content is ``(words, visual, acoustic)`` or ``(word ids, visual, acoustic, words)``, perhaps with numbers of frames.

Axis legend: N utterances, T frames of an utterance, d features of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.ids import Identified, identify_splits
from comodal.data.formats.interface import Block, Source
from comodal.data.formats.label_fields import Fields, LabelValues, label_values, offering, shared_fields
from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.parts import DIVISIONS
from comodal.data.formats.texts import as_text, column, damaged, one_line
from comodal.data.ragged import RaggedArray

__all__ = [
    "UNALIGNED",
    "WORD_IDS",
    "Listing",
    "frame_table",
    "listing_source",
    "looks_like_records",
    "require_records",
    "speak",
    "word_texts",
]

_PARTS = {"audio": 2, "vision": 1}
"""Modality to its place in the content of an utterance."""

_ALIGNED, UNALIGNED = (3, 4), 6
"""Parts of an utterance that is aligned word by word, and of one that states its numbers of frames."""

WORD_IDS = "word_ids"
_STATED = {"audio": 5, "vision": 4}
_MOST_CHARACTERS = 2**20
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
    widths = {name: _width(listings, part) for name, part in _PARTS.items()}
    dims = {name: width for name, width in widths.items() if width}
    if not dims:
        raise damaged(path, "no utterance has a frame of audio or vision", code="empty")
    numbered = any(_has_word_ids(record[0]) for listing in listings for record in listing.records)
    fields = _label_fields(listings)
    source = Source(
        path=path,
        format=family,
        dims={**dims, **({WORD_IDS: 1} if numbered else {})},
        divisions=DIVISIONS,
        blocks=lambda features: _blocks(listings, features, dims, fields, where=str(path)),
        n_samples=sum(len(listing.records) for listing in listings),
        files=tuple(files),
        facts=facts,
    )
    return offering(source, fields)


def _label_fields(listings: Sequence[Listing]) -> Fields:
    """Return the label columns that all utterances with a label have."""
    found: dict[Fields, str] = {}
    for listing in listings:
        for row, record in enumerate(listing.records):
            if record[1] is not None:
                at = listing.at(row)
                found.setdefault(_labels(record[1], where=at).fields, at)
    return shared_fields({at: fields for fields, at in found.items()} or {"": Fields("sentiment")})


def _width(listings: Sequence[Listing], part: int) -> int:
    """Return the features per frame of the first utterance that has a frame; 0 where none has."""
    for listing in listings:
        for row, record in enumerate(listing.records):
            if len(record[0][part]):
                return int(frame_table(record[0][part], where=listing.at(row)).shape[1])
    return 0


def _blocks(
    listings: Sequence[Listing], features: Collection[str], dims: Mapping[str, int], fields: Fields, *, where: str
) -> Iterator[Block]:
    """Yield some hundred utterances at a time."""
    segments = {listing.split: [record[2] for record in listing.records] for listing in listings}
    identified = identify_splits(segments, where=where)
    for listing in listings:
        for start in range(0, len(listing.records), _ROWS):
            rows = range(start, min(start + _ROWS, len(listing.records)))
            yield _block(listing, rows, features, dims, fields=fields, identified=identified[listing.split])


def _block(
    listing: Listing,
    rows: range,
    features: Collection[str],
    dims: Mapping[str, int],
    *,
    fields: Fields,
    identified: Identified,
) -> Block:
    held = [speak(listing.records[row][0], dims, listing.at(row)) for row in rows]
    labels = [_labels(listing.records[row][1], fields, where=listing.at(row)) for row in rows]
    # The ids of a split were changed at once, which is counted once.
    counts = Counter({} if rows.start else identified.normalised)
    counts.update(sentence for each in held for sentence in each.changed)
    counts.update(sentence for each in labels for sentence in each.normalised)
    own = slice(rows.start, rows.stop)
    return Block(
        id=identified.id[own],
        group=identified.group[own],
        target=np.concatenate([each.target for each in labels]),
        modalities={name: RaggedArray.from_rows([each.frames[name] for each in held]) for name in features},
        columns={
            "split": np.full(len(rows), listing.split),
            **{name: np.concatenate([each.columns[name] for each in labels]) for name in fields.others},
        },
        transcript=column([" ".join(each.words) for each in held], where=listing.where),
        normalised=dict(counts),
    )


def _labels(raw: Any, fields: Fields | None = None, *, where: str) -> LabelValues:
    """Return the label of one utterance, one number or several, as ``(1,)`` or ``(1, K)``."""
    if raw is not None or fields is None:
        return label_values(numeric(raw, where=where, what="labels").reshape(1, -1), where=where)
    none = np.full(1, np.nan, dtype=np.float32)
    return LabelValues(none, dict.fromkeys(fields.others, none), fields, "utterances without a label were given none")


class Spoken(NamedTuple):
    """The words of an utterance, name of the features to ``(T, d)``, and what was changed in them."""

    words: Sequence[str]
    frames: Mapping[str, NDArray[np.float32]]
    changed: frozenset[str]


def speak(content: Any, dims: Mapping[str, int], where: str) -> Spoken:
    """Return the words and frames of an utterance; a word of nothing but white space is left out with its frames."""
    words = word_texts(content[0] if len(content) == 3 else content[3], where=where)
    frames = {name: _frames(content[part], dims.get(name, 0), f"{where}, {name}") for name, part in _PARTS.items()}
    if len(content) > 3:
        frames[WORD_IDS] = _word_ids(content[0], where=where)
    changed: set[str] = set()
    if len(content) == UNALIGNED:
        for name, part in _STATED.items():
            frames[name], sentence = _cut(frames[name], content[part], name=name, where=where)
            changed |= {sentence} - {""}
    counts = {name: len(each) for name, each in frames.items()}
    required = {counts.get(WORD_IDS, 0)} - {0} | {counts[name] for name in _PARTS if len(content) in _ALIGNED}
    if required - {len(words)}:
        listed = ", ".join(f"{count} {name}" for name, count in {"words": len(words), **counts}.items())
        raise damaged(where, f"words and frames differ in number ({listed})", code="mismatch")
    # By chance alone, one of two unaligned features may have as many frames as there are words.
    aligned = all(counts[name] == len(words) for name in _PARTS)
    return _without_white_space(words, frames, changed, aligned=aligned)


def _without_white_space(
    texts: Sequence[str], frames: Mapping[str, NDArray[np.float32]], changed: set[str], *, aligned: bool
) -> Spoken:
    words = ["".join(text.split()) for text in texts]
    if any(word and word != text for word, text in zip(words, texts, strict=True)):
        changed.add("white space within words was removed")
    if "" in words:
        changed.add("words of nothing but white space were left out, with their frames")
        kept = np.array([bool(word) for word in words])
        own = {name for name, each in frames.items() if len(each) == len(words) and (aligned or name == WORD_IDS)}
        frames = {name: each[kept] if name in own else each for name, each in frames.items()}
    return Spoken([word for word in words if word], frames, frozenset(changed))


def word_texts(raw: Any, *, where: str) -> list[str]:
    """Return the words of one utterance as they are in the file."""
    given = raw.ravel().tolist() if isinstance(raw, np.ndarray) else raw
    held = given if isinstance(given, list | tuple) else [given] if not isinstance(given, str) else [None]
    kinds = {type(each).__name__ for each in held if not isinstance(each, str | bytes)}
    if kinds:
        remedy = "give a file that holds the words themselves"
        raise damaged(
            where, f"words are {', '.join(sorted(kinds))}, not a list of text", remedy=remedy, code="wrong_type"
        )
    if sum(map(len, given)) > _MOST_CHARACTERS:
        raise damaged(where, "its words have over a million characters", code="too_large")
    return [as_text(each) for each in given]


def _frames(raw: Any, dim: int, where: str) -> NDArray[np.float32]:
    """Return ``(T, d)``; what has no frame may have any shape."""
    if not len(raw):
        return np.zeros((0, max(dim, 1)), np.float32)
    found = frame_table(raw, where=where)
    if found.shape[1] != dim:
        raise damaged(where, f"shape {found.shape} where (frames, {dim}) is expected", code="wrong_shape")
    return found


def frame_table(raw: Any, *, where: str) -> NDArray[np.float32]:
    """Return ``(T, d)`` of float32, of any width."""
    found = floats(raw, where=where, what="frames")
    if found.ndim != 2 or found.shape[1] == 0:
        raise damaged(where, f"shape {found.shape} where (frames, features) is expected", code="wrong_shape")
    return found


def _has_word_ids(content: Any) -> bool:
    """Whether an utterance has word ids: MMIM leaves the list empty."""
    numbers = content[0] if len(content) > 3 else []
    return not isinstance(numbers, np.ndarray | list | tuple) or np.size(numbers) > 0


def _word_ids(raw: Any, *, where: str) -> NDArray[np.float32]:
    """Return ``(words, 1)``; float32 holds whole numbers up to 16 million exactly."""
    found = numeric(raw, where=where, what="word ids")
    if found.ndim != 1 or (found.size and (found.dtype.kind not in "iu" or found.max() > 2**24 or found.min() < 0)):
        raise damaged(where, "word ids are not one whole number per word", code="wrong_type")
    return found.astype(np.float32)[:, None]


def _cut(frames: NDArray[np.float32], stated: Any, *, name: str, where: str) -> tuple[NDArray[np.float32], str]:
    """Return frames without the zeros beyond their stated number; real frames are never cut."""
    if not isinstance(stated, int | np.integer) or not 0 <= stated <= len(frames):
        raise damaged(where, f"{stated!r:.40} {name} frames are stated and {len(frames)} are there", code="mismatch")
    more = len(frames) - int(stated)
    if not more:
        return frames, ""
    if not frames[int(stated) :].any():
        return frames[: int(stated)], f"{name}: padding on the right was removed"
    if not frames[:more].any():
        return frames[more:], f"{name}: padding on the left was removed"
    return frames, f"{name}: real frames beyond the stated length were kept"
