"""Read the pickles of MulT, MultiBench and CMU: one table per split with text, audio, vision, labels and, mostly, id.

Aligned files have one frame per word in every modality. CMU-MOSI's ids name video and segment; CMU-MOSEI's name the
video alone, and its segments differ by start and end.

LMF's pickle ``mosi.pkl`` is of the same form: covarep and facet averaged over time, glove by words, and label. Its keys
are bytes when Python 3 reads them as such; it has no ids.

Axis legend: N utterances, T padded frames.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.interface import Format, Source
from comodal.data.formats.label_fields import offering
from comodal.data.formats.mmsa import OWN_KEYS as MMSA_KEYS
from comodal.data.formats.names import MODALITIES, canonical_modality
from comodal.data.formats.parts import Part, source_of
from comodal.data.formats.pickles import peek
from comodal.data.formats.split_tables import (
    SplitTable,
    identified,
    label_fields,
    not_read,
    part_of,
    split_tables,
    table_keys,
)
from comodal.data.formats.texts import as_text

__all__ = ["FORMAT", "LMF"]

_LABELS = "labels"
_TIMES = ("start", "end")
_KEYS = frozenset({"text", "audio", "vision", "visual", "video", "acoustic", "language"})
"""Names of its modalities."""

_LMF_LABELS = "label"
_LMF_KEYS = {"text": "glove", "audio": "covarep", "vision": "facet"}


def recognises(path: Path) -> bool:
    """Whether a pickle has tables of splits with text, audio or vision, and none of MMSA's own keys."""
    keys = table_keys(peek(path))
    return bool(keys & _KEYS) and not keys & MMSA_KEYS


def open_source(path: Path) -> Source:
    """Unpickle, check and name everything; padding is cut when blocks are asked for."""
    found = split_tables(path, labels=_LABELS)
    times = {table.split: _times(table) for table in found}
    timed = bool(found) and all(len(each) for each in times.values())
    names = identified(path, found, {split: each[:, 0].tolist() for split, each in times.items()} if timed else None)
    parts = []
    for table in found:
        part, time = part_of(table, names, _modalities(table)), times[table.split]
        columns = {**part.columns, **{name: time[:, k] for k, name in enumerate(_TIMES) if len(time)}}
        parts.append(replace(part, columns=columns))
    aligned = all(_is_aligned(part) for part in parts)
    alignment = "aligned by words" if aligned else "unaligned"
    facts = not_read(found, {_LABELS, "id", *_KEYS})
    source = source_of(path, parts, family=FORMAT.name, aligned=aligned, alignment=alignment, facts=facts)
    return offering(source, label_fields(found))


def recognises_lmf(path: Path) -> bool:
    """Whether a pickle has tables of splits with glove, covarep or facet, and no other family's keys."""
    keys = table_keys(peek(path))
    return bool(keys & set(_LMF_KEYS.values())) and not keys & (MMSA_KEYS | _KEYS)


def open_lmf(path: Path) -> Source:
    """Unpickle and check everything; padding is cut when blocks are asked for."""
    found = split_tables(path, labels=_LMF_LABELS)
    names = identified(path, found)
    parts = [part_of(table, names, _LMF_KEYS) for table in found]
    facts = not_read(found, {_LMF_LABELS, "id", *_LMF_KEYS.values()})
    return offering(source_of(path, parts, family=LMF.name, aligned=False, facts=facts), label_fields(found))


def _times(table: SplitTable) -> NDArray[np.float64]:
    """Return ``(N, 2)`` start and end of every utterance; ``(0, 2)`` where the ids do not have them for all."""
    none = np.zeros((0, 2))
    given = table.content.get("id")
    fields = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(fields, list | tuple) or not fields:
        return none
    rows = [row.tolist() if isinstance(row, np.ndarray) else row for row in fields]
    if not all(isinstance(row, list | tuple) and len(row) == 3 for row in rows):
        return none
    # Numbers and names in one array are all text: the times are read back from it.
    try:
        found = np.array([[float(as_text(each)) for each in row[1:]] for row in rows])
    except ValueError:
        return none
    return found if np.isfinite(found).all() else none


def _modalities(table: SplitTable) -> dict[str, str]:
    """Return name of the features to their key; where two keys mean one modality, its own name comes first."""
    named: dict[str, str] = {}
    for key in sorted(_KEYS & set(table.content), key=lambda key: key not in MODALITIES):
        named.setdefault(canonical_modality(key), key)
    return {name: named[name] for name in MODALITIES if name in named}


def _is_aligned(part: Part) -> bool:
    return len(part.padded) > 1 and len({frames.shape[1] for frames in part.padded.values()}) == 1


FORMAT = Format("mult", recognises, open_source)
LMF = Format("lmf", recognises_lmf, open_lmf)
