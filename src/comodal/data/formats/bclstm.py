"""Read bc-LSTM's pickles of one modality: (train, labels, test, labels, longest, train lengths, test lengths).

A dialogue is a video, its utterances in order; each is one vector. The labels are classes, and there is no validation
part. A file has no names of classes; `multiclass:NAME,NAME,...` as task gives them in the order of their numbers.

Axis legend: V videos, U padded utterances of a video, C classes, d features, n utterances.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.interface import Format, Label, Source
from comodal.data.formats.label_fields import numbered_classes
from comodal.data.formats.names import MODALITIES, canonical_modality
from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.padding import dense
from comodal.data.formats.parts import Part, source_of
from comodal.data.formats.pickles import peek, take
from comodal.data.formats.texts import column, damaged
from comodal.data.ragged import RaggedArray

__all__ = ["FORMAT"]

_LABEL = "label"
_PARTS = 7
_ARRAYS = 4
_LENGTHS = {"train": 5, "test": 6}
_DATA = {"train": 0, "test": 2}


def recognises(path: Path) -> bool:
    """Whether a pickle has seven parts, of which the first four are arrays of dialogues."""
    content = peek(path)
    if not isinstance(content, list | tuple) or len(content) != _PARTS:
        return False
    return all(isinstance(part, np.ndarray) and part.ndim >= 2 for part in content[:_ARRAYS])


def open_source(path: Path) -> Source:
    """Unpickle and check everything."""
    content = take(path)
    if not isinstance(content, list | tuple) or len(content) != _PARTS:
        raise damaged(path, "not the seven parts of a bc-LSTM pickle")
    feature, named = _feature(path)
    parts = [_part(content, split, path, feature, named) for split in _DATA]
    task = numbered_classes(np.concatenate([part.target for part in parts]))
    validation = "the file has none; convert it with --folds to divide its videos anew"
    source = source_of(path, parts, family=FORMAT.name, aligned=False, facts={})
    facts = {"validation": validation, **source.facts}
    return replace(source, task=task, label=_LABEL, labels={_LABEL: Label(task=task)}, facts=facts)


def _part(content: Sequence[Any], split: str, path: Path, feature: str, named: str) -> Part:
    first, lengths_at = _DATA[split], _LENGTHS[split]
    values = dense(content[first], where=f"{path}, part {first}")
    where = f"{path}, part {first + 1}"
    labels = floats(content[first + 1], where=where, what="labels")
    if labels.ndim == 3:
        labels = labels[:, :, 0] if labels.shape[2] == 1 else _numbers(labels, where=where)
    if labels.shape != values.shape[:2]:
        raise damaged(where, f"labels have shape {labels.shape} where part {first} has {values.shape}", code="mismatch")
    lengths = _lengths(content[lengths_at], values, where=f"{path}, part {lengths_at}")
    real = np.arange(values.shape[1]) < lengths[:, None]
    video, utterance = np.nonzero(real)
    groups = [f"{split}_{v}" for v in video.tolist()]
    ids = [f"{group}_{u}" for group, u in zip(groups, utterance.tolist(), strict=True)]
    counts = {
        "utterances without an id were named by split, video and position": len(ids),
        "rows beyond the length of their video were removed": int((~real).sum()),
        named: len(ids),
    }
    return Part(
        split,
        f"{path}, part {first}",
        column(ids, where=split),
        column(groups, where=split),
        labels[real],
        {},
        cut={feature: RaggedArray.from_vectors(values[real])},
        normalised={sentence: count for sentence, count in counts.items() if count},
    )


def _lengths(raw: Any, values: NDArray[np.float32], *, where: str) -> NDArray[np.int64]:
    n, most, _ = values.shape
    found = numeric(raw, where=where, what="lengths")
    if found.shape != (n,) or not ((found >= 0) & (found <= most) & (found % 1 == 0)).all():
        raise damaged(where, f"not {n} lengths from 0 to {most}, one per video")
    return np.asarray(found, dtype=np.int64)


def _numbers(labels: NDArray[np.float32], *, where: str) -> NDArray[np.float32]:
    """Return the class ``(V, U)`` of ``(V, U, C)`` with one 1 in each row; rows of padding may have none."""
    if not np.isin(labels, (0, 1)).all() or (labels.sum(axis=2) > 1).any() or not labels.any():
        raise damaged(where, f"labels of shape {labels.shape} that are not one class each")
    return np.where(labels.any(axis=2), labels.argmax(axis=2), np.nan).astype(np.float32)


def _feature(path: Path) -> tuple[str, str]:
    """Return the name of the one feature, from the name of the file, and how it was found."""
    words = [canonical_modality(word) for word in re.findall("[a-z]+", path.stem.lower())]
    named = next((word for word in words if word in MODALITIES), "")
    if named:
        return named, f"the modality was taken from the name of the file: {named}"
    return "features", "the file does not say its modality: it was called features"


FORMAT = Format("bclstm", recognises, open_source)
