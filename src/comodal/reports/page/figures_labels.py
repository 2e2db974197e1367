"""Label efficiency: a metric over the label budget, one line per arm, with the interval of its mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from comodal.contracts import ComparisonRow
from comodal.reports.number_text import direction, mean_text
from comodal.reports.page.cards import Card
from comodal.reports.page.theme import drawn, plain_text, rounded, styles
from comodal.reports.text_table import TextTable

__all__ = ["efficiency_card", "efficiency_figure"]

_FIELDS = ("labels", "fusion", "measure", "metric", "mean", "mean_low", "mean_high", "delta", "p_value", "n_seeds")
_FLOOR = "constant"
_SPREAD = 0.3


def efficiency_card(rows: Sequence[ComparisonRow], tables: Mapping[str, TextTable]) -> Card:
    """Return one variant per metric, in the order of their tables, which stand below."""
    return Card(
        "efficiency",
        "Label efficiency",
        "The metric of every arm by the labels that it sees (of classes: per class), mean over seeds with its 95 % "
        "interval over seeds and groups. Marks of one budget stand side by side.",
        "Which differences are significant: arms are compared in pairs, in the table. The constant predictor is "
        "hidden at first; click its name to see it.",
        ("Metric",),
        {(name,): efficiency_figure([row for row in rows if row.metric == name]) for name in tables},
        {field: [getattr(row, field) for row in rows] for field in _FIELDS},
        tables,
    )


def efficiency_figure(rows: Sequence[ComparisonRow]) -> go.Figure:
    """Return the lines of all arms for the rows of one metric."""
    budgets = list(dict.fromkeys(row.labels for row in rows))
    look = styles((row.fusion, row.measure) for row in rows)
    traces = []
    for rank, arm in enumerate(look):
        own = [row for row in rows if (row.fusion, row.measure) == arm]
        aside = _SPREAD * (rank - (len(look) - 1) / 2) / len(look)
        traces.append(
            go.Scatter(
                x=[round(budgets.index(row.labels) + aside, 4) for row in own],
                y=rounded(row.mean for row in own),
                error_y={**_interval(own), "color": look[arm].colour, "thickness": 1.2},
                mode="lines+markers",
                line={"color": look[arm].colour, "dash": look[arm].dash, "width": 2},
                marker={"symbol": look[arm].symbol, "size": 9},
                visible="legendonly" if arm[0] == _FLOOR else True,
                name=plain_text("/".join(arm)),
                hovertext=[
                    plain_text(f"{'/'.join(arm)}, {row.labels or 'all'} labels: {mean_text(row)}") for row in own
                ],
                hoverinfo="text",
            )
        )
    return drawn(
        traces,
        height=480,
        xaxis={
            "title": "labels",
            "tickvals": list(range(len(budgets))),
            "ticktext": [f"{each or 'all'}" for each in budgets],
            "range": [-0.5, len(budgets) - 0.5],
            "zeroline": False,
        },
        yaxis={"title": f"{rows[0].metric} ({direction(rows[0])})", "zeroline": False},
    )


def _interval(rows: Sequence[ComparisonRow]) -> dict[str, Any]:
    up = [None if row.mean_high is None else row.mean_high - row.mean for row in rows]
    down = [None if row.mean_low is None else row.mean - row.mean_low for row in rows]
    return {"type": "data", "symmetric": False, "array": rounded(up), "arrayminus": rounded(down)}
