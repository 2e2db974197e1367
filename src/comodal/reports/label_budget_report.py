"""A study of label budgets: one table of arms by budgets, and a chart of label efficiency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from comodal.contracts import ComparisonRow
from comodal.reports.comparison_report import file_cell, screen_cell, write_summary
from comodal.reports.long_csv import written
from comodal.reports.number_text import direction, explanation, metrics_of, primary_metric
from comodal.reports.page.render import render_figures
from comodal.reports.text_table import Cell, TextTable, markdown_table, rich_table

__all__ = ["budget_table", "print_budgets", "write_budgets"]

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
    arms: dict[str, dict[int | None, ComparisonRow]] = {}
    for row in own:
        arms.setdefault(row.arm, {})[row.labels] = row
    lines = [
        [Cell(name), *(cell(cells[each]) if each in cells else Cell() for each in budgets)]
        for name, cells in arms.items()
    ]
    title = f"{metric} ({direction(own[0])}) by label budget"
    return TextTable(("model", *(f"{each or 'all'} labels" for each in budgets)), lines, title)


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
    tables = {metric: budget_table(rows, metric) for metric in metrics_of(rows)}
    for table in tables.values():
        lines += [f"## {table.title}", "", *markdown_table(table), ""]
    texts = {_TABLE: "\n".join([*lines, *(f"- {each}" for each in _sentences(rows)), ""])}
    try:
        import jinja2  # noqa: F401, PLC0415

        from comodal.reports.page.figures_labels import efficiency_card  # noqa: PLC0415 - needs plotly
    except ImportError:
        pass
    else:
        card = efficiency_card(rows, tables)
        texts[_CHART] = render_figures({card.name: card}, title=title, notes=_sentences(rows))
    return [*paths, *written(folder, texts).values()]


def _sentences(rows: Sequence[ComparisonRow]) -> list[str]:
    kept = (
        "A seed keeps the labels of so many training samples per class (of a task without classes: in all) and hides "
        "the others; the labels of a larger budget contain those of a smaller one."
    )
    return [kept, *explanation(rows)]
