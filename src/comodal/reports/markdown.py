"""A comparison as a Markdown table with every metric."""

from __future__ import annotations

from collections.abc import Sequence

from comodal.contracts import ComparisonRow
from comodal.reports.wide import (
    direction,
    explanation,
    interval_text,
    lines,
    mean_text,
    metrics_of,
    p_text,
    verdict,
)

__all__ = ["markdown_table"]


def markdown_table(rows: Sequence[ComparisonRow], *, metrics: Sequence[str] | None = None, title: str = "") -> str:
    """One line for each fusion x measure, the metrics as columns; bold where the corrected p-value is below 0.05.

    Args:
        rows: of a comparison.
        metrics: columns; every metric of the rows by default.
        title: a heading above.

    Returns:
        Markdown, ending in a line feed.

    Raises:
        InputError: there is nothing to show.

    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, 0.1, None, None, None, None, 4, 0, 1.0, better="lower")
    >>> print(markdown_table([row]).splitlines()[2])
    | early | none | 0 | 0.800 ± 0.100 | 4 | 0 | 1.0 |
    """
    arms, shown = lines(rows), metrics_of(rows, metrics)
    first = {row.metric: row for row in reversed(rows)}
    head = [f"{name} ({direction(first[name])})" for name in shown]
    columns = ["fusion", "measure", "weight", *head, "seeds", "collapsed", "seconds a run"]
    text = [f"## {title}", ""] if title else []
    text += [_line(columns), _line(["---"] * len(columns))]
    for arm in arms:
        cells = [_cell(arm.cells.get(name)) for name in shown]
        row = arm.any_cell
        runs = [str(row.n_seeds), str(row.collapsed), f"{row.seconds:.1f}"]
        text.append(_line([arm.fusion, arm.measure, f"{arm.weight:g}", *cells, *runs]))
    return "\n".join([*text, "", *[f"- {sentence}" for sentence in explanation(rows)], ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(row: ComparisonRow | None) -> str:
    if row is None:
        return ""
    delta, interval = interval_text(row)
    compared = " ".join(part for part in (delta, interval, p_text(row)) if part)
    strong = "**" if verdict(row) else ""
    return mean_text(row) + (f"<br>{strong}{compared}{strong}" if compared else "")
