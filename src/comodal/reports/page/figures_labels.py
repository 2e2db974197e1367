"""Label efficiency: a metric over the label budget, one line per arm, with the interval of its mean."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from comodal.contracts import ComparisonRow
from comodal.reports.number_text import direction, mean_text
from comodal.reports.page.theme import drawn, faded, plain_text, rounded, styles, template

__all__ = ["chart_page", "efficiency_figure"]


def efficiency_figure(rows: Sequence[ComparisonRow]) -> go.Figure:
    """Return the lines of all arms for the rows of one metric; the band is the 95 % interval of the mean."""
    budgets = [f"{each or 'all'}" for each in dict.fromkeys(row.labels for row in rows)]
    traces = []
    for (fusion, measure), look in styles((row.fusion, row.measure) for row in rows).items():
        own = [row for row in rows if (row.fusion, row.measure) == (fusion, measure)]
        traces.append(
            go.Scatter(
                x=[f"{row.labels or 'all'}" for row in own],
                y=rounded(row.mean for row in own),
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": rounded(row.mean_high - row.mean if row.mean_high is not None else None for row in own),
                    "arrayminus": rounded(row.mean - row.mean_low if row.mean_low is not None else None for row in own),
                    "color": faded(look.colour, 0.5),
                },
                mode="lines+markers",
                line={"color": look.colour, "dash": look.dash, "width": 2},
                marker={"symbol": look.symbol, "size": 8},
                name=plain_text(f"{fusion}/{measure}"),
                hovertext=[
                    plain_text(f"{fusion}/{measure}, {row.labels or 'all'} labels: {mean_text(row)}") for row in own
                ],
                hoverinfo="text",
            )
        )
    return drawn(
        traces,
        height=460,
        xaxis={"title": "labels per class", "type": "category", "categoryorder": "array", "categoryarray": budgets},
        yaxis={"title": f"{rows[0].metric} ({direction(rows[0])})", "zeroline": False},
    )


def chart_page(rows: Sequence[ComparisonRow], *, title: str, first: str) -> str:
    """Return a page of one chart per metric, the primary one first, that needs no network."""
    names = sorted(dict.fromkeys(row.metric for row in rows), key=lambda name: name != first)
    parts = []
    for k, name in enumerate(names):
        figure = efficiency_figure([row for row in rows if row.metric == name])
        figure.update_layout(template=template(dark=False))
        parts.append(figure.to_html(full_html=False, include_plotlyjs=k == 0))
    name = escape(title)
    head = f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{name}</title></head>"
    return f"{head}<body><h1>{name}</h1>{''.join(parts)}</body></html>\n"
