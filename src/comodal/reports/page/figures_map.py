"""Map of fused representations in the plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ExplanationTable
from comodal.reports.page.cards import Card
from comodal.reports.page.figures_explanation import explained_columns, labels_of
from comodal.reports.page.sample import chosen, per_explanation
from comodal.reports.page.theme import BETTER, NEUTRAL, WORSE, drawn, nth_style, plain_text, rounded

__all__ = ["map_card", "map_figure"]

# Neither end vanishes on a light or a dark page.
_SIGNED = [[0.0, WORSE], [0.5, "#ededed"], [1.0, BETTER]]
_AMOUNT = [[0.0, "#2f6fb5"], [0.5, "#a39a8c"], [1.0, "#e3b505"]]
_MOST_CLASSES = 16
_Rows = np.ndarray[Any, Any]


def map_card(explanations: Sequence[ExplanationTable]) -> Card | None:
    """Return one variant per explained run and colouring; ``None`` without a map."""
    own = [
        (label, table)
        for label, table in zip(labels_of(explanations), explanations, strict=True)
        if np.isfinite(table.map_x).any()
    ]
    if not own:
        return None
    limit = per_explanation(len(explanations))
    how = plain_text(str(own[0][1].facts.get("map", "a projection to two dimensions")))
    return Card(
        "map",
        "Map of fused representations",
        f"One point per sample, placed by {how} of its fused representation; click a point for its details.",
        "Distances in the full space: two dimensions keep only part of them, and the axes have no unit.",
        ("Model", "Coloured by"),
        {
            (label, colour): map_figure(table, colour, chosen(table, limit))
            for label, table in own
            for colour in _colourings(table)
        },
        explained_columns(own, ("map_x", "map_y", "dependency", "percentile"), limit),
    )


def map_figure(table: ExplanationTable, colour: str, kept: _Rows) -> go.Figure:
    """Return a scatter plot of the samples ``kept``, coloured by one quantity."""
    return drawn(
        _colourings(table)[colour](kept),
        height=520,
        dragmode="zoom",
        xaxis={"title": "first axis", "zeroline": False},
        yaxis={"title": "second axis", "zeroline": False},
    )


def _colourings(table: ExplanationTable) -> Mapping[str, Callable[[_Rows], list[go.Scatter]]]:
    """Return name to a function of the rows to draw: by target (each label or output), error and dependency."""
    found: dict[str, Callable[[_Rows], list[go.Scatter]]] = {}
    for part, (own, target, _) in table.task.parts(table.target, table.prediction).items():
        name = part or "target"
        if not own.classes:
            reach = float(np.max(np.abs(target), initial=0.0)) or 1.0
            found[name] = partial(_shaded, table, name, target, colorscale=_SIGNED, cmin=-reach, cmax=reach)
        elif len(own.classes) <= _MOST_CLASSES:
            found[name] = partial(_by_class, table, own.rows_by_class(target))
    found["error"] = partial(_shaded, table, "error", table.error, colorscale=_AMOUNT, cmin=0)
    if np.isfinite(table.percentile).any():
        name = "dependency percentile"
        found[name] = partial(_shaded, table, name, table.percentile, colorscale=_AMOUNT, cmin=0, cmax=100)
    return found


def _shaded(table: ExplanationTable, name: str, values: _Rows, kept: _Rows, **scale: Any) -> list[go.Scatter]:
    marker = {
        "color": rounded(values[kept], 4),
        "size": 8,
        "line": {"width": 1, "color": NEUTRAL},
        "colorbar": {"title": {"text": plain_text(name), "side": "right"}, "thickness": 12},
        **scale,
    }
    said = f"%{{text}}<br>{plain_text(name)} %{{marker.color:.3g}}<extra></extra>"
    return [_points(table, kept, marker=marker, hovertemplate=said, showlegend=False)]


def _by_class(table: ExplanationTable, rows: Mapping[str, _Rows], kept: _Rows) -> list[go.Scatter]:
    traces = []
    for place, (name, own) in enumerate(rows.items()):
        look, shown = nth_style(place), np.intersect1d(kept, own)
        marker = {"color": look.colour, "symbol": look.symbol, "size": 8}
        said = f"%{{text}}<br>{plain_text(name)}<extra></extra>"
        traces.append(_points(table, shown, marker=marker, hovertemplate=said, name=plain_text(name)))
    return traces


def _points(table: ExplanationTable, rows: _Rows, **options: Any) -> go.Scatter:
    return go.Scatter(
        x=rounded(table.map_x[rows], 4),
        y=rounded(table.map_y[rows], 4),
        mode="markers",
        text=[plain_text(str(name)) for name in table.id[rows]],
        customdata=[str(name) for name in table.id[rows]],
        **options,
    )
