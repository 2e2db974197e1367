"""Pointwise dependency by class, and the map of fused representations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ExplanationTable
from comodal.reports.page.cards import Card
from comodal.reports.page.sample import chosen, per_explanation
from comodal.reports.page.theme import BETTER, NEUTRAL, WORSE, drawn, faded, plain_text, rounded

__all__ = ["dependency_axis", "dependency_figure", "distribution_card", "labels_of", "map_card", "map_figure"]

_CLASSES = {"negative": -1.0, "neutral": 0.0, "positive": 1.0}
_COLOUR = {"negative": WORSE, "neutral": NEUTRAL, "positive": BETTER}
# Neither end vanishes on a light or a dark page.
_SIGNED = [[0.0, WORSE], [0.5, "#ededed"], [1.0, BETTER]]
_AMOUNT = [[0.0, "#2f6fb5"], [0.5, "#a39a8c"], [1.0, "#e3b505"]]
_QUANTILES = 200
_MAP_COLOURS = ("sentiment", "absolute error", "dependency percentile")


def labels_of(explanations: Sequence[ExplanationTable]) -> list[str]:
    """Return a distinct label for each explained run."""
    names: list[str] = []
    for table in explanations:
        facts = table.facts
        name = f"{facts.get('fusion', 'model')}/{facts.get('measure', '?')}"
        name += f", seed {facts['seed']}" if "seed" in facts else ""
        names.append(f"{name} ({len(names) + 1})" if name in names else name)
    return names


def dependency_axis(table: ExplanationTable) -> str:
    """Return the label of the axis of pointwise dependency, with its unit.

    >>> import numpy as np
    >>> n = np.zeros(1)
    >>> dependency_axis(ExplanationTable(n, n, n, n, n, n, n, n, n, {}, {}, {"unit": "rank"}))
    'critic score (only its order has a meaning)'
    """
    if table.facts.get("unit") == "rank":
        return "critic score (only its order has a meaning)"
    return f"pointwise dependency ({table.facts.get('unit', 'unit unknown')})"


def distribution_card(explanations: Sequence[ExplanationTable]) -> Card | None:
    """Return one variant per explained run; ``None`` when none has a critic."""
    own = [
        (label, table)
        for label, table in zip(labels_of(explanations), explanations, strict=True)
        if np.isfinite(table.dependency).any()
    ]
    if not own:
        return None
    return Card(
        "dependency",
        "Pointwise dependency by sentiment",
        "How strongly the critic finds the modalities of a sample to belong together, for samples with a "
        "negative, neutral and positive label; low means that they disagree.",
        "Whether the critic is reliable: see the validation on broken pairs below.",
        ("Model",),
        {(label,): dependency_figure(table) for label, table in own},
        _columns(own, ("id", "target", "dependency", "percentile"), per_explanation(len(explanations))),
    )


def dependency_figure(table: ExplanationTable) -> go.Figure:
    """Return a violin with a box per class, drawn from evenly spaced quantiles of large classes."""
    traces = []
    for name, sign in _CLASSES.items():
        values = table.dependency[(np.sign(table.target) == sign) & np.isfinite(table.dependency)]
        if len(values):
            traces.append(
                go.Violin(
                    y=rounded(_representatives(values)),
                    name=f"{name}<br>({len(values)})",
                    line={"color": _COLOUR[name]},
                    fillcolor=faded(_COLOUR[name], 0.2),
                    box={"visible": True},
                    meanline={"visible": True},
                    points=False,
                    spanmode="hard",
                    hoverinfo="y",
                    showlegend=False,
                )
            )
    return drawn(
        traces,
        xaxis={"title": "label (number of samples)"},
        yaxis={"title": dependency_axis(table), "zeroline": False},
    )


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
    names = ("id", "map_x", "map_y", "target", "prediction", "dependency", "percentile")
    return Card(
        "map",
        "Map of fused representations",
        f"One point per sample, placed by {how} of its fused representation; click a point for its details.",
        "Distances in the full space: two dimensions keep only part of them, and the axes have no unit.",
        ("Model", "Coloured by"),
        {
            (label, colour): map_figure(table, colour, chosen(table, limit))
            for label, table in own
            for colour in _MAP_COLOURS
            if colour != "dependency percentile" or np.isfinite(table.percentile).any()
        },
        _columns(own, names, limit),
    )


def map_figure(table: ExplanationTable, colour: str, kept: np.ndarray[Any, Any]) -> go.Figure:
    """Return a scatter plot of the samples ``kept``, coloured by one quantity."""
    values, look = _colouring(table, colour)
    trace = go.Scatter(
        x=rounded(table.map_x[kept], 4),
        y=rounded(table.map_y[kept], 4),
        mode="markers",
        marker={
            "color": rounded(values[kept], 4),
            "size": 8,
            "line": {"width": 1, "color": NEUTRAL},
            "colorbar": {"title": {"text": colour, "side": "right"}, "thickness": 12},
            **look,
        },
        text=[plain_text(str(name)) for name in table.id[kept]],
        customdata=[str(name) for name in table.id[kept]],
        hovertemplate=f"%{{text}}<br>{colour} %{{marker.color:.3g}}<extra></extra>",
        showlegend=False,
    )
    return drawn(
        [trace],
        height=520,
        dragmode="zoom",
        xaxis={"title": "first axis", "zeroline": False},
        yaxis={"title": "second axis", "zeroline": False},
    )


def _colouring(table: ExplanationTable, colour: str) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    if colour == "sentiment":
        reach = float(np.max(np.abs(table.target), initial=0.0)) or 1.0
        return table.target, {"colorscale": _SIGNED, "cmin": -reach, "cmax": reach}
    if colour == "absolute error":
        return np.abs(table.prediction - table.target), {"colorscale": _AMOUNT, "cmin": 0}
    return table.percentile, {"colorscale": _AMOUNT, "cmin": 0, "cmax": 100}


def _representatives(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if len(values) <= _QUANTILES:
        return values
    found: np.ndarray[Any, Any] = np.quantile(values, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return found


def _columns(
    named: Sequence[tuple[str, ExplanationTable]], names: Sequence[str], limit: int
) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = {"model": [], **{name: [] for name in names}}
    for label, table in named:
        kept = chosen(table, limit)
        found["model"] += [label] * len(kept)
        for name in names:
            column = getattr(table, name)[kept]
            found[name] += [str(value) for value in column] if name == "id" else rounded(column)
    return found
