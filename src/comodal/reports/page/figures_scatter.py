"""Scatter plots of predictions against targets, for tasks of several outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ArmPredictions, Task
from comodal.metrics import Array
from comodal.reports.page.cards import Card
from comodal.reports.page.figures_confusion import part_selector
from comodal.reports.page.theme import BETTER, NEUTRAL, drawn, faded, rounded

__all__ = ["scatter_card", "scatter_figure"]

_MOST = 1500


def scatter_card(task: Task, predictions: Sequence[ArmPredictions]) -> Card:
    """Return one variant per arm and output."""
    variants: dict[tuple[str, ...], go.Figure] = {}
    table: list[tuple[Any, ...]] = []
    for each in predictions:
        for part, (own, target, found) in task.parts(each.target, each.prediction[0]).items():
            kept = np.unique(np.linspace(0, len(target) - 1, _MOST).astype(int))
            key = (each.arm, part) if part else (each.arm,)
            variants[key] = scatter_figure(own, target[kept], found[kept])
            points = zip(rounded(target[kept]), rounded(found[kept]), strict=True)
            table += [(each.arm, part, *point) for point in points]
    names = ("model", task.noun, "target", "prediction")
    return Card(
        "scatter",
        "Predictions against targets",
        f"One point per test sample (at most {_MOST}, at even steps), by the run of the first seed; perfect "
        "predictions are on the dotted line. Both axes have the scale of the labels.",
        "The other seeds, and how many points lie on top of each other.",
        ("Model", *part_selector(task, predictions)),
        variants,
        {name: list(column) for name, column in zip(names, zip(*table, strict=True), strict=True)},
    )


def scatter_figure(task: Task, target: Array, prediction: Array) -> go.Figure:
    """Return the points of one output, on the range of its labels, or of the values where that is open."""
    low, high = _span(task, np.concatenate([target, prediction]))
    ends = {"range": [low, high], "zeroline": False}
    line = {"color": NEUTRAL, "dash": "dot", "width": 2}
    return drawn(
        [
            go.Scatter(x=[low, high], y=[low, high], mode="lines", line=line, hoverinfo="skip", showlegend=False),
            go.Scatter(
                x=rounded(target, 4),
                y=rounded(prediction, 4),
                mode="markers",
                marker={"size": 7, "color": faded(BETTER, 0.45), "line": {"width": 1, "color": BETTER}},
                hovertemplate="target %{x:.3g}, prediction %{y:.3g}<extra></extra>",
                showlegend=False,
            ),
        ],
        height=520,
        xaxis={**ends, "title": "target"},
        yaxis={**ends, "title": "prediction"},
    )


def _span(task: Task, values: Array) -> tuple[float, float]:
    """Return the range of the labels, widened to hold every value, with a margin."""
    ends = [end for end in task.label_range if math.isfinite(end)]
    low, high = min([*ends, *values.tolist()]), max([*ends, *values.tolist()])
    margin = 0.03 * (high - low) or 1.0
    return low - margin, high + margin
