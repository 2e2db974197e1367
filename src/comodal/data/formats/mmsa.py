"""Read MMSA's pickles ``aligned_50.pkl`` and ``unaligned_50.pkl``: text from BERT with its word pieces, by split.

Aligned means word-piece aligned: the audio and vision frame of a word is repeated for each of its pieces, with zeros at
[CLS] and [SEP]. Unaligned files state the lengths of audio and vision; the attention mask gives the length of the text.

Beside the regression there are classes, as numbers (negative, neutral, positive) and as words, and in SIMS the labels
of each modality alone.

Axis legend: N utterances, T padded frames, L word pieces.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Multiclass, Regression, Sentiment
from comodal.data.formats.ids import Identified
from comodal.data.formats.interface import Format, Label, Source
from comodal.data.formats.label_fields import label_values, offering
from comodal.data.formats.names import MODALITIES
from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.padding import real_frames, within
from comodal.data.formats.parts import Part, source_of
from comodal.data.formats.pickles import peek
from comodal.data.formats.split_tables import (
    SplitTable,
    identified,
    label_fields,
    not_read,
    part_of,
    require_rows,
    split_tables,
    table_keys,
)
from comodal.data.formats.texts import as_text, column, damaged, transcripts
from comodal.data.targets import target_of

__all__ = ["FORMAT", "OWN_KEYS"]

_LABELS = "regression_labels"
_PIECES = "text_bert"
_ONE_MODALITY = tuple(f"{_LABELS}_{each}" for each in "TAV")
_CLASSES = ("classification_labels", "annotations")
_LENGTHS = {name: f"{name}_lengths" for name in MODALITIES}
_READ = frozenset({_LABELS, _PIECES, "raw_text", "id", *_ONE_MODALITY, *MODALITIES, *_LENGTHS.values()})
OWN_KEYS = frozenset({_LABELS, _PIECES, _CLASSES[0], *_ONE_MODALITY})
"""Keys of this family alone."""


def recognises(path: Path) -> bool:
    """Whether a pickle has tables of splits with regression labels or word pieces."""
    return bool(table_keys(peek(path)) & OWN_KEYS)


def open_source(path: Path) -> Source:
    """Unpickle, check and name everything; what is padded is cut when blocks are asked for."""
    found = split_tables(path, labels=_LABELS)
    names = identified(path, found)
    parts = [_part(table, names) for table in found]
    aligned = all(_is_aligned(part) for part in parts)
    parts = [_cut_at_mask(part, table, aligned=aligned) for part, table in zip(parts, found, strict=True)]
    alignment = "aligned by word pieces, with [CLS] and [SEP]" if aligned else "unaligned"
    # SIMS labels each modality too, and from -1 to 1.
    task = Regression(-1.0, 1.0) if all(set(part.columns) & set(_ONE_MODALITY) for part in parts) else Sentiment()
    fields, labels = label_fields(found), _labels(parts, task)
    facts = not_read(found, _READ | labels.keys())
    source = source_of(path, parts, family=FORMAT.name, aligned=aligned, alignment=alignment, facts=facts)
    source = offering(source, fields, {fields.own: Label(task=task if fields.own else None), **labels})
    return replace(source, defaults=tuple(name for name in MODALITIES if name in source.dims))


def _labels(parts: Sequence[Part], task: Regression) -> dict[str, Label]:
    """Return the labels beside the sentiment that every split has, by key."""
    shared = [key for key in (*_ONE_MODALITY, *_CLASSES) if all(key in part.columns for part in parts)]
    labels = {key: Label((key,), task) for key in shared if key not in _CLASSES}
    for key in (key for key in _CLASSES if key in shared):
        values = np.concatenate([part.columns[key] for part in parts])
        classes = None
        with contextlib.suppress(InputError):  # it is reported when this label is chosen
            classes, _ = target_of(values, Multiclass.kind, where=key)
        labels[key] = Label((key,), classes)
    return labels


def _one_number(table: SplitTable, key: str) -> NDArray[np.float32]:
    where = f"{table.where}/{key}"
    found = label_values(require_rows(table, key), where=where)
    if not found.fields.own:
        raise damaged(where, f"{len(found.columns)} labels of one utterance", remedy="give (N,)", code="wrong_shape")
    return found.target


def _classes(table: SplitTable, key: str) -> NDArray[Any] | None:
    """Return numbers or words of classes; ``None`` for anything else, since hardly anybody reads them."""
    with contextlib.suppress(InputError):
        given = require_rows(table, key)
        rows = given.tolist() if isinstance(given, np.ndarray) else list(given)
        if all(isinstance(each, str | bytes) for each in rows):
            return column([as_text(each) for each in rows], where=f"{table.where}/{key}")
        found = numeric(rows, where=f"{table.where}/{key}")
        return found if found.ndim == 1 else None
    return None


def _part(table: SplitTable, names: Mapping[str, Identified]) -> Part:
    columns: dict[str, NDArray[Any]] = {key: _one_number(table, key) for key in _ONE_MODALITY if key in table.content}
    for key in _CLASSES:
        if key in table.content and (found := _classes(table, key)) is not None:
            columns[key] = found
    transcript, spaces = None, dict[str, int]()
    if "raw_text" in table.content:
        transcript, spaces = transcripts(require_rows(table, "raw_text"), where=f"{table.where}/raw_text")
    part = part_of(table, names, dict(zip(MODALITIES, MODALITIES, strict=True)))
    return replace(
        part,
        lengths={name: table.content[key] for name, key in _LENGTHS.items() if key in table.content},
        columns={**part.columns, **columns},
        transcript=transcript,
        normalised={**part.normalised, **spaces},
    )


def _is_aligned(part: Part) -> bool:
    return not part.lengths and len({frames.shape[1] for frames in part.padded.values()}) == 1


def _cut_at_mask(part: Part, table: SplitTable, *, aligned: bool) -> Part:
    """Cut the text at the end of the attention mask, since BERT's vectors of padding need not be zero.

    Aligned audio and vision are cut with the text, at the last frame that is real in any of them.
    """
    if _PIECES not in table.content:
        return part
    pieces = _pieces(table)
    mask = pieces[:, 1] != 0
    cut = {_PIECES: within(np.ascontiguousarray(pieces.transpose(0, 2, 1)), mask)}
    text = part.padded.get("text")
    usable = text is not None and text.shape[1] == mask.shape[1]
    others = [frames for name, frames in part.padded.items() if name != "text"]
    if usable and aligned:
        span = np.logical_or.reduce([mask, *(real_frames(frames) for frames in others)])
        cut |= {name: within(frames, span) for name, frames in part.padded.items()}
    elif usable and text is not None and "text" not in part.lengths:
        cut["text"] = within(text, mask)
    counts = dict(part.normalised)
    for name, frames in part.padded.items():
        if name in cut and (shorter := int((cut[name].lengths < frames.shape[1]).sum())):
            counts[f"{name}: frames outside the attention mask were removed"] = shorter
    left = {name: frames for name, frames in part.padded.items() if name not in cut}
    return replace(part, padded=left, cut=cut, normalised=counts)


def _pieces(table: SplitTable) -> NDArray[np.float32]:
    """Return ``(N, 3, L)``: input ids, attention mask, segment ids."""
    where = f"{table.where}/{_PIECES}"
    found = floats(require_rows(table, _PIECES), where=where, what="word pieces")
    if found.ndim != 3 or found.shape[1] != 3 or found.shape[2] == 0:
        raise damaged(where, f"word pieces have shape {found.shape}, not (N, 3, pieces)", code="wrong_shape")
    if not np.isin(found[:, 1], (0, 1)).all():
        raise damaged(where, "the second row is not an attention mask of 0 and 1")
    return found


FORMAT = Format("mmsa", recognises, open_source)
