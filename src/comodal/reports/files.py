"""A comparison as files: ``summary.json`` and ``summary.csv`` (one row a metric), ``summary.md`` (one line an arm)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from comodal.atomic_write import write_text
from comodal.contracts import ComparisonRow
from comodal.contracts.records import comparison_row, json_text, read_records
from comodal.reports.markdown import markdown_table

__all__ = ["csv_text", "read_summary", "write_summary"]


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
        write_text(paths[ending], text)
    return paths


def read_summary(path: str | Path) -> list[ComparisonRow]:
    """The rows of a ``summary.json``.

    Raises:
        InputError: the file is missing or is not a summary.
    """
    return list(read_records(Path(path), comparison_row))
