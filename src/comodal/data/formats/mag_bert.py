"""Read MAG-BERT's ``mosi.pkl`` and ``mosei.pkl``: one list of utterances per split, aligned word by word.

Each utterance is ``((words, visual, acoustic), label, segment)`` with as many frames as words and no padding. There are
no text vectors: the words are the transcript, and a tokenizer turns them into the input of a language model.
"""

from __future__ import annotations

from pathlib import Path

from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import canonical_split
from comodal.data.formats.pickled import memory_needed, peek
from comodal.data.formats.record_lists import listing_source, looks_like_records, require_records
from comodal.data.formats.split_tables import split_contents

__all__ = ["FORMAT", "open_source", "recognises"]

_LENGTH = {3}


def recognises(path: Path) -> bool:
    """Whether a pickle is a dict with a list of such utterances under the name of a split."""
    content = peek(path)
    return isinstance(content, dict) and any(
        canonical_split(key) and looks_like_records(records, _LENGTH) for key, records in content.items()
    )


def open_source(path: Path) -> Source:
    """Read the pickle, and check the form of every utterance."""
    contents = split_contents(path).items()
    listings = [require_records(held, _LENGTH, split=split, where=where) for split, (where, held) in contents]
    facts = {"alignment": "word by word", "memory": memory_needed(path)}
    return listing_source(path, listings, family="mag_bert", files=[path], facts=facts)


FORMAT = Format("mag_bert", recognises, open_source)
