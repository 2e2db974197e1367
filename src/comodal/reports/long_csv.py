"""Files of a comparison or a robustness table; as comma-separated values they have one line per row."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comodal.atomic_write import write_text
from comodal.contracts import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["csv_text", "written"]


def csv_text(rows: Sequence[DataclassInstance]) -> str:
    """Return rows as CSV with a header; a value that does not exist is empty.

    Fields of a nested dataclass follow those of the outer one.

    Raises:
        InputError: there is no row.

    >>> from comodal.contracts import ComparisonRow
    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
    >>> csv_text([row]).splitlines()[1]
    'early,none,0.0,mae,0.8,,,,,,1,0,1.0,,,0,higher,,,,,,,'
    """
    if not rows:
        raise InputError("no row to write", code="empty")
    plain = [_flat(asdict(row)) for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(plain[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain)
    return out.getvalue()


def written(folder: str | Path, texts: Mapping[str, str]) -> dict[str, Path]:
    """Write texts into the files of their names, each of them atomically, and return the paths."""
    paths = {name: Path(folder) / name for name in texts}
    for name, text in texts.items():
        write_text(paths[name], text)
    return paths


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in record.items() if not isinstance(value, dict)}
    for inner in (value for value in record.values() if isinstance(value, dict)):
        found |= inner
    return found
