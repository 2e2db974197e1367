"""A robustness table as files: ``rows.json`` and ``rows.csv`` (every row), ``table.md`` and ``table.tex`` (grids)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from comodal.atomic_write import write_text
from comodal.contracts import ComparisonRow, RobustnessRow
from comodal.contracts.records import json_text, read_records, robustness_row
from comodal.reports.latex import booktabs, escaped
from comodal.reports.robustness_grids import Grid, difference_text, grids, sentences, value_text
from comodal.reports.wide import verdict

__all__ = [
    "read_robustness",
    "robustness_csv",
    "robustness_latex",
    "robustness_markdown",
    "write_robustness",
]

ROWS = "rows.json"
AREA_METRICS = ("mae", "acc_2_pos")
"""Of the areas, Markdown and LaTeX show these; JSON and CSV hold all metrics."""


def robustness_csv(rows: Sequence[RobustnessRow]) -> str:
    """Comma-separated, a head line and one line a row; empty where a value does not exist."""
    own = [field.name for field in fields(RobustnessRow) if field.name != "row"]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*own, *(field.name for field in fields(ComparisonRow))], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = asdict(row)
        writer.writerow({**plain.pop("row"), **plain})
    return out.getvalue()


def robustness_markdown(rows: Sequence[RobustnessRow], *, title: str = "") -> str:
    """A table a grid; bold where the corrected p-value is below 0.05.

    Args:
        rows: of a robustness table.
        title: a heading above.

    Returns:
        Markdown, ending in a line feed.
    """
    text = [f"# {title}", ""] if title else []
    for grid in _grids(rows):
        heads = ["fusion", "measure", *grid.heads]
        text += [f"## {grid.title}", "", _line(heads), _line(["---"] * len(heads))]
        text += [_line([fusion, measure, *map(_markdown_cell, cells)]) for fusion, measure, cells in grid.lines]
        text += [""]
    return "\n".join([*text, *(f"- {sentence}" for sentence in sentences(rows)), ""])


def robustness_latex(rows: Sequence[RobustnessRow]) -> str:
    r"""A floating table a grid, for ``\usepackage{booktabs}``; bold where the corrected p-value is below 0.05.

    Returns:
        LaTeX, ending in a line feed; what must be known to read it stands above, as comments.
    """
    said = "".join(f"% {sentence}\n" for sentence in sentences(rows))
    return said + "\n".join(_latex_grid(grid) for grid in _grids(rows))


def write_robustness(rows: Sequence[RobustnessRow], folder: str | Path, *, title: str = "") -> dict[str, Path]:
    """Write all four files, each whole or not at all; everything is rendered before the first one is touched.

    Args:
        rows: of a robustness table.
        folder: made when it is not there; files of these names in it are replaced.
        title: heading of the Markdown file.

    Returns:
        Name of the file to its path.

    Raises:
        InputError: there is no row, or the folder cannot be written.
    """
    texts = {
        ROWS: json_text(rows),
        "rows.csv": robustness_csv(rows),
        "table.md": robustness_markdown(rows, title=title),
        "table.tex": robustness_latex(rows),
    }
    paths = {name: Path(folder) / name for name in texts}
    for name, text in texts.items():
        write_text(paths[name], text)
    return paths


def read_robustness(path: str | Path) -> list[RobustnessRow]:
    """The rows of a ``rows.json``.

    Raises:
        InputError: the file is missing or is no robustness table.
    """
    return list(read_records(Path(path), robustness_row))


def _grids(rows: Sequence[RobustnessRow]) -> list[Grid]:
    """Subsets with every metric, areas with those of :data:`AREA_METRICS` that the rows hold, or with all of them."""
    held = list(dict.fromkeys(row.row.metric for row in rows))
    areas = [name for name in AREA_METRICS if name in held] or held
    return [*grids(rows, held, kinds=["subset"]), *grids(rows, areas, kinds=["relative", "effective"])]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _markdown_cell(row: RobustnessRow | None) -> str:
    if row is None:
        return ""
    strong = "**" if verdict(row.row) else ""
    difference = difference_text(row)
    return value_text(row) + (f"<br>{strong}{difference}{strong}" if difference else "")


def _latex_grid(grid: Grid) -> str:
    lines: list[list[str]] = []
    for fusion, measure, cells in grid.lines:
        lines.append(
            [escaped(f"{fusion} {measure}"), *("" if cell is None else _latex(value_text(cell)) for cell in cells)]
        )
        if any(cell is not None and difference_text(cell) for cell in cells):
            lines.append(["", *map(_latex_difference, cells)])
        lines.append([])
    label = "-".join(part for part in ("tab:robustness", grid.metric, grid.kind, grid.corruption) if part)
    return booktabs(["", *grid.heads], lines[:-1], caption=grid.title, label=label)


def _latex_difference(row: RobustnessRow | None) -> str:
    if row is None or not (text := difference_text(row)):
        return ""
    strong = r"\bfseries " if verdict(row.row) else ""
    return rf"{{\footnotesize {strong}{_latex(text)}}}"


def _latex(text: str) -> str:
    """Numbers with a true minus sign."""
    return escaped(text).replace("-", "$-$")
