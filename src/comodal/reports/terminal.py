"""A comparison on the screen, readable at 120 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from comodal.contracts import ComparisonRow
from comodal.reports.wide import (
    PRIMARY_METRICS,
    Line,
    direction,
    explanation,
    interval_text,
    lines,
    mean_text,
    metrics_of,
    p_text,
    verdict,
)

__all__ = ["print_comparison", "terminal_table"]

_STYLE = {"gain": "bold green", "harm": "bold red", "": ""}


def terminal_table(rows: Sequence[ComparisonRow], *, metrics: Sequence[str] | None = None) -> Table:
    r"""One entry for each fusion x measure, the metrics as columns.

    Args:
        rows: of a comparison.
        metrics: columns; four fit 120 characters. By default those of ``PRIMARY_METRICS`` that the rows hold, or
            the first four metrics when they hold none of them.

    Returns:
        A table for :meth:`rich.console.Console.print`.

    Raises:
        InputError: there is nothing to show.

    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, 0.1, None, None, None, None, 4, 0, 1.0, better="lower")
    >>> [column.header for column in terminal_table([row]).columns]
    ['model', 'mae\nlower is better', 'runs']
    """
    held = metrics_of(rows)
    primary = [name for name in PRIMARY_METRICS if name in held]
    shown = metrics_of(rows, metrics if metrics is not None else primary or held[:4])
    first = {row.metric: row for row in reversed(rows)}
    table = Table(box=box.SIMPLE_HEAD, show_lines=True, padding=(0, 1), pad_edge=False)
    table.add_column("model")
    for name in shown:
        table.add_column(f"{name}\n{direction(first[name])}", no_wrap=True)
    table.add_column("runs", no_wrap=True)
    for line in lines(rows):
        table.add_row(_name(line), *[_cell(line.cells.get(name)) for name in shown], _runs(line.any_cell))
    return table


def print_comparison(
    rows: Sequence[ComparisonRow],
    *,
    metrics: Sequence[str] | None = None,
    title: str = "",
    console: Console | None = None,
) -> None:
    """Print the table and what must be known to read it.

    Args:
        rows: of a comparison.
        metrics: columns, as in :func:`terminal_table`.
        title: a line above, for example the data set.
        console: where to; standard output by default.

    Raises:
        InputError: there is nothing to show.
    """
    out = console if console is not None else Console()
    table = terminal_table(rows, metrics=metrics)
    if title:
        out.print(Text(title, style="bold"))
    out.print(table)
    for sentence in explanation(rows):
        out.print(Text(sentence, style="dim"))


def _name(line: Line) -> Text:
    penalty = f"{line.measure}\nweight {line.weight:g}" if line.weight else line.measure
    return Text(f"{line.fusion}\n{penalty}")


def _cell(row: ComparisonRow | None) -> Text:
    if row is None:
        return Text("")
    delta, interval = interval_text(row)
    text = Text(mean_text(row))
    for part in (f"{delta} {p_text(row)}".strip(), interval):
        if part:
            text.append(f"\n{part}", style=_STYLE[verdict(row)])
    return text


def _runs(row: ComparisonRow) -> Text:
    text = Text(f"{row.n_seeds} seed{'s' if row.n_seeds != 1 else ''}\n")
    text.append(f"{row.collapsed} collapsed", style="bold red" if row.collapsed else "")
    return text.append(f"\n{row.seconds:.1f} s each")
