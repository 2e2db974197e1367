"""A study of label budgets: one table of arms by budgets, and a chart of label efficiency."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from comodal.contracts import ComparisonRow, InputError
from comodal.reports.comparison_report import file_cell, screen_cell, write_summary
from comodal.reports.long_csv import written
from comodal.reports.number_text import direction, explanation, metrics_of, outcomes, primary_metric
from comodal.reports.page.render import LinkedPart, render_figures
from comodal.reports.text_table import Cell, TextTable, markdown_table, rich_table

if TYPE_CHECKING:  # plotly is an optional dependency
    from comodal.reports.page.cards import Card

__all__ = ["budget_table", "efficiency_cards", "print_budgets", "render_budgets", "write_budgets"]

_TABLE, _CHART = "label_efficiency.md", "label_efficiency.html"


def budget_table(
    rows: Sequence[ComparisonRow], metric: str, *, cell: Callable[[ComparisonRow], Cell] = file_cell
) -> TextTable:
    """Return one row per arm and one column per label budget, for one metric.

    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, 0.1, None, None, None, None, 4, 0, 1.0, labels=5)
    >>> budget_table([row], "mae").heads, [cell.text for cell in budget_table([row], "mae").rows[0]]
    (('model', '5 labels'), ['early/none', '0.800 ± 0.100'])
    """
    own = [row for row in rows if row.metric == metric]
    budgets = list(dict.fromkeys(row.labels for row in own))
    arms = {row.arm: {each.labels: each for each in own if each.arm == row.arm} for row in own}
    lines = [
        [Cell(name), *(cell(arms[name][each]) if each in arms[name] else Cell() for each in budgets)]
        for name in _in_order(own)
    ]
    title = f"{metric} ({direction(own[0])}) by label budget"
    return TextTable(("model", *(f"{each or 'all'} labels" for each in budgets)), lines, title)


def _in_order(rows: Sequence[ComparisonRow]) -> list[str]:
    """Return the arms of all budgets, one that only some have behind the arm that it follows there."""
    order: list[str] = []
    previous: ComparisonRow | None = None
    for row in rows:
        if row.arm not in order:
            follows = previous is not None and previous.labels == row.labels
            order.insert(order.index(previous.arm) + 1 if previous and follows else 0, row.arm)
        previous = row
    return order


def print_budgets(rows: Sequence[ComparisonRow], *, title: str = "", console: Console | None = None) -> None:
    """Print the table of the primary metric, and how to read it."""
    out = console if console is not None else Console()
    table = budget_table(rows, primary_metric(rows), cell=screen_cell)
    out.print(Text(": ".join(filter(None, (title, table.title))), style="bold"))
    out.print(rich_table(table))
    for sentence in _sentences(rows):
        out.print(Text(sentence, style="dim"))


def write_budgets(rows: Sequence[ComparisonRow], folder: str | Path, *, title: str = "") -> list[Path]:
    """Write the summary of all budgets, the tables of every metric, and the chart where plotly is installed."""
    paths = list(write_summary(rows, folder, title=title).values())
    lines = [f"# {title}", ""] if title else []
    for table in _tables(rows).values():
        lines += [f"## {table.title}", "", *markdown_table(table), ""]
    texts = {_TABLE: "\n".join([*lines, *(f"- {each}" for each in _sentences(rows)), ""])}
    with contextlib.suppress(ImportError):
        import jinja2  # noqa: F401, PLC0415
        import plotly  # noqa: F401, PLC0415

        texts[_CHART] = render_figures(efficiency_cards(rows), title=title, notes=_sentences(rows))
    return [*paths, *written(folder, texts).values()]


def efficiency_cards(rows: Sequence[ComparisonRow], fresh: Sequence[ComparisonRow] = ()) -> dict[str, Card]:
    """Return the chart of label efficiency with its tables; a second one of fresh seeds where there are any."""
    try:
        from comodal.reports.page.figures_labels import efficiency_card  # noqa: PLC0415 - needs plotly
    except ImportError as error:
        raise InputError.needs_extra("report", "figures of the report") from error
    cards = [efficiency_card(rows, _tables(rows))]
    if fresh:
        again = efficiency_card(fresh, _tables(fresh))
        cards.append(replace(again, name=f"{again.name}-fresh", title=f"{again.title} on fresh seeds"))
    return {card.name: card for card in cards}


def render_budgets(
    rows: Sequence[ComparisonRow],
    pages: Mapping[int, str],
    *,
    fresh: Sequence[ComparisonRow] = (),
    title: str = "",
) -> str:
    """Return the page of a study: charts and tables over budgets, then what each budget shows, with its own page.

    Args:
        rows: of all budgets.
        pages: label budget to the address of the page of its comparison.
        fresh: the same of fresh seeds.
        title: heading.
    """
    parts = [
        LinkedPart(
            f"{budget or 'All'} labels",
            outcomes([row for row in rows if row.labels == budget]) or ["No penalty was compared."],
            "Runs, predictions, robustness and explanations at this budget",
            page,
        )
        for budget, page in pages.items()
    ]
    return render_figures(efficiency_cards(rows, fresh), title=title, notes=_sentences(rows), parts=parts)


def _tables(rows: Sequence[ComparisonRow]) -> dict[str, TextTable]:
    return {metric: budget_table(rows, metric) for metric in metrics_of(rows)}


def _sentences(rows: Sequence[ComparisonRow]) -> list[str]:
    kept = (
        "A seed keeps the labels of so many training samples per class (of a task without classes: in all) and hides "
        "the others; the labels of a larger budget contain those of a smaller one."
    )
    return [*explanation(rows), kept]
