"""A comparison as files: ``summary.json`` and ``summary.csv`` (one row a metric), ``summary.md`` (one line an arm)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from comodal.contracts import ComparisonRow, InputError
from comodal.reports.markdown import markdown_table
from comodal.whole_file import write_whole

__all__ = ["csv_text", "json_text", "read_summary", "write_summary"]


def json_text(rows: Sequence[ComparisonRow]) -> str:
    """A list of objects, one a row, keys in the order of the row's fields; never NaN or infinity.

    Raises:
        InputError: a row holds NaN or infinity.

    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
    >>> json.loads(json_text([row]))[0]["std"] is None
    True
    """
    try:
        return json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    except ValueError as error:
        raise InputError(f"a row of the comparison holds NaN or infinity ({error}): a run has diverged") from error


def csv_text(rows: Sequence[ComparisonRow]) -> str:
    """Comma-separated, a head line and one line a row; empty where a value does not exist.

    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
    >>> csv_text([row]).splitlines()[1]
    'early,none,0.0,mae,0.8,,,,,,1,0,1.0,,,0,higher,,,,'
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, [field.name for field in fields(ComparisonRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return out.getvalue()


def write_summary(rows: Sequence[ComparisonRow], folder: str | Path, *, title: str = "") -> dict[str, Path]:
    """Write all three files, each whole or not at all.

    Args:
        rows: of a comparison.
        folder: created when missing; earlier summaries in it are replaced.
        title: heading of the Markdown file.

    Returns:
        Ending (``"json"``, ``"csv"``, ``"md"``) to path.

    Raises:
        InputError: there is no row, or the folder cannot be written.
    """
    # Everything is rendered before the first file is touched: a row that cannot be written leaves the old files alone.
    texts = {"json": json_text(rows), "csv": csv_text(rows), "md": markdown_table(rows, title=title)}
    paths = {ending: Path(folder) / f"summary.{ending}" for ending in texts}
    for ending, text in texts.items():
        _write(paths[ending], text)
    return paths


def read_summary(path: str | Path) -> list[ComparisonRow]:
    """The rows of a ``summary.json``.

    Raises:
        InputError: the file is missing or is not a summary.
    """
    try:
        objects: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        return [ComparisonRow(**row) for row in objects]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a summary of a comparison ({error}); run `comodal compare` again") from error


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
