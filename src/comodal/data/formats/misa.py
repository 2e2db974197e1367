"""MISA's and MMIM's ``train.pkl``, ``dev.pkl`` and ``test.pkl``: a list of utterances a file.

Each utterance is ``((word_ids, visual, acoustic, words), label, segment)``, aligned word by word (MISA), or has the
numbers of visual and acoustic frames after the words, each modality at its own rate and ``word_ids`` empty (MMIM). The
numbers of words belong to a vocabulary in another file; MISA's features were brought to mean 0 and deviation 1 in every
utterance, so that they no longer say how loud or high a voice was.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.interface import Division, Format, Source
from comodal.data.formats.names import canonical_split
from comodal.data.formats.numeric import numeric
from comodal.data.formats.pickled import memory_needed, peek, take
from comodal.data.formats.records import (
    Listing,
    Spoken,
    feature_width,
    frame_array,
    looks_like_records,
    record_blocks,
    require_records,
    spoken,
    word_texts,
)

__all__ = ["FORMAT", "open_source", "recognises"]

_ENDINGS = (".pkl", ".pickle")
_PARTS = {"audio": 2, "vision": 1}
_STATED = {"audio": 5, "vision": 4}
_ALIGNED, _UNALIGNED = 4, 6
_LENGTHS = {_ALIGNED, _UNALIGNED}


def recognises(path: Path) -> bool:
    """A pickle of a list of such utterances, or a folder with one that is named for a split."""
    try:
        files = [file for file in _in_folder(path) if file.is_file()] if path.is_dir() else [path]
        smallest_first = sorted(files, key=lambda file: file.stat().st_size)
    except OSError:
        return False
    return any(looks_like_records(peek(file), _LENGTHS) for file in smallest_first)


def open_source(path: Path) -> Source:
    """Read the pickles, and look at the form of every utterance.

    Args:
        path: the folder, or one of its pickles; a split whose file is not there has no utterance.

    Returns:
        A source with audio and vision, the words as transcript, and the features ``word_ids`` (one a word, none of the
        modalities unless asked for) where the files hold any.

    Raises:
        InputError: a damaged or hostile pickle, an utterance of another form, no frame at all, a file that is not named
            for a split, two for the same, or a folder or dead link in the place of one.
    """
    files = _files(path)
    listings = [require_records(take(file), _LENGTHS, split=split, where=str(file)) for split, file in files.items()]
    if not any(listing.records for listing in listings):
        raise InputError(f"{path}: no utterance in {', '.join(file.name for file in files.values())}; get it again")
    widths = {name: feature_width(listings, part) for name, part in _PARTS.items()}
    dims = {name: width for name, width in widths.items() if width}
    if not dims:
        raise InputError(f"{path}: no utterance has a frame of audio or vision; get the files again")
    numbered = any(_holds(record[0][0]) for listing in listings for record in listing.records)
    return Source(
        path=path,
        format="misa",
        dims=dims | ({"word_ids": 1} if numbered else {}),
        divisions={"split": Division("split")},
        blocks=lambda features: record_blocks(listings, features, partial(_speak, dims), where=str(path)),
        n_utterances=sum(len(listing.records) for listing in listings),
        defaults=tuple(dims),
        files=tuple(files.values()),
        facts={"alignment": _alignment(listings), "memory": _memory(files)},
    )


def _in_folder(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _ENDINGS and canonical_split(file.stem))


def _holds(numbers: object) -> bool:
    """Whether there are numbers of words at all: MMIM leaves the list empty."""
    if isinstance(numbers, np.ndarray):
        return numbers.size > 0
    return not isinstance(numbers, list | tuple) or len(numbers) > 0


def _files(path: Path) -> dict[str, Path]:
    """Split to file, training first; what no name tells of a split is not guessed."""
    if path.is_file() and not canonical_split(path.stem):
        raise InputError(f"{path}: its name does not tell its split; name the files train.pkl, dev.pkl and test.pkl")
    found: dict[str, Path] = {}
    try:
        files = _in_folder(path) if path.is_dir() else sorted({path, *_in_folder(path.parent)})
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror or error}); check the path") from error
    for file in files:
        split = canonical_split(file.stem)
        # A link to a file that was moved must not pass for a split that was never there.
        if not file.is_file():
            raise InputError(f"{file}: not a file, so that {split!r} would be left out; get it again or remove it")
        if split in found:
            raise InputError(f"{file}: {found[split].name} holds the split {split!r} too; keep one of them")
        found[split] = file
    if not found:
        raise InputError(f"{path}: no file that is named for a split is there; give train.pkl, dev.pkl and test.pkl")
    return {split: found[split] for split in SPLITS if split in found}


def _alignment(listings: list[Listing]) -> str:
    stated = any(len(record[0]) == _UNALIGNED for listing in listings for record in listing.records)
    return "unaligned" if stated else "word by word"


def _memory(files: Mapping[str, Path]) -> str:
    return "; ".join(f"{file.name} {memory_needed(file)}" for file in files.values())


def _speak(dims: Mapping[str, int], content: Any, where: str) -> Spoken:
    words = word_texts(content[3], where=where)
    frames = {
        name: frame_array(content[part], dim=dims.get(name, 0), where=f"{where}, {name}")
        for name, part in _PARTS.items()
    }
    frames["word_ids"] = _word_ids(content[0], where=where)
    changed: set[str] = set()
    if len(content) == _UNALIGNED:
        for name, part in _STATED.items():
            frames[name], sentence = _cut(frames[name], content[part], name=name, where=where)
            changed |= {sentence} - {""}
    counts = {"words": len(words), **{name: len(each) for name, each in frames.items()}}
    required = {counts["words"], *(counts[name] for name in _PARTS if len(content) == _ALIGNED)}
    if len(required | ({counts["word_ids"]} - {0})) != 1:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(f"{where}: words and frames differ in number ({listed}); get the file again")
    # By chance alone, one of two unaligned features may have as many frames as there are words.
    aligned = all(counts[name] == counts["words"] for name in _PARTS)
    found = spoken(words, frames if aligned else {"word_ids": frames["word_ids"]})
    return Spoken(found.words, {**frames, **found.frames}, changed | set(found.changed))


def _word_ids(raw: Any, *, where: str) -> NDArray[np.float32]:
    """``(words, 1)``; float32 holds whole numbers up to 16 million exactly."""
    try:
        found = numeric(raw)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: numbers of words are not numbers ({error}); get the file again") from error
    if found.ndim != 1 or (found.size and (found.dtype.kind not in "iu" or found.max() > 2**24 or found.min() < 0)):
        raise InputError(f"{where}: numbers of words are not one whole number a word; get the file again")
    return found.astype(np.float32)[:, None]


def _cut(frames: NDArray[np.float32], stated: Any, *, name: str, where: str) -> tuple[NDArray[np.float32], str]:
    """Frames without the zeros that go beyond their stated number; real frames are never cut."""
    if not isinstance(stated, int | np.integer) or not 0 <= stated <= len(frames):
        raise InputError(
            f"{where}: {stated!r:.40} {name} frames are stated and {len(frames)} there; get the file again"
        )
    more = len(frames) - int(stated)
    if not more:
        return frames, ""
    if not frames[int(stated) :].any():
        return frames[: int(stated)], f"{name}: padding on the right was removed"
    if not frames[:more].any():
        return frames[more:], f"{name}: padding on the left was removed"
    return frames, f"{name}: real frames beyond the stated length were kept"


FORMAT = Format(
    name="misa",
    files="a folder with train.pkl, dev.pkl and test.pkl, or one of them, with a list of "
    "((word ids, visual, acoustic, words), label, segment) each",
    recognises=recognises,
    open=open_source,
)
