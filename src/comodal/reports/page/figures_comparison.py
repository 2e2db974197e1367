"""Forest plot: differences to the reference with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from comodal.contracts import ComparisonRow
from comodal.reports.number_text import direction, interval_text, metrics_of, p_text, verdict
from comodal.reports.page.cards import Card
from comodal.reports.page.theme import BETTER, NEUTRAL, WORSE, drawn, plain_text, rounded

__all__ = ["comparison_card", "forest", "interval_marks", "lines_axis"]

_COLOUR = {"gain": BETTER, "harm": WORSE, "": NEUTRAL}
_FILLED = {"gain": "", "harm": "", "": "-open"}
_SAID = {"gain": "significant gain", "harm": "significant harm", "": "not significant"}
_FIELDS = ("fusion", "measure", "weight", "metric", "mean", "std", "delta", "ci_low", "ci_high", "p_value", "n_seeds")


def comparison_card(rows: Sequence[ComparisonRow], replication: Sequence[ComparisonRow] = ()) -> Card | None:
    """Return the forest plots of all metrics; ``None`` when no row was compared."""
    compared = [row for row in rows if row.delta is not None]
    if not compared:
        return None
    metrics = metrics_of(compared)
    everything = [("first", row) for row in rows] + [("fresh", row) for row in replication]
    columns: dict[str, list[Any]] = {"seeds": [name for name, _ in everything]}
    columns |= {field: [getattr(row, field) for _, row in everything] for field in _FIELDS}
    return Card(
        "comparison",
        "Difference to the reference",
        "Mean paired difference of each arm to the same fusion model without a penalty (single-modality networks: to "
        "the fusion of all modalities), with its 95 % interval; filled marks are significant after Holm's correction "
        "over the arms of the metric.",
        "Corrected intervals: they hold for one comparison each, so an interval may exclude zero without the "
        "difference being significant.",
        ("Metric",),
        {(metric,): forest(metric, compared, replication) for metric in metrics},
        columns,
    )


def forest(metric: str, rows: Sequence[ComparisonRow], replication: Sequence[ComparisonRow] = ()) -> go.Figure:
    """Return one line per arm: its difference and interval, with the replication below."""
    shown = [row for row in rows if row.metric == metric and row.delta is not None]
    fresh = [row for row in replication if row.metric == metric and row.delta is not None]
    labels = list(dict.fromkeys(row.arm for row in [*shown, *fresh]))
    gap = 0.17 if fresh else 0.0
    traces = _marks(shown, labels, symbol="circle", offset=-gap, prefix="first seeds: " if fresh else "")
    traces += _marks(fresh, labels, symbol="square", offset=gap, prefix="fresh seeds: ")
    ends = [end for row in [*shown, *fresh] for end in (row.ci_low, row.ci_high, row.delta) if end is not None]
    reach = 1.1 * max((abs(end) for end in ends), default=1.0) or 1.0
    return drawn(
        traces,
        height=150 + (52 if fresh else 34) * len(labels),
        xaxis={
            "title": f"difference in {metric}<br>({direction(shown[0])})",
            "range": [-reach, reach],
            "zeroline": True,
        },
        yaxis=lines_axis(labels),
    )


def _marks(
    rows: Sequence[ComparisonRow], labels: Sequence[str], *, symbol: str, offset: float, prefix: str
) -> list[go.Scatter]:
    traces = []
    for kind, said in _SAID.items():
        chosen = [row for row in rows if verdict(row) == kind]
        if chosen:
            traces.append(
                interval_marks(
                    [
                        (row.delta or 0.0, row.ci_low or row.delta or 0.0, row.ci_high or row.delta or 0.0)
                        for row in chosen
                    ],
                    [labels.index(row.arm) + offset for row in chosen],
                    {"symbol": symbol + _FILLED[kind], "size": 11, "color": _COLOUR[kind], "line": {"width": 2}},
                    name=prefix + said,
                    hover=[_hover(row) for row in chosen],
                )
            )
    return traces


def interval_marks(
    intervals: Sequence[tuple[float, float, float]],
    heights: Sequence[float],
    marker: dict[str, Any],
    *,
    name: str,
    hover: Sequence[str],
) -> go.Scatter:
    """Return marks of values with their intervals: value, lower and upper end of each."""
    return go.Scatter(
        x=rounded(value for value, _, _ in intervals),
        y=list(heights),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": rounded(high - value for value, _, high in intervals),
            "arrayminus": rounded(value - low for value, low, _ in intervals),
            "color": marker["color"],
        },
        mode="markers",
        marker=marker,
        name=name,
        hovertext=list(hover),
        hoverinfo="text",
    )


def lines_axis(labels: Sequence[str]) -> dict[str, Any]:
    """Return the vertical axis of a forest plot, the first label on top."""
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": [plain_text(label) for label in labels],
        "range": [len(labels) - 0.4, -0.6],
        "zeroline": False,
    }


def _hover(row: ComparisonRow) -> str:
    delta, interval = interval_text(row)
    return plain_text(f"{row.arm}: {delta} {interval} {p_text(row)}")
