"""Utterances that a file lists one by one, as tuples ``((words, visual, acoustic, ...), label, segment)``.

Axis legend: N utterances, T frames of an utterance, d features of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.ids import Identified, identify_splits
from comodal.data.formats.interface import Block
from comodal.data.formats.labels import sentiment
from comodal.data.formats.numeric import numeric
from comodal.data.formats.texts import as_text, column, one_line
from comodal.data.ragged import RaggedArray

__all__ = [
    "Listing",
    "Spoken",
    "feature_width",
    "frame_array",
    "looks_like_records",
    "record_blocks",
    "require_records",
    "spoken",
    "word_texts",
]

_LOOKED_AT = 8
_ROWS = 512
_MOST_CHARACTERS = 2**20


@dataclass(frozen=True)
class Listing:
    """The utterances of one split as they are in the file.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        where: file and key, for errors.
        records: one tuple an utterance.
    """

    split: str
    where: str
    records: Sequence[Any]

    def at(self, row: int) -> str:
        """File, key, number and segment of an utterance, for errors."""
        segment = self.records[row][2] if len(self.records[row]) == 3 else None
        named = isinstance(segment, str | bytes)
        return f"{self.where}, utterance {row}" + (f" ({one_line(as_text(segment), longest=60)})" if named else "")


@dataclass(frozen=True, eq=False)
class Spoken:
    """What one utterance holds.

    Attributes:
        words: those of the transcript.
        frames: name of the features to ``(T, d)``.
        changed: what was brought into our form.
    """

    words: Sequence[str]
    frames: Mapping[str, NDArray[np.float32]]
    changed: Collection[str] = field(default_factory=tuple)


def looks_like_records(content: object, parts: Collection[int]) -> bool:
    """Whether content lists utterances of so many parts; a few at its beginning tell.

    Example:
        >>> looks_like_records([((["so"], [[0.5]], [[2.0]]), 1.5, "v[0]")], {3}), looks_like_records([1, 2], {3})
        (True, False)
    """
    return isinstance(content, list | tuple) and any(_is_record(each, parts) for each in content[:_LOOKED_AT])


def _is_record(record: object, parts: Collection[int]) -> bool:
    if not isinstance(record, list | tuple) or len(record) != 3:
        return False
    content = record[0]
    if not isinstance(content, list | tuple) or len(content) not in parts:
        return False
    return all(isinstance(each, list | tuple) or (isinstance(each, np.ndarray) and each.ndim) for each in content[1:3])


def require_records(content: object, parts: Collection[int], *, split: str, where: str) -> Listing:
    """The utterances of a split, each of which has the form of one.

    Raises:
        InputError: one has not, or has a segment that is no name.
    """
    if not isinstance(content, list | tuple):
        raise InputError(f"{where}: a list of utterances is expected, not {type(content).__name__}; get the file again")
    for row, record in enumerate(content):
        if not _is_record(record, parts):
            sizes = " or ".join(map(str, sorted(parts)))
            raise InputError(
                f"{where}, utterance {row}: not of the form ((words, visual, acoustic, ...), label, segment) "
                f"with {sizes} parts in the first; get the file again"
            )
        if not isinstance(record[2], str | bytes | int | np.integer | None):
            kind = type(record[2]).__name__
            raise InputError(f"{where}, utterance {row}: its segment is {kind}, not text; get the file again")
    return Listing(split, where, content)


def feature_width(listings: Sequence[Listing], part: int) -> int:
    """Features a frame in one part of the content, from the first utterance that has a frame; 0 where none has.

    Raises:
        InputError: that utterance's frames are no table of numbers.
    """
    for listing in listings:
        for row, record in enumerate(listing.records):
            if len(record[0][part]):
                return int(_table(record[0][part], where=listing.at(row)).shape[1])
    return 0


def frame_array(raw: Any, *, dim: int, where: str) -> NDArray[np.float32]:
    """Frames of one utterance, ``(T, dim)``; what has no frame may have any shape.

    Raises:
        InputError: no numbers, or another shape.

    Example:
        >>> frame_array([[1, 2], [3, 4]], dim=2, where="x").shape, frame_array([], dim=2, where="x").shape
        ((2, 2), (0, 2))
    """
    if not len(raw):
        return np.zeros((0, max(dim, 1)), dtype=np.float32)
    found = _table(raw, where=where)
    if found.shape[1] != dim:
        raise InputError(f"{where}: shape {found.shape} where (frames, {dim}) is expected; get the file again")
    return found


def _table(raw: Any, *, where: str) -> NDArray[np.float32]:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = numeric(raw).astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: frames are not a table of numbers ({error}); get the file again") from error
    if found.ndim != 2 or found.shape[1] == 0:
        raise InputError(f"{where}: shape {found.shape} where (frames, features) is expected; get the file again")
    return found


def word_texts(raw: Any, *, where: str) -> list[str]:
    """Words of one utterance as they are in the file.

    Raises:
        InputError: no list of text, for example numbers of a vocabulary that the file does not hold.
    """
    given = raw.ravel().tolist() if isinstance(raw, np.ndarray) else raw
    if not isinstance(given, list | tuple):
        raise InputError(f"{where}: words are {type(raw).__name__}, not a list of text; get the file again")
    stranger = next((each for each in given if not isinstance(each, str | bytes)), "")
    if not isinstance(stranger, str | bytes):
        kind = type(stranger).__name__
        raise InputError(f"{where}: words are {kind}, not text; give a file that holds the words themselves")
    if sum(map(len, given)) > _MOST_CHARACTERS:
        raise InputError(f"{where}: its words have over a million characters; get the file again")
    return [as_text(each) for each in given]


def spoken(texts: Sequence[str], frames: Mapping[str, NDArray[np.float32]]) -> Spoken:
    """Words that single spaces can part, and the frames that stand with them.

    White space within a word is removed. A word of nothing else cannot stand in a transcript: it is left out, and so is
    its frame in features that have a frame a word.

    Args:
        texts: words as they are in the file.
        frames: name of the features to ``(T, d)``.

    Example:
        >>> import numpy as np
        >>> found = spoken(["so", " ", "go od"], {"audio": np.array([[1.0], [2.0], [3.0]])})
        >>> found.words, found.frames["audio"].ravel().tolist()
        (['so', 'good'], [1.0, 3.0])
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


def record_blocks(
    listings: Sequence[Listing], features: Collection[str], speak: Callable[[Any, str], Spoken], *, where: str
) -> Iterator[Block]:
    """Blocks of a file, some hundred utterances each.

    Args:
        listings: its splits.
        features: those wanted.
        speak: from the content of an utterance, and file and utterance for errors, to what it holds.
        where: file, for errors.

    Raises:
        InputError: an utterance cannot be read.
    """
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
    # The ids of a split were brought into our form at once; that is told once.
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
