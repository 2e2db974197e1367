"""A table of text, and its forms for a screen, for Markdown and for LaTeX; the page's template is its form in HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

__all__ = ["Cell", "TextTable", "latex_escaped", "latex_table", "markdown_table", "rich_table"]

_STYLE = {"gain": "bold green", "harm": "bold red", "": ""}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"$<$",
    ">": r"$>$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


class Cell(NamedTuple):
    """One cell.

    Attributes:
        text: the value, in several lines where it holds line feeds.
        second: a second value below it, such as a difference; empty without one.
        mark: ``"gain"`` or ``"harm"`` emphasises the second value; empty for neither.
    """

    text: str = ""
    second: str = ""
    mark: str = ""


@dataclass(frozen=True)
class TextTable:
    r"""Columns and rows of cells.

    Attributes:
        heads: of the columns.
        rows: each with one cell per column.
        title: what the table shows.
        label: for ``\ref`` in LaTeX.
    """

    heads: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    label: str = ""


def rich_table(table: TextTable) -> RichTable:
    """Return a table for :meth:`rich.console.Console.print`; text is never read as markup."""
    found = RichTable(box=box.SIMPLE_HEAD, show_lines=True, padding=(0, 1, 0, 0), pad_edge=False)
    for head in table.heads:
        found.add_column(head, no_wrap=True)
    for row in table.rows:
        found.add_row(*(Text(c.text).append(f"\n{c.second}" if c.second else "", _STYLE[c.mark]) for c in row))
    return found


def markdown_table(table: TextTable) -> list[str]:
    r"""Return the lines of a Markdown table; a marked value is bold."""
    cells = [list(table.heads), ["---"] * len(table.heads), *(list(map(_markdown_cell, row)) for row in table.rows)]
    return ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in cells]


def latex_table(table: TextTable) -> str:
    r"""Return a floating table in the style of the booktabs package; second values stand in small print below."""
    lines = [line for row in table.rows for line in (*_latex_lines(row), r"\addlinespace")]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escaped(table.title)}}}\label{{{table.label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}",
            r"\toprule",
            " & ".join(map(latex_escaped, table.heads)) + r" \\",
            r"\midrule",
            *lines[:-1],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex_escaped(text: str) -> str:
    r"""Return text that LaTeX sets as it stands."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def _markdown_cell(cell: Cell) -> str:
    strong = "**" if cell.mark else ""
    return cell.text + (f"<br>{strong}{cell.second}{strong}" if cell.second else "")


def _latex_lines(row: Sequence[Cell]) -> list[str]:
    lines = [[latex_escaped(row[0].text), *(_latex_number(cell.text) for cell in row[1:])]]
    if any(cell.second for cell in row):
        lines.append([_latex_second(cell) for cell in row])
    return [" & ".join(line) + r" \\" for line in lines]


def _latex_second(cell: Cell) -> str:
    strong = r"\bfseries " if cell.mark else ""
    return rf"{{\footnotesize {strong}{_latex_number(cell.second)}}}" if cell.second else ""


def _latex_number(text: str) -> str:
    """Return escaped text with a true minus sign."""
    return latex_escaped(text).replace("-", "$-$")
