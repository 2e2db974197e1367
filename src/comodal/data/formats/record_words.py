"""Words and frames of one utterance ``(words, visual, acoustic)`` or ``(word ids, visual, acoustic, words, ...)``.

Axis legend: T frames of an utterance, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.texts import as_text, damaged

__all__ = ["ALIGNED", "PARTS", "UNALIGNED", "WORD_IDS", "Spoken", "frame_table", "has_word_ids", "speak", "word_texts"]

PARTS = {"audio": 2, "vision": 1}
"""Modality to its place in the content of an utterance."""

ALIGNED, UNALIGNED = (3, 4), 6
"""Parts of an utterance that is aligned word by word, and of one that states its numbers of frames."""

WORD_IDS = "word_ids"
_STATED = {"audio": 5, "vision": 4}
_MOST_CHARACTERS = 2**20


class Spoken(NamedTuple):
    """The words of an utterance, name of the features to ``(T, d)``, and what was changed in them."""

    words: Sequence[str]
    frames: Mapping[str, NDArray[np.float32]]
    changed: frozenset[str]


def speak(content: Any, dims: Mapping[str, int], where: str) -> Spoken:
    """Return the words and frames of an utterance; a word of nothing but white space is left out with its frames."""
    words = word_texts(content[0] if len(content) == 3 else content[3], where=where)
    frames = {name: _frames(content[part], dims.get(name, 0), f"{where}, {name}") for name, part in PARTS.items()}
    if len(content) > 3:
        frames[WORD_IDS] = _word_ids(content[0], where=where)
    changed: set[str] = set()
    if len(content) == UNALIGNED:
        for name, part in _STATED.items():
            frames[name], sentence = _cut(frames[name], content[part], name=name, where=where)
            changed |= {sentence} - {""}
    counts = {name: len(each) for name, each in frames.items()}
    required = {counts.get(WORD_IDS, 0)} - {0} | {counts[name] for name in PARTS if len(content) in ALIGNED}
    if required - {len(words)}:
        listed = ", ".join(f"{count} {name}" for name, count in {"words": len(words), **counts}.items())
        raise damaged(where, f"words and frames differ in number ({listed})", code="mismatch")
    # By chance alone, one of two unaligned features may have as many frames as there are words.
    aligned = all(counts[name] == len(words) for name in PARTS)
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


def has_word_ids(content: Any) -> bool:
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
