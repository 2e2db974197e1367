"""Pickles with one table of arrays per split: the raw form of the MMSA, MulT and LMF families."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comodal.data.dataset import SPLITS
from comodal.data.formats.ids import Identified, identify_splits
from comodal.data.formats.label_fields import Fields, LabelValues, label_values, shared_fields
from comodal.data.formats.names import canonical_split
from comodal.data.formats.padding import dense
from comodal.data.formats.parts import Part
from comodal.data.formats.pickles import take
from comodal.data.formats.texts import as_text, damaged, listing, one_line

__all__ = [
    "SplitTable",
    "identified",
    "label_fields",
    "not_read",
    "part_of",
    "require_rows",
    "split_contents",
    "split_tables",
    "table_keys",
]


@dataclass(frozen=True, eq=False)
class SplitTable:
    """The table of one split as it is in the file, its labels read."""

    split: str
    where: str
    content: Mapping[str, Any]
    labels: LabelValues

    def __len__(self) -> int:
        return len(self.labels)


def table_keys(content: object) -> frozenset[str]:
    """Return the keys of the tables of all splits, empty for any other content."""
    if not isinstance(content, dict):
        return frozenset()
    held = [table for key, table in content.items() if canonical_split(key) and isinstance(table, dict)]
    return frozenset(as_text(key) for table in held for key in table)


def split_contents(path: Path) -> dict[str, tuple[str, Any]]:
    """Return split to file and key, for errors, and content of a pickle with a dict of splits, training first."""
    content, found = take(path), dict[str, tuple[str, Any]]()
    for key, held in content.items() if isinstance(content, dict) else ():
        split, where = canonical_split(key), f"{path}, {one_line(as_text(key))}"
        if split in found:
            raise damaged(where, f"the split {split!r} is in the file twice", remedy="keep one", code="duplicate")
        if split:
            found[split] = where, held
    return {split: found[split] for split in SPLITS if split in found}


def split_tables(path: Path, *, labels: str) -> list[SplitTable]:
    """Return the splits of a pickle that hold utterances, training first; ``labels`` is the key of the labels."""
    found = [_table(split, held, where=where, labels=labels) for split, (where, held) in split_contents(path).items()]
    return [table for table in found if len(table)]


def _table(split: str, held: object, *, where: str, labels: str) -> SplitTable:
    if not isinstance(held, dict):
        raise damaged(where, f"a table is expected, not a {type(held).__name__}", code="wrong_type")
    content = {as_text(name): value for name, value in held.items()}
    if labels not in content:
        raise damaged(where, f"no key {labels!r}, only {listing(content)}", code="missing")
    return SplitTable(split, where, content, label_values(content[labels], where=f"{where}/{labels}"))


def label_fields(tables: Iterable[SplitTable]) -> Fields:
    """Return the label columns that all splits have."""
    return shared_fields({table.where: table.labels.fields for table in tables})


def require_rows(table: SplitTable, key: str) -> Any:
    """Return the content under a key, if it has one row per label."""
    value = table.content[key]
    listed = isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)
    found = len(value) if listed else 0
    if found != len(table):
        problem = f"{found} utterances where there are {len(table)} labels"
        raise damaged(f"{table.where}/{key}", problem, code="mismatch")
    return value


def part_of(table: SplitTable, names: Mapping[str, Identified], keys: Mapping[str, str]) -> Part:
    """Return a table with its utterances named and its features read: names to keys, if the split has them."""
    padded, own = {}, names[table.split]
    for name, key in keys.items():
        if key in table.content:
            padded[name] = dense(table.content[key], where=f"{table.where}/{key}")
            require_rows(table, key)
    return Part(
        table.split,
        table.where,
        own.id,
        own.group,
        table.labels.target,
        padded,
        columns=table.labels.columns,
        normalised={**own.normalised, **table.labels.normalised},
    )


def identified(
    path: Path, tables: Iterable[SplitTable], order: Mapping[str, Sequence[float]] | None = None
) -> dict[str, Identified]:
    """Return the ids of every split; utterances of a video are numbered by ``order``."""
    return identify_splits({table.split: _ids(table) for table in tables}, where=f"{path}, id", order=order)


def _ids(table: SplitTable) -> list[object]:
    """Return the ids as they are in the file, ``None`` for each utterance where there are none.

    Of rows with several fields, as CMU's files have them with start and end, the first is the id.
    """
    if table.content.get("id") is None or (isinstance(table.content["id"], list) and not table.content["id"]):
        return [None] * len(table)
    given = require_rows(table, "id")
    found = given.tolist() if isinstance(given, np.ndarray) else list(given)
    for _ in range(2):
        found = [each.tolist() if isinstance(each, np.ndarray) else each for each in found]
        found = [each[0] if isinstance(each, list | tuple) and each else each for each in found]
    return found


def not_read(found: Iterable[SplitTable], used: Collection[str]) -> dict[str, str]:
    """Return the keys of a file that a reader does not use, as a fact of the source."""
    names = {key for table in found for key in table.content} - set(used)
    return {"not read": listing(names)} if names else {}
