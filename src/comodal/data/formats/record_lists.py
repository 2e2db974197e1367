"""Utterances that a file lists one by one, as tuples ``((words, visual, acoustic, ...), label, segment)``.

Axis legend: N utterances, T frames of an utterance, d features of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.damage import damaged
from comodal.data.formats.ids import Identified, identify_splits
from comodal.data.formats.interface import Block, Source
from comodal.data.formats.numeric import floats, sentiment
from comodal.data.formats.parts import DIVISIONS
from comodal.data.formats.texts import as_text, column, one_line
from comodal.data.ragged import RaggedArray

__all__ = [
    "PARTS",
    "Listing",
    "Spoken",
    "listing_source",
    "looks_like_records",
    "modality_frames",
    "require_equal_counts",
    "require_records",
    "spoken",
    "word_texts",
]

PARTS = {"audio": 2, "vision": 1}
"""Modality to its place in the content of an utterance."""

_LOOKED_AT = 8
_ROWS = 512
_MOST_CHARACTERS = 2**20


@dataclass(frozen=True)
class Listing:
    """The utterances of one split as they are in the file.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        where: file and key, for errors.
        records: one tuple per utterance.
    """

    split: str
    where: str
    records: Sequence[Any]

    def at(self, row: int) -> str:
        """Return file, key, number and segment of an utterance, for errors."""
        segment = self.records[row][2] if len(self.records[row]) == 3 else None
        named = isinstance(segment, str | bytes)
        return f"{self.where}, utterance {row}" + (f" ({one_line(as_text(segment), longest=60)})" if named else "")


@dataclass(frozen=True, eq=False)
class Spoken:
    """Words and frames of one utterance.

    Attributes:
        words: those of the transcript.
        frames: name of the features to ``(T, d)``.
        changed: what was changed in them.
    """

    words: Sequence[str]
    frames: Mapping[str, NDArray[np.float32]]
    changed: Collection[str] = field(default_factory=tuple)


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
    path: Path,
    listings: Sequence[Listing],
    speak: Callable[[Mapping[str, int], Any, str], Spoken],
    *,
    family: str,
    facts: Mapping[str, str],
) -> Source:
    """Return the source of some listings, with the modalities that have a frame at all."""
    if not any(listing.records for listing in listings):
        raise damaged(path, "no utterance under train, dev or test", code="empty")
    widths = {name: _width(listings, part) for name, part in PARTS.items()}
    dims = {name: width for name, width in widths.items() if width}
    if not dims:
        raise damaged(path, "no utterance has a frame of audio or vision", code="empty")
    return Source(
        path=path,
        format=family,
        dims=dims,
        divisions=DIVISIONS,
        blocks=lambda features: _blocks(listings, features, partial(speak, dims), where=str(path)),
        n_utterances=sum(len(listing.records) for listing in listings),
        files=(path,),
        facts=facts,
    )


def _width(listings: Sequence[Listing], part: int) -> int:
    """Return the features per frame of the first utterance that has a frame; 0 where none has."""
    for listing in listings:
        for row, record in enumerate(listing.records):
            if len(record[0][part]):
                return int(_table(record[0][part], where=listing.at(row)).shape[1])
    return 0


def modality_frames(content: Any, dims: Mapping[str, int], where: str) -> dict[str, NDArray[np.float32]]:
    """Return the frames of one utterance, name to ``(T, d)``; what has no frame may have any shape."""
    found = {}
    for name, part in PARTS.items():
        raw, dim = content[part], dims.get(name, 0)
        found[name] = _table(raw, where=f"{where}, {name}") if len(raw) else np.zeros((0, max(dim, 1)), np.float32)
        if len(raw) and found[name].shape[1] != dim:
            problem = f"shape {found[name].shape} where (frames, {dim}) is expected"
            raise damaged(f"{where}, {name}", problem, code="wrong_shape")
    return found


def _table(raw: Any, *, where: str) -> NDArray[np.float32]:
    found = floats(raw, where=where, what="frames")
    if found.ndim != 2 or found.shape[1] == 0:
        raise damaged(where, f"shape {found.shape} where (frames, features) is expected", code="wrong_shape")
    return found


def require_equal_counts(counts: Mapping[str, int], equal: Collection[int], where: str) -> None:
    """Refuse words and frames that differ in number."""
    if len(set(equal)) != 1:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise damaged(where, f"words and frames differ in number ({listed})", code="mismatch")


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


def spoken(texts: Sequence[str], frames: Mapping[str, NDArray[np.float32]]) -> Spoken:
    """Return words without white space, and the frames that belong to them.

    A word of nothing but white space is left out, and so is its frame in features that have one frame per word.

    Args:
        texts: words as they are in the file.
        frames: name of the features to ``(T, d)``.
    """
    words = ["".join(text.split()) for text in texts]
    changed = set()
    if any(word and word != text for word, text in zip(words, texts, strict=True)):
        changed.add("white space within words was removed")
    if "" in words:
        changed.add("words of nothing but white space were left out, with their frames")
        kept = np.array([bool(word) for word in words])
        frames = {name: each[kept] if len(each) == len(words) else each for name, each in frames.items()}
    return Spoken([word for word in words if word], frames, changed)


def _blocks(
    listings: Sequence[Listing], features: Collection[str], speak: Callable[[Any, str], Spoken], *, where: str
) -> Iterator[Block]:
    """Yield some hundred utterances at a time."""
    identified = identify_splits(
        {listing.split: [record[2] for record in listing.records] for listing in listings}, where=where
    )
    for listing in listings:
        for start in range(0, len(listing.records), _ROWS):
            rows = range(start, min(start + _ROWS, len(listing.records)))
            yield _block(listing, rows, features, speak, identified=identified[listing.split])


def _block(
    listing: Listing,
    rows: range,
    features: Collection[str],
    speak: Callable[[Any, str], Spoken],
    *,
    identified: Identified,
) -> Block:
    held = [speak(listing.records[row][0], listing.at(row)) for row in rows]
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
