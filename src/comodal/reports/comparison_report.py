"""A comparison as ``summary.json``, ``summary.csv`` and ``summary.md``, and on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from comodal.contracts import ComparisonRow
from comodal.contracts.json_records import json_text, read_records
from comodal.reports.long_csv import csv_text, written
from comodal.reports.number_text import (
    difference_text,
    direction,
    explanation,
    interval_text,
    mean_text,
    metrics_of,
    p_text,
    verdict,
)
from comodal.reports.text_table import Cell, TextTable, markdown_table, rich_table

__all__ = [
    "file_cell",
    "file_table",
    "print_comparison",
    "read_summary",
    "screen_cell",
    "screen_table",
    "write_summary",
]

_ON_SCREEN = 4


def file_table(rows: Sequence[ComparisonRow]) -> TextTable:
    """Return one row per fusion model and measure with every metric as a column."""
    names = metrics_of(rows)
    budgets = [row.labels for row in rows if row.labels is not None]
    heads = (
        *(["labels"] if budgets else []),
        "fusion",
        "measure",
        "weight",
        *_heads(rows, names, "{} ({})"),
        "seeds",
        "collapsed",
        "seconds per run",
    )
    lines = []
    for (fusion, measure, weight, labels), own in _arms(rows).items():
        first = next(iter(own.values()))
        budget = [Cell(f"{labels or 'all'}")] if budgets else []
        runs = (str(first.n_seeds), str(first.collapsed), f"{first.seconds:.1f}")
        cells = (file_cell(own[name]) if name in own else Cell() for name in names)
        lines.append([*budget, *map(Cell, (fusion, measure, f"{weight:g}")), *cells, *map(Cell, runs)])
    return TextTable(heads, lines)


def screen_table(rows: Sequence[ComparisonRow], *, metrics: Sequence[str] | None = None) -> TextTable:
    r"""Return one row per fusion model and measure with some metrics as columns; the first four unless chosen."""
    names = metrics_of(rows)[:_ON_SCREEN] if metrics is None else metrics_of(rows, metrics)
    lines = []
    for (fusion, measure, weight, _), own in _arms(rows).items():
        first = next(iter(own.values()))
        model = Cell(f"{fusion}\n{measure}" + (f"\nweight {weight:g}" if weight else ""))
        runs = f"{first.n_seeds} seed{'s' if first.n_seeds != 1 else ''}\n{first.seconds:.1f} s each"
        collapsed = Cell(runs, f"{first.collapsed} collapsed", "harm" if first.collapsed else "")
        lines.append([model, *(screen_cell(own[name]) if name in own else Cell() for name in names), collapsed])
    return TextTable(("model", *_heads(rows, names, "{}\n{}"), "runs"), lines)


def print_comparison(
    rows: Sequence[ComparisonRow],
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Print the table and how to read it.

    Args:
        rows: of a comparison.
        metrics: columns, as in :func:`screen_table`.
        title: a line above, for example the data set.
        console: where to print; default: standard output.

    Raises:
        InputError: there is nothing to show.
    """
    out = console if console is not None else Console()
    table = screen_table(rows, metrics=metrics)
    if title:
        out.print(Text(title, style="bold"))
    out.print(rich_table(table))
    for sentence in explanation(rows):
        out.print(Text(sentence, style="dim"))


def write_summary(rows: Sequence[ComparisonRow], folder: str | Path, *, title: str = "") -> dict[str, Path]:
    """Write the three files, each of them atomically.

    Args:
        rows: of a comparison.
        folder: created when missing; earlier summaries in it are replaced.
        title: heading of the Markdown file.

    Returns:
        Suffix (``"json"``, ``"csv"``, ``"md"``) to path.

    Raises:
        InputError: there is no row, or the folder cannot be written.
    """
    # Everything is rendered before the first file is written: a row that cannot be written leaves the old files alone.
    heading = [f"## {title}", ""] if title else []
    lines = [*heading, *markdown_table(file_table(rows)), "", *(f"- {each}" for each in explanation(rows)), ""]
    texts = {"summary.json": json_text(rows), "summary.csv": csv_text(rows), "summary.md": "\n".join(lines)}
    return {path.suffix[1:]: path for path in written(folder, texts).values()}


def read_summary(path: str | Path) -> list[ComparisonRow]:
    """Return the rows of a ``summary.json``.

    Raises:
        InputError: the file is missing or is not a summary.
    """
    return list(read_records(Path(path), ComparisonRow))


def _heads(rows: Sequence[ComparisonRow], names: Sequence[str], form: str) -> list[str]:
    first = {row.metric: row for row in reversed(rows)}
    return [form.format(name, direction(first[name])) for name in names]


def _arms(rows: Sequence[ComparisonRow]) -> dict[tuple[str, str, float, int | None], dict[str, ComparisonRow]]:
    """Return the rows of every arm and label budget by metric."""
    arms: dict[tuple[str, str, float, int | None], dict[str, ComparisonRow]] = {}
    for row in rows:
        arms.setdefault((row.fusion, row.measure, row.weight, row.labels), {})[row.metric] = row
    return arms


def file_cell(row: ComparisonRow) -> Cell:
    """Return mean and difference for a file."""
    return Cell(mean_text(row), difference_text(row), verdict(row))


def screen_cell(row: ComparisonRow) -> Cell:
    """Return the same for the screen, the interval in a line of its own."""
    delta, interval = interval_text(row)
    return Cell(mean_text(row), "\n".join(filter(None, (f"{delta} {p_text(row)}".strip(), interval))), verdict(row))
