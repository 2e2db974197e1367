"""The raw form of the MMSA, MulT and LMF families: a pickle with one table of arrays a split."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.labels import sentiment
from comodal.data.formats.names import canonical_split
from comodal.data.formats.padding import dense
from comodal.data.formats.texts import as_text, listing, one_line

__all__ = [
    "Table",
    "features",
    "ids",
    "not_read",
    "require_rows",
    "rows",
    "table_keys",
    "tables",
]


@dataclass(frozen=True, eq=False)
class Table:
    """The table of one split as it is in the file, its labels read.

    Attributes:
        split: ``train``, ``valid`` or ``test``.
        where: file and split, for errors.
        content: key, as text, to value.
        target: ``(N,)`` float32.
        normalised: what was brought into our form.
    """

    split: str
    where: str
    content: Mapping[str, Any]
    target: NDArray[np.float32]
    normalised: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.target)


def table_keys(content: object) -> frozenset[str]:
    """Keys of the tables of all splits, empty for what is no such file.

    Example:
        >>> table_keys({b"train": {b"glove": []}, "x": {"y": 0}}), table_keys({"train": []})
        (frozenset({'glove'}), frozenset())
    """
    if not isinstance(content, dict):
        return frozenset()
    held = [table for key, table in content.items() if canonical_split(key) and isinstance(table, dict)]
    return frozenset(as_text(key) for table in held for key in table)


def tables(content: object, path: Path, *, labels: str) -> list[Table]:
    """The splits of a file that hold utterances, training first.

    Args:
        content: of the file.
        path: of the file, for errors.
        labels: key of the labels.

    Raises:
        InputError: a split is there under two names, is no table, or its labels are missing or no numbers.

    Example:
        >>> content = {b"dev": {b"y": [[1.0]]}, "train": {"y": [0.5, 0.25]}, "test": {"y": []}, "extra": 1}
        >>> [(table.split, table.target.tolist()) for table in tables(content, Path("x.pkl"), labels="y")]
        [('train', [0.5, 0.25]), ('valid', [1.0])]
    """
    found: dict[str, Table] = {}
    for key, held in content.items() if isinstance(content, dict) else ():
        split = canonical_split(key)
        where = f"{path}, {one_line(as_text(key))}"
        if split in found:
            raise InputError(f"{where}: the split {split!r} is in the file twice; keep one of the two")
        if split:
            found[split] = _table(split, held, where=where, labels=labels)
    return [found[split] for split in SPLITS if split in found and len(found[split])]


def _table(split: str, held: object, *, where: str, labels: str) -> Table:
    if not isinstance(held, dict):
        raise InputError(f"{where}: a table is expected, not a {type(held).__name__}; get the file again")
    content = {as_text(name): value for name, value in held.items()}
    if labels not in content:
        listed = listing(content)
        raise InputError(f"{where}: no key {labels!r}, only {listed}; get the file again")
    target, taken = sentiment(content[labels], where=f"{where}/{labels}")
    return Table(split, where, content, target, {taken: len(target)} if taken and len(target) else {})


def rows(value: Any) -> int:
    """Rows of an array or list; 0 for anything without."""
    return len(value) if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim) else 0


def require_rows(table: Table, key: str) -> Any:
    """What a table holds under a key, if it has one row a label.

    Raises:
        InputError: naming both numbers.
    """
    found = rows(table.content[key])
    if found != len(table):
        raise InputError(
            f"{table.where}/{key}: {found} utterances where there are {len(table)} labels; get the file again"
        )
    return table.content[key]


def features(table: Table, keys: Mapping[str, str]) -> dict[str, NDArray[np.float32]]:
    """Padded features of a split: name of the features to ``(N, T, d)``.

    Args:
        table: the split.
        keys: name of the features to their key; one that the split does not have is left out.

    Raises:
        InputError: no numbers, or another number of utterances.
    """
    found = {}
    for name, key in keys.items():
        if key in table.content:
            found[name] = dense(table.content[key], where=f"{table.where}/{key}")
            require_rows(table, key)
    return found


def ids(table: Table) -> list[object]:
    """Ids as they are in the file, ``None`` for each utterance where there are none.

    Of rows with several fields, as CMU's files have them with start and end, the first is the id.

    Raises:
        InputError: another number of utterances, or no list.
    """
    if table.content.get("id") is None or (isinstance(table.content["id"], list) and not table.content["id"]):
        return [None] * len(table)
    given = require_rows(table, "id")
    found = given.tolist() if isinstance(given, np.ndarray) else list(given)
    for _ in range(2):
        found = [each[0] if isinstance(each, list | tuple | np.ndarray) and rows(each) else each for each in found]
    return found


def not_read(found: Iterable[Table], used: Collection[str]) -> dict[str, str]:
    """Keys of a file that a reader has no use for, as a fact to tell."""
    names = {key for table in found for key in table.content} - set(used)
    return {"not read": listing(names)} if names else {}
