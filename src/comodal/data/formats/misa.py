"""Read the pickles of MISA and MMIM: one file per split, a list of utterances each.

Each utterance is ``((word ids, visual, acoustic, words), label, segment)`` in MISA, aligned word by word; MMIM adds the
numbers of visual and acoustic frames. Word ids belong to a vocabulary in another file; MISA's features have mean 0 and
deviation 1 in every utterance, so that they no longer hold how loud or high a voice was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.dataset import SPLITS
from comodal.data.formats.damage import damaged
from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import canonical_split
from comodal.data.formats.numeric import numeric
from comodal.data.formats.pickled import memory_needed, peek, take
from comodal.data.formats.record_lists import (
    PARTS,
    Spoken,
    listing_source,
    looks_like_records,
    modality_frames,
    require_equal_counts,
    require_records,
    spoken,
    word_texts,
)

__all__ = ["FORMAT", "open_source", "recognises"]

_ENDINGS = (".pkl", ".pickle")
_STATED = {"audio": 5, "vision": 4}
_ALIGNED, _UNALIGNED = 4, 6
_LENGTHS = {_ALIGNED, _UNALIGNED}


def recognises(path: Path) -> bool:
    """Whether a pickle is a list of such utterances, or a folder has one that is named for a split."""
    try:
        files = [file for file in _in_folder(path) if file.is_file()] if path.is_dir() else [path]
        smallest_first = sorted(files, key=lambda file: file.stat().st_size)
    except OSError:
        return False
    return any(looks_like_records(peek(file), _LENGTHS) for file in smallest_first)


def open_source(path: Path) -> Source:
    """Read the pickles, and check the form of every utterance."""
    files = _files(path)
    listings = [require_records(take(file), _LENGTHS, split=split, where=str(file)) for split, file in files.items()]
    contents = [record[0] for listing in listings for record in listing.records]
    alignment = "unaligned" if any(len(content) == _UNALIGNED for content in contents) else "word by word"
    memory = "; ".join(f"{file.name} {memory_needed(file)}" for file in files.values())
    facts = {"alignment": alignment, "memory": memory}
    source = listing_source(path, listings, _speak, family="misa", facts=facts)
    numbered = any(_has_word_ids(content[0]) for content in contents)
    dims = {**source.dims, **({"word_ids": 1} if numbered else {})}
    return replace(source, dims=dims, defaults=tuple(source.dims), files=tuple(files.values()))


def _in_folder(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _ENDINGS and canonical_split(file.stem))


def _has_word_ids(numbers: object) -> bool:
    """Whether there are word ids at all: MMIM leaves the list empty."""
    return not isinstance(numbers, np.ndarray | list | tuple) or np.size(numbers) > 0


def _files(path: Path) -> dict[str, Path]:
    """Return split to file, training first, by the names of the files."""
    remedy = "name the files train.pkl, dev.pkl and test.pkl"
    if path.is_file() and not canonical_split(path.stem):
        raise damaged(path, "its name is not that of a split", remedy=remedy, code="invalid")
    found: dict[str, Path] = {}
    try:
        files = _in_folder(path) if path.is_dir() else sorted({path, *_in_folder(path.parent)})
    except OSError as error:
        problem = f"not readable ({error.strerror or error})"
        raise damaged(path, problem, remedy="check the path", code="cannot_read") from error
    for file in files:
        split = canonical_split(file.stem)
        # A link to a file that was moved must not pass for a split that was never there.
        if not file.is_file():
            problem = f"not a file, so that {split!r} would be left out"
            raise damaged(file, problem, remedy="get it again or remove it", code="missing")
        if split in found:
            problem = f"{found[split].name} holds the split {split!r} too"
            raise damaged(file, problem, remedy="keep one of them", code="duplicate")
        found[split] = file
    if not found:
        raise damaged(path, "no file that is named for a split is there", remedy=remedy, code="missing")
    return {split: found[split] for split in SPLITS if split in found}


def _speak(dims: Mapping[str, int], content: Any, where: str) -> Spoken:
    words, frames = word_texts(content[3], where=where), modality_frames(content, dims, where)
    frames["word_ids"] = _word_ids(content[0], where=where)
    changed: set[str] = set()
    if len(content) == _UNALIGNED:
        for name, part in _STATED.items():
            frames[name], sentence = _cut(frames[name], content[part], name=name, where=where)
            changed |= {sentence} - {""}
    counts = {"words": len(words), **{name: len(each) for name, each in frames.items()}}
    required = {counts["words"], *(counts[name] for name in PARTS if len(content) == _ALIGNED)}
    require_equal_counts(counts, required | ({counts["word_ids"]} - {0}), where)
    # By chance alone, one of two unaligned features may have as many frames as there are words.
    aligned = all(counts[name] == counts["words"] for name in PARTS)
    found = spoken(words, frames if aligned else {"word_ids": frames["word_ids"]})
    return Spoken(found.words, {**frames, **found.frames}, changed | set(found.changed))


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


FORMAT = Format("misa", recognises, open_source)
