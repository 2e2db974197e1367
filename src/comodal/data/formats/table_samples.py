"""Turn the columns of a user's table into samples: ids, groups, labels, splits and folds in one form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import PARTS
from comodal.data.formats.ids import parse_id
from comodal.data.formats.interface import Block, Division
from comodal.data.formats.names import canonical_part
from comodal.data.formats.table_file import Table, guessed, numbers_in
from comodal.data.formats.table_labels import TableLabels, labels_among
from comodal.data.formats.texts import column, damaged, transcripts

__all__ = ["LABELS", "TableSamples", "samples_of"]

LABELS = ("label", "sentiment", "target", "y")
_GROUPS = ("group", "video", "speaker")
_TRANSCRIPTS = ("transcript", "text")

_Changes = dict[str, NDArray[np.bool_]]
"""Sentence that describes a change to the rows ``(N,)`` that it concerned."""


@dataclass(frozen=True, eq=False)
class TableSamples:
    """The samples of a table without features, their ids as written there, and which columns were taken for what."""

    block: Block
    label: str
    labels: TableLabels
    written: Sequence[str]
    divisions: Mapping[str, Division]
    changed: _Changes
    facts: Mapping[str, str]


def samples_of(table: Table) -> TableSamples:
    """Return the samples of a table."""
    found = _label_columns(table)
    label = found[0] if len(found) == 1 else ""
    group = next((name for name in _GROUPS if name in table.columns), None)
    words = next((name for name in _TRANSCRIPTS if name in table.columns), None)
    written = _texts(table, "id")
    changed: _Changes = {}
    divided, divisions = _divided(table, changed)
    identifier, groups = _identities(table, written, group=group, split=divided.get("split"), changed=changed)
    used = {"id", *found, group, words, *divided}
    others = {name: guessed(cells) for name, cells in table.columns.items() if name not in used}
    labels = labels_among(table, found)
    block = Block(
        id=identifier,
        group=groups,
        target=labels.target,
        modalities={},
        columns={**divided, **others, **labels.columns},
        transcript=None if words is None else _transcripts(table, words, changed),
    )
    return TableSamples(block, label, labels, written, divisions, changed, _facts(table, found, group))


def _label_columns(table: Table) -> list[str]:
    if "id" not in table.columns:
        problem = f"no column id (it has {', '.join(table.columns)})"
        raise damaged(table.path, problem, remedy="add it", code="missing")
    return [name for name in LABELS if name in table.columns]


def _facts(table: Table, labels: Sequence[str], group: str | None) -> dict[str, str]:
    facts = {
        "label column": " or ".join(labels) or f"none of {', '.join(LABELS)}",
        "groups": f"column {group}" if group else "the video that the id begins with",
    }
    if table.left_out:
        facts["columns left out"] = ", ".join(table.left_out)
    return facts


def _texts(table: Table, name: str) -> list[str]:
    """Return a column of names, which may be whole numbers."""
    cells = table.columns[name]
    if cells.dtype.kind not in "Uiu":
        raise damaged(table.at(name), f"{cells.dtype}, not names", remedy="store them as text", code="wrong_type")
    found = [str(each).strip() for each in cells.tolist()]
    if name == "id" and "" in found:
        raise damaged(table.at("id", found.index("")), "no id", remedy="give every sample one", code="missing")
    return found


def _transcripts(table: Table, name: str, changed: _Changes) -> NDArray[np.str_]:
    given = table.columns[name]
    if given.dtype.kind == "f" and np.isnan(given).all():
        given = np.full(len(given), "")
    words, _ = transcripts(given, where=table.at(name))
    changed["white space in transcripts was brought to single spaces"] = words != given
    return words


def _identities(
    table: Table, written: Sequence[str], *, group: str | None, split: NDArray[Any] | None, changed: _Changes
) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """Return ids and groups; an id without video and segment stays as it is."""
    parsed = [parse_id(each) for each in written]
    whole = ["_".join(filter(None, each)) for each in parsed]
    groups = _groups(parsed, split=split, changed=changed) if group is None else _texts(table, group)
    lacking = np.array([not each for each in groups])
    # An id that only repeats the video does not name a sample, where some video has several.
    bare = [name == each and not segment for name, each, (_, segment) in zip(whole, groups, parsed, strict=True)]
    videos = [name for name, is_bare in zip(whole, bare, strict=True) if is_bare]
    bare = [False] * len(whole) if group is None or len(set(videos)) == len(videos) else bare
    groups = [each or name for each, name in zip(groups, whole, strict=True)]
    running: Counter[str] = Counter()
    for row in np.flatnonzero(bare).tolist():
        video = whole[row]
        whole[row] = f"{video}_{running[video]}"
        running[video] += 1
    renamed = [name != given for name, given in zip(whole, written, strict=True)]
    changed["samples without a group are their own"] = lacking
    changed["ids that name a video alone were numbered within their video"] = np.array(bare)
    changed["ids were brought to video_segment"] = np.array(renamed) & ~np.array(bare)
    return column(whole, where=table.at("id")), column(groups, where=f"{table.path}, groups")


def _groups(parsed: Sequence[tuple[str, str]], *, split: NDArray[Any] | None, changed: _Changes) -> list[str]:
    """Return the groups of a table that has no column for them, from the ids."""
    whole = ["_".join(filter(None, each)) for each in parsed]
    videos = np.array([video for video, _ in parsed])
    parts = np.zeros(len(videos)) if split is None else split
    # Numbered words such as train_0, train_1 or clip_0, clip_1 do not name a video.
    if len(videos) > 1 and all(len(np.unique(videos[parts == part])) == 1 for part in np.unique(parts)):
        changed["the ids name no videos, each sample is its own group"] = np.ones(len(videos), dtype=bool)
        return whole
    changed["the group is the video that the id begins with"] = videos != np.array(whole)
    return [str(each) for each in videos]


def _divided(table: Table, changed: _Changes) -> tuple[dict[str, NDArray[Any]], dict[str, Division]]:
    columns: dict[str, NDArray[Any]] = {}
    divisions: dict[str, Division] = {}
    if "split" in table.columns:
        columns["split"] = _splits(table, changed)
        divisions["split"] = Division("split")
    if "fold" in table.columns:
        columns["fold"] = fold = _folds(table, changed)
        divisions["fold"] = Division("fold", folds=int(fold.max()) + 1)
    return columns, divisions


def _splits(table: Table, changed: _Changes) -> NDArray[np.str_]:
    given = _texts(table, "split")
    found = [canonical_part(word) for word in given]
    if "" in found:
        row = found.index("")
        error = InputError.unknown("split", given[row], PARTS)
        raise error.at(table.at("split", row))
    changed["splits were named train, valid or test"] = np.array(found) != np.array(given)
    return column(found, where=table.at("split"))


def _folds(table: Table, changed: _Changes) -> NDArray[np.int64]:
    """Return fold numbers from 0, -1 for a sample in none."""
    values = numbers_in(table, "fold").astype(np.float64)
    values = np.where(np.isnan(values), -1, values)
    wrong = np.flatnonzero((values != np.round(values)) | (values < -1) | (values > len(values)))
    if len(wrong):
        remedy = "give a whole number from 0, or -1 for none"
        raise damaged(table.at("fold", wrong[0]), "not a fold number", remedy=remedy, code="out_of_range")
    fold = values.astype(np.int64)
    if 0 not in fold and 1 in fold:
        changed["folds numbered from 1 became folds from 0"] = fold > 0
        fold = np.where(fold > 0, fold - 1, fold)
    missing = sorted(set(range(int(fold.max()) + 1)) - set(fold.tolist()))
    if missing or fold.max() < 2:
        has = f"no sample is in fold {missing[0]}" if missing else f"{int(fold.max()) + 1} folds"
        raise damaged(table.at("fold"), has, remedy="number at least 3 folds from 0 without gaps", code="missing")
    return fold
