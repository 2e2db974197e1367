"""A robustness table as ``rows.json``, ``rows.csv``, ``table.md`` and ``table.tex``, and on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from comodal.contracts import RobustnessRow
from comodal.contracts.json_records import json_text, read_records
from comodal.reports.long_csv import csv_text, written
from comodal.reports.number_text import (
    difference_text,
    direction,
    interval_text,
    mean_text,
    metrics_of,
    notes,
    p_text,
    verdict,
)
from comodal.reports.text_table import Cell, TextTable, latex_table, markdown_table, rich_table

__all__ = ["ROWS", "SHOWN_METRICS", "print_robustness", "read_robustness", "value_text", "write_robustness"]

ROWS = "rows.json"
SHOWN_METRICS = ("mae", "acc_2_pos", "accuracy", "macro_f1")
"""Metrics on the screen, and of the areas in Markdown and LaTeX, unless others are chosen; JSON and CSV hold all."""

_TITLES = {
    "subset": "modalities present",
    "relative": "relative robustness (mean over severities)",
    "effective": "effective robustness (area above the shifted baseline)",
}
_VALUES = "Mean ± standard deviation over seeds; of a single run, the value with its 95 % interval over groups."
_DIFFERENCES = (
    "Difference to the same fusion model without a penalty in the same scenario, paired by seed, with its 95 % "
    "interval over seeds and groups; single-modality networks and reference models are listed without a comparison."
)
_P_VALUES = (
    "p: two-sided, Holm-corrected over all compared rows of the metric: subsets, points of curves, relative and "
    "effective areas each among themselves."
)


@dataclass(frozen=True)
class _Layout:
    heads: tuple[str, ...]
    name: Callable[[str, str], tuple[str, ...]]
    cell: Callable[[RobustnessRow], Cell]


def print_robustness(
    rows: Sequence[RobustnessRow],
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Print the subsets of modalities, or the relative areas when "clean" is the only subset.

    Args:
        rows: of a robustness table.
        metrics: one table for each that the rows hold; :data:`SHOWN_METRICS` when ``None``.
        title: a line above.
        console: where to print; default: standard output.

    Raises:
        InputError: there is nothing to show.
    """
    out = console if console is not None else Console()
    several = any(row.kind == "subset" and row.scenario != "clean" for row in rows)
    if title:
        out.print(Text(title, style="bold"))
    for table in _tables(rows, metrics or _shown(rows), ["subset" if several else "relative"], _SCREEN):
        out.print(Text(table.title, style="bold"))
        out.print(rich_table(table))
    for sentence in _sentences(rows):
        out.print(Text(sentence, style="dim"))


def write_robustness(
    rows: Sequence[RobustnessRow], folder: str | Path, *, metrics: Sequence[str] | None = None, title: str = ""
) -> dict[str, Path]:
    """Write the four files, each of them atomically; all are rendered before the first one is written.

    Args:
        rows: of a robustness table.
        folder: created when missing; files of these names in it are replaced.
        metrics: of the areas in Markdown and LaTeX; :data:`SHOWN_METRICS` when ``None``.
        title: heading of the Markdown file.

    Returns:
        Name of each file to its path.

    Raises:
        InputError: there is no row, or the folder cannot be written.
    """
    markdown = [f"# {title}", ""] if title else []
    for table in _all_tables(rows, metrics, _MARKDOWN):
        markdown += [f"## {table.title}", "", *markdown_table(table), ""]
    markdown += [*(f"- {sentence}" for sentence in _sentences(rows)), ""]
    comments = "".join(f"% {sentence}\n" for sentence in _sentences(rows))
    # All are rendered before the first one is written: rows that cannot be written leave the old files alone.
    texts = {
        ROWS: json_text(rows),
        "rows.csv": csv_text(rows),
        "table.md": "\n".join(markdown),
        "table.tex": comments + "\n".join(map(latex_table, _all_tables(rows, metrics, _LATEX))),
    }
    return written(folder, texts)


def read_robustness(path: str | Path) -> list[RobustnessRow]:
    """Return the rows of a ``rows.json``.

    Raises:
        InputError: the file is missing or is not a robustness table.
    """
    return list(read_records(Path(path), RobustnessRow))


def value_text(row: RobustnessRow) -> str:
    """Return the mean and its standard deviation over seeds; of a single run, the value and interval over groups."""
    text = mean_text(row.row)
    if row.row.std is not None or row.row.mean_low is None or row.row.mean_high is None:
        return text
    digits = len(text.partition(".")[2])
    return f"{text} [{row.row.mean_low:.{digits}f}, {row.row.mean_high:.{digits}f}]"


def _all_tables(rows: Sequence[RobustnessRow], metrics: Sequence[str] | None, layout: _Layout) -> list[TextTable]:
    """Return subsets with every metric, then areas with the chosen ones or :data:`SHOWN_METRICS`, if there are any."""
    held, areas = metrics_of([row.row for row in rows]), metrics or _shown(rows)
    return [*_tables(rows, held, ["subset"], layout), *_tables(rows, areas, ["relative", "effective"], layout)]


def _shown(rows: Sequence[RobustnessRow]) -> list[str]:
    held = metrics_of([row.row for row in rows])
    return [name for name in SHOWN_METRICS if name in held] or held


def _tables(
    rows: Sequence[RobustnessRow], metrics: Sequence[str], kinds: Sequence[str], layout: _Layout
) -> Iterator[TextTable]:
    """Yield one table per metric, kind and corruption. Points of severity curves are in the long files only."""
    for metric in metrics_of([row.row for row in rows], metrics):
        for kind in kinds:
            chosen = [row for row in rows if row.kind == kind and row.row.metric == metric]
            for corruption in dict.fromkeys(row.corruption for row in chosen):
                yield _table([row for row in chosen if row.corruption == corruption], layout)


def _table(rows: Sequence[RobustnessRow], layout: _Layout) -> TextTable:
    first = rows[0]
    scenarios = tuple(dict.fromkeys(row.scenario for row in rows))
    arms: dict[tuple[str, str], dict[str, Cell]] = {}
    for row in rows:
        arms.setdefault((row.row.fusion, row.row.measure), {})[row.scenario] = layout.cell(row)
    under = f" under {first.corruption}" if first.corruption else ""
    lines = [
        [*map(Cell, layout.name(*arm)), *(own.get(name, Cell()) for name in scenarios)] for arm, own in arms.items()
    ]
    label = "-".join(filter(None, ("tab:robustness", first.row.metric, first.kind, first.corruption)))
    title = f"{first.row.metric} ({direction(first.row)}): {_TITLES[first.kind]}{under}"
    return TextTable((*layout.heads, *scenarios), lines, title, label)


def _file_cell(row: RobustnessRow) -> Cell:
    return Cell(value_text(row), difference_text(row.row), verdict(row.row))


def _screen_cell(row: RobustnessRow) -> Cell:
    difference = "\n".join(filter(None, (interval_text(row.row)[0], p_text(row.row))))
    return Cell(value_text(row).replace(" [", "\n["), difference, verdict(row.row))


def _sentences(rows: Sequence[RobustnessRow]) -> list[str]:
    places = [row.scenario if row.kind == "subset" else "" for row in rows]
    return [*notes([row.row for row in rows], places), _VALUES, _DIFFERENCES, _P_VALUES]


_SCREEN = _Layout(("model",), lambda fusion, measure: (f"{fusion}\n{measure}",), _screen_cell)
_MARKDOWN = _Layout(("fusion", "measure"), lambda fusion, measure: (fusion, measure), _file_cell)
_LATEX = _Layout(("",), lambda fusion, measure: (f"{fusion} {measure}",), _file_cell)
