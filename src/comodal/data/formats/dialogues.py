"""Read the pickles of dialogues of IEMOCAP and MELD that DialogueRNN and its successors share.

A tuple of dicts from dialogue to a list, one entry per utterance: ids, speakers, numbers of classes, one dict for each
feature, sentences; then the dialogues of training and of test. Further parts are not read. There is no validation part.

Axis legend: D dialogues, n utterances of a dialogue, d features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import Multiclass
from comodal.data.formats.interface import Format, Label, Source
from comodal.data.formats.label_fields import numbered_classes
from comodal.data.formats.numeric import floats
from comodal.data.formats.parts import Part, source_of
from comodal.data.formats.pickles import peek, take
from comodal.data.formats.texts import as_text, column, damaged, transcripts
from comodal.data.ragged import RaggedArray

__all__ = ["FORMAT"]

_LABEL = "emotion"
_IEMOCAP = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
"""Classes of the files whose dialogues are named after sessions of IEMOCAP; others have numbers alone."""

_SESSION = "Ses"
_FEWEST = 5
"""Dicts of a file with one feature."""


class _Tables(NamedTuple):
    """The parts of a file: dialogue to one entry per utterance."""

    ids: Mapping[Any, Any]
    speakers: Mapping[Any, Any]
    labels: Mapping[Any, Any]
    features: Sequence[Mapping[Any, Any]]
    sentences: Mapping[Any, Any]
    splits: Mapping[str, Collection[Any]]


def recognises(path: Path) -> bool:
    """Whether a pickle begins with five dicts of the same dialogues, followed by two collections of them."""
    return _tables(peek(path)) is not None


def _tables(content: object) -> _Tables | None:
    if not isinstance(content, list | tuple):
        return None
    count = next((k for k, part in enumerate(content) if not isinstance(part, dict)), len(content))
    dicts, lists = content[:count], content[count : count + 2]
    if count < _FEWEST or len(lists) < 2 or not all(isinstance(each, list | tuple | set | frozenset) for each in lists):
        return None
    if not dicts[0] or any(each.keys() != dicts[0].keys() for each in dicts):
        return None
    splits = dict(zip(("train", "test"), lists, strict=True))
    ids, speakers, labels, *features, sentences = dicts
    return _Tables(ids, speakers, labels, features, sentences, splits)


def open_source(path: Path) -> Source:
    """Unpickle and check everything."""
    tables = _tables(take(path))
    if tables is None:
        raise damaged(path, "not dicts of dialogues, followed by the dialogues of training and of test")
    parts = [part for split in tables.splits if (part := _part(path, tables, split)) is not None]
    source = source_of(path, parts, family=FORMAT.name, aligned=False, facts={})
    task = numbered_classes(np.concatenate([part.target for part in parts]))
    if all(as_text(each).startswith(_SESSION) for each in tables.ids) and len(task.classes) == len(_IEMOCAP):
        task = Multiclass(_IEMOCAP)
    validation = "the file has none; convert it with --folds to divide its dialogues anew"
    facts = {"validation": validation, **source.facts}
    return replace(source, task=task, label=_LABEL, labels={_LABEL: Label(task=task)}, facts=facts)


def _part(path: Path, tables: _Tables, split: str) -> Part | None:
    """Return the utterances of a split, dialogue by dialogue in the order of the file; ``None`` without any."""
    try:
        wanted = set(tables.splits[split])
    except TypeError as error:
        raise damaged(path, f"the dialogues of {split} are no names ({error})", code="wrong_type") from error
    if unknown := sorted(map(as_text, wanted - tables.ids.keys())):
        raise damaged(path, f"no dialogue {unknown[0]!r}, which is in {split}", code="missing")
    dialogues = [each for each in tables.ids if each in wanted]
    counts = [_count(tables.labels[each], f"{path}, labels of {as_text(each)}") for each in dialogues]
    if not sum(counts):
        return None

    def rows(table: Mapping[Any, Any], what: str) -> list[Any]:
        found = []
        for each, count in zip(dialogues, counts, strict=True):
            where = f"{path}, {what} of {as_text(each)}"
            if _count(table[each], where) != count:
                raise damaged(where, f"{len(table[each])} utterances where there are {count} labels", code="mismatch")
            found += list(table[each])
        return found

    where = f"{path}, {split}"
    group = [as_text(each) for each, count in zip(dialogues, counts, strict=True) for _ in range(count)]
    words, changed = transcripts(rows(tables.sentences, "sentences"), where=f"{where}, sentences")
    speakers = _texts(rows(tables.speakers, "speakers"))
    spoken = {} if speakers is None else {"speaker": column(speakers, where=where)}
    ids, renamed = _ids(rows(tables.ids, "ids"), dialogues, counts)
    named = zip(_names(len(tables.features)), tables.features, strict=True)
    return Part(
        split,
        where,
        column(ids, where=where),
        column(group, where=where),
        _numbers(rows(tables.labels, "labels"), where=f"{where}, labels"),
        {},
        cut={name: _vectors(rows(table, name), where=f"{where}, {name}") for name, table in named},
        columns=spoken,
        transcript=words,
        normalised=changed | ({"utterances were named by dialogue and position": len(ids)} if renamed else {}),
    )


def _count(rows: Any, where: str) -> int:
    if not isinstance(rows, list | tuple) and not (isinstance(rows, np.ndarray) and rows.ndim):
        raise damaged(where, f"a list of utterances is expected, not {type(rows).__name__}", code="wrong_type")
    return len(rows)


def _texts(given: Sequence[Any]) -> list[str] | None:
    return [as_text(each) for each in given] if all(isinstance(each, str | bytes) for each in given) else None


def _ids(given: Sequence[Any], dialogues: Sequence[Any], counts: Sequence[int]) -> tuple[list[str], bool]:
    """Return the ids of the file where they are names, else numbers within each dialogue."""
    texts = _texts(given)
    if texts is not None and len(set(texts)) == len(texts):
        return texts, False
    return [f"{as_text(each)}_{k}" for each, n in zip(dialogues, counts, strict=True) for k in range(n)], True


def _names(count: int) -> list[str]:
    """Return text, audio, vision, as many as there are; of more, the others are further features of text."""
    if count <= 3:
        return ["text", "audio", "vision"][:count]
    return ["text", *(f"text_{k}" for k in range(2, count - 1)), "audio", "vision"]


def _numbers(raw: Sequence[Any], *, where: str) -> NDArray[np.float32]:
    found = floats(raw, where=where, what="labels")
    if found.ndim != 1:
        raise damaged(where, f"labels of shape {found.shape}, not one class each", code="wrong_shape")
    return found


def _vectors(raw: Sequence[Any], *, where: str) -> RaggedArray:
    found = floats(raw, where=where)
    if found.ndim != 2 or not found.shape[1]:
        raise damaged(where, f"shape {found.shape} where (utterances, features) is expected", code="wrong_shape")
    return RaggedArray.from_vectors(found)


FORMAT = Format("dialogues", recognises, open_source)
