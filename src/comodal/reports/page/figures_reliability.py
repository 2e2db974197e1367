"""Reliability curves: whether a class that is predicted with 80 % confidence is right in 80 % of the cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ArmPredictions, Task
from comodal.metrics import Array, calibration_error, reliability
from comodal.reports.page.cards import Card
from comodal.reports.page.figures_confusion import part_selector
from comodal.reports.page.theme import NEUTRAL, Style, drawn, plain_text, rounded, styles

__all__ = ["Reliability", "mean_reliability", "reliability_card", "reliability_figure"]


class Reliability(NamedTuple):
    """Reliability of one arm: per bin of confidence, and its calibration error.

    Attributes:
        samples: ``(B,)`` per seed.
        confidence: ``(B,)`` mean over the samples of all seeds, NaN in an empty bin.
        right: ``(B,)`` share of right predictions.
        errors: ``(S,)`` calibration error of every seed.
    """

    samples: Array
    confidence: Array
    right: Array
    errors: Array


def reliability_card(task: Task, predictions: Sequence[ArmPredictions]) -> Card:
    """Return one variant per fusion model and label of several, with a line per measure."""
    found = {
        (each.fusion, part, each.measure): mean_reliability(target, seeds)
        for each in predictions
        for part, (_, target, seeds) in task.parts(each.target, each.prediction).items()
    }
    look = styles((fusion, measure) for fusion, _, measure in found)
    groups: dict[tuple[str, ...], dict[str, Reliability]] = {}
    table: list[tuple[Any, ...]] = []
    for (fusion, part, measure), own in found.items():
        groups.setdefault((fusion, part) if part else (fusion,), {})[measure] = own
        table += [(fusion, measure, part, *line) for line in _lines(own)]
    names = ("fusion", "measure", task.noun, "samples", "confidence", "right")
    columns = {name: list(column) for name, column in zip(names, zip(*table, strict=True), strict=True)}
    return Card(
        "reliability",
        "Reliability of the probabilities",
        "Share of right predictions against confidence, the probability of the predicted class, in 15 bins of all "
        "seeds together, and below it the samples per bin and seed. On the dotted line confidence is earned; below it "
        "the model is too sure. The calibration error is the mean distance from that line, mean ± standard deviation "
        "over seeds.",
        "Whether the predictions are good: a model that always gives the shares of the classes is calibrated. Bins of "
        "few samples are left to chance.",
        ("Fusion model", *part_selector(task, predictions)),
        {key: reliability_figure(own, {name: look[key[0], name] for name in own}) for key, own in groups.items()},
        columns,
    )


def mean_reliability(target: Array, prediction: Array) -> Reliability:
    """Return the reliability of one task of classes; ``prediction`` has one more axis in front for S seeds."""
    samples, confidence, right = reliability(np.tile(target, len(prediction)), np.concatenate(prediction))
    errors = np.array([calibration_error(target, each) for each in prediction])
    return Reliability(samples / len(prediction), confidence, right, errors)


def reliability_figure(own: dict[str, Reliability], look: dict[str, Style]) -> go.Figure:
    """Return one line per measure over the confidence, and its samples per bin below."""
    line = {"color": NEUTRAL, "dash": "dot", "width": 1}
    traces = [go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False)]
    for measure, found in own.items():
        traces += _traces(measure, found, look[measure])
    span = {"range": [-0.02, 1.02], "zeroline": False}
    return drawn(
        traces,
        height=560,
        xaxis={**span, "title": "confidence", "anchor": "y2"},
        yaxis={**span, "title": "share of right predictions", "domain": [0.34, 1.0]},
        yaxis2={"title": "samples", "domain": [0.0, 0.24], "rangemode": "tozero", "zeroline": False},
    )


def _traces(measure: str, found: Reliability, look: Style) -> Iterator[go.Scatter]:
    name = plain_text(measure)
    kept = found.samples > 0
    said = zip(found.confidence[kept], found.right[kept], found.samples[kept], strict=True)
    hover = [f"{name}: confidence {p:.2f}, right {r:.2f}, {n:.4g} samples" for p, r, n in said]
    spread = f" ± {found.errors.std(ddof=1):.3f}" if len(found.errors) > 1 else ""
    for values, axis in ((found.right, "y"), (found.samples, "y2")):
        yield go.Scatter(
            x=rounded(found.confidence[kept]),
            y=rounded(values[kept]),
            yaxis=axis,
            mode="lines+markers",
            line={"color": look.colour, "dash": look.dash, "width": 2},
            marker={"symbol": look.symbol, "size": 8},
            name=f"{name}: calibration error {found.errors.mean():.3f}{spread}",
            legendgroup=name,
            showlegend=axis == "y",
            hovertext=hover,
            hoverinfo="text",
        )


def _lines(own: Reliability) -> list[tuple[float | None, ...]]:
    columns = (rounded(values, 6) for values in own[:3])
    return [line for line in zip(*columns, strict=True) if line[0]]
