"""A robustness table on the screen: one line an arm, one column a scenario."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from comodal.contracts import RobustnessRow
from comodal.reports.robustness_grids import Grid, grids, sentences, value_text
from comodal.reports.wide import interval_text, p_text, verdict

__all__ = ["SHOWN_METRICS", "print_robustness", "robustness_table"]

SHOWN_METRICS = ("mae", "acc_2_pos")
_STYLE = {"gain": "bold green", "harm": "bold red", "": ""}


def print_robustness(
    rows: Sequence[RobustnessRow],
    *,
    metrics: Sequence[str] = SHOWN_METRICS,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Print the subsets of modalities, or the relative areas where no subset but the clean one was asked for.

    Args:
        rows: of a robustness table.
        metrics: one grid each, as far as the rows hold them.
        title: a line above.
        console: where to; standard output by default.

    Raises:
        InputError: there is nothing to show.
    """
    out = console if console is not None else Console()
    several = any(row.kind == "subset" and row.scenario != "clean" for row in rows)
    if title:
        out.print(Text(title, style="bold"))
    for grid in grids(rows, metrics, kinds=["subset" if several else "relative"]):
        out.print(Text(grid.title, style="bold"))
        out.print(robustness_table(grid))
    for sentence in sentences(rows):
        out.print(Text(sentence, style="dim"))


def robustness_table(grid: Grid) -> Table:
    """A table for :meth:`rich.console.Console.print`: value, difference to no penalty, its p-value.

    >>> [column.header for column in robustness_table(Grid("mae", "subset", "", "", ("clean",), ())).columns]
    ['model', 'clean']
    """
    table = Table(box=box.SIMPLE_HEAD, show_lines=True, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("model", no_wrap=True)
    for head in grid.heads:
        table.add_column(head, no_wrap=True)
    for fusion, measure, cells in grid.lines:
        table.add_row(Text(f"{fusion}\n{measure}"), *map(_cell, cells))
    return table


def _cell(row: RobustnessRow | None) -> Text:
    if row is None:
        return Text("")
    value, _, interval = value_text(row).partition(" [")
    text = Text(f"{value}\n[{interval}" if interval else value)
    difference = "\n".join(part for part in (interval_text(row.row)[0], p_text(row.row)) if part)
    return text.append(f"\n{difference}", style=_STYLE[verdict(row.row)]) if difference else text
