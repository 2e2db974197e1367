"""MAG-BERT's ``mosi.pkl`` and ``mosei.pkl``: a list of utterances a split, aligned word by word.

Each utterance is ``((words, visual, acoustic), label, segment)`` with as many frames as words and no padding. There are
no text vectors: the words are the transcript, and a tokenizer turns them into the input of a language model.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.interface import Division, Format, Source
from comodal.data.formats.names import canonical_split
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
from comodal.data.formats.texts import as_text, one_line

__all__ = ["FORMAT", "open_source", "recognises"]

_PARTS = {"audio": 2, "vision": 1}
_LENGTH = {3}


def recognises(path: Path) -> bool:
    """A pickle of a dict with a list of such utterances under the name of a split."""
    content = peek(path)
    return isinstance(content, dict) and any(
        canonical_split(key) and looks_like_records(records, _LENGTH) for key, records in content.items()
    )


def open_source(path: Path) -> Source:
    """Read the pickle, and look at the form of every utterance.

    Args:
        path: the file.

    Returns:
        A source with audio and vision, and the words as transcript.

    Raises:
        InputError: a damaged or hostile pickle, an utterance of another form, or no frame at all.
    """
    listings = _listings(path)
    widths = {name: feature_width(listings, part) for name, part in _PARTS.items()}
    dims = {name: width for name, width in widths.items() if width}
    if not dims:
        raise InputError(f"{path}: no utterance has a frame of audio or vision; get the file again")
    return Source(
        path=path,
        format="mag_bert",
        dims=dims,
        divisions={"split": Division("split")},
        blocks=lambda features: record_blocks(listings, features, partial(_speak, dims), where=str(path)),
        n_utterances=sum(len(listing.records) for listing in listings),
        files=(path,),
        facts={"alignment": "word by word", "memory": memory_needed(path)},
    )


def _listings(path: Path) -> list[Listing]:
    content = take(path)
    found: dict[str, Listing] = {}
    for key, records in content.items() if isinstance(content, dict) else ():
        split = canonical_split(key)
        if split in found:
            raise InputError(
                f"{path}, {one_line(as_text(key))}: the split {split!r} is in the file twice; keep one of the two"
            )
        if split:
            found[split] = require_records(records, _LENGTH, split=split, where=f"{path}, {one_line(as_text(key))}")
    if not any(listing.records for listing in found.values()):
        raise InputError(f"{path}: no utterance under train, dev or test; get the file again")
    return [found[split] for split in SPLITS if split in found]


def _speak(dims: dict[str, int], content: Any, where: str) -> Spoken:
    frames = {
        name: frame_array(content[part], dim=dims.get(name, 0), where=f"{where}, {name}")
        for name, part in _PARTS.items()
    }
    words = word_texts(content[0], where=where)
    counts = {"words": len(words), **{name: len(each) for name, each in frames.items()}}
    if len(set(counts.values())) != 1:
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(f"{where}: words and frames differ in number ({listed}); get the file again")
    return spoken(words, frames)


FORMAT = Format(
    name="mag_bert",
    files="a pickle of train, dev and test with a list of ((words, visual, acoustic), label, segment) each",
    recognises=recognises,
    open=open_source,
)
