"""Read the pickles of MISA, MMIM and MAG-BERT: lists of utterances, in one file per split or all in one.

Each utterance is ``((word ids, visual, acoustic, words), label, segment)`` in MISA, aligned word by word; MMIM adds the
numbers of visual and acoustic frames. Word ids belong to a vocabulary in another file; MISA's features have mean 0 and
deviation 1 in every utterance, so that they no longer hold how loud or high a voice was. In MAG-BERT's ``mosi.pkl`` and
``mosei.pkl`` each is ``((words, visual, acoustic), label, segment)``, aligned word by word. There are no text vectors:
the words are the transcript, and a tokenizer turns them into the input of a language model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import canonical_split, files_beside
from comodal.data.formats.pickles import memory_needed, peek, take
from comodal.data.formats.record_lists import (
    UNALIGNED,
    WORD_IDS,
    listing_source,
    looks_like_records,
    require_records,
)
from comodal.data.formats.split_tables import split_contents
from comodal.data.formats.texts import damaged

__all__ = ["FORMAT", "MAG_BERT"]

_ENDINGS = (".pkl", ".pickle")
_LENGTHS = {4, UNALIGNED}
_MAG_LENGTHS = {3}


def recognises(path: Path) -> bool:
    """Whether a pickle is a list of such utterances, or a folder has one that is named for a split."""
    try:
        files = [file for file in _beside(path) if file.is_file()] if path.is_dir() else [path]
        smallest_first = sorted(files, key=lambda file: file.stat().st_size)
    except (OSError, InputError):
        return False
    return any(looks_like_records(peek(file), _LENGTHS) for file in smallest_first)


def open_source(path: Path) -> Source:
    """Read the pickles, and check the form of every utterance."""
    files = _files(path)
    listings = [require_records(take(file), _LENGTHS, split=split, where=str(file)) for split, file in files.items()]
    stated = any(len(record[0]) == UNALIGNED for listing in listings for record in listing.records)
    memory = "; ".join(f"{file.name} {memory_needed(file)}" for file in files.values())
    facts = {"alignment": "unaligned" if stated else "word by word", "memory": memory}
    source = listing_source(path, listings, family="misa", files=list(files.values()), facts=facts)
    return replace(source, defaults=tuple(name for name in source.dims if name != WORD_IDS))


def _beside(path: Path) -> list[Path]:
    return [file for file in files_beside(path) if file.suffix.lower() in _ENDINGS and canonical_split(file.stem)]


def _files(path: Path) -> dict[str, Path]:
    """Return split to file, training first, by the names of the files."""
    remedy = "name the files train.pkl, dev.pkl and test.pkl"
    if path.is_file() and not canonical_split(path.stem):
        raise damaged(path, "its name is not that of a split", remedy=remedy, code="invalid")
    found: dict[str, Path] = {}
    for file in _beside(path) if path.is_dir() else sorted({path, *_beside(path)}):
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


def recognises_mag_bert(path: Path) -> bool:
    """Whether a pickle is a dict with a list of such utterances under the name of a split."""
    content = peek(path)
    return isinstance(content, dict) and any(
        canonical_split(key) and looks_like_records(records, _MAG_LENGTHS) for key, records in content.items()
    )


def open_mag_bert(path: Path) -> Source:
    """Read the pickle, and check the form of every utterance."""
    contents = split_contents(path).items()
    listings = [require_records(held, _MAG_LENGTHS, split=split, where=where) for split, (where, held) in contents]
    facts = {"alignment": "word by word", "memory": memory_needed(path)}
    return listing_source(path, listings, family=MAG_BERT.name, files=[path], facts=facts)


FORMAT = Format("misa", recognises, open_source)
MAG_BERT = Format("mag_bert", recognises_mag_bert, open_mag_bert)
