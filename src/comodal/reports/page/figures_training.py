"""Training curves: mean and spread over seeds and partitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import TrainingCurve
from comodal.reports.page.cards import Card
from comodal.reports.page.theme import Style, drawn, faded, plain_text, rounded, styles

__all__ = ["mean_curve", "training_card", "training_figure"]

_NOT_A_QUANTITY = "epoch"
_FEW_EPOCHS = 12


def training_card(curves: Sequence[TrainingCurve]) -> Card | None:
    """Return one variant per fusion model and logged quantity; ``None`` without curves."""
    logged = dict.fromkeys(name for curve in curves for name in curve.values if name != _NOT_A_QUANTITY)
    quantities = sorted(logged, key=lambda name: not name.startswith("valid"))  # what selects the epoch comes first
    found = styles((curve.fusion, curve.measure) for curve in curves)
    variants: dict[tuple[str, ...], go.Figure] = {}
    table: list[tuple[Any, ...]] = []
    for fusion in dict.fromkeys(curve.fusion for curve in curves):
        for quantity in quantities:
            own = [curve for curve in curves if curve.fusion == fusion and curve.values.get(quantity)]
            if own:
                variants[fusion, quantity] = training_figure(own, quantity, found)
                table += [line for measure in _measures(own) for line in _lines(own, fusion, measure, quantity)]
    if not variants:
        return None
    names = ("fusion", "measure", "quantity", "epoch", "mean", "std", "fits")
    return Card(
        "training",
        "Training curves",
        "Logged values by epoch: mean over the fits (seeds and partitions) with a band of one standard deviation; the "
        "mark is the median of the epochs that validation selected.",
        "Test results: low training loss does not imply them. A line averages the fits that still train and ends where "
        "fewer than half do.",
        ("Fusion model", "Quantity"),
        variants,
        {name: list(column) for name, column in zip(names, zip(*table, strict=True), strict=True)},
    )


def mean_curve(series: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and number of series at every epoch that at least half of them reach."""
    longest = max(len(values) for values in series)
    padded = np.full((len(series), longest), np.nan)
    for row, values in enumerate(series):
        padded[row, : len(values)] = values
    fits = np.isfinite(padded).sum(axis=0)
    kept = padded[:, (fits > 0) & (2 * fits >= len(series))]
    return np.nanmean(kept, axis=0), np.nanstd(kept, axis=0), np.isfinite(kept).sum(axis=0)


def training_figure(
    curves: Sequence[TrainingCurve], quantity: str, style: dict[tuple[str, str], Style] | None = None
) -> go.Figure:
    """Return one line per measure for the curves of one fusion model."""
    found = style or styles((curve.fusion, curve.measure) for curve in curves)
    traces = []
    for measure in _measures(curves):
        own = [curve for curve in curves if curve.measure == measure]
        traces += _traces(own, quantity, found[own[0].fusion, measure])
    epochs: dict[str, Any] = {"title": "epoch", "zeroline": False, "tickformat": "d"}
    if max(len(trace.x) for trace in traces) <= _FEW_EPOCHS:  # no tick between two epochs
        epochs["dtick"] = 1
    return drawn(traces, xaxis=epochs, yaxis={"title": quantity, "zeroline": False})


def _traces(curves: Sequence[TrainingCurve], quantity: str, style: Style) -> list[go.Scatter]:
    mean, std, fits = mean_curve([curve.values[quantity] for curve in curves])
    epochs = list(range(1, len(mean) + 1))
    name = plain_text(curves[0].measure)
    best = min(round(float(np.median([curve.best_epoch for curve in curves]))), len(mean) - 1)
    line = go.Scatter(
        x=epochs,
        y=rounded(mean),
        mode="lines+markers",
        line={"color": style.colour, "width": 2},
        marker={"symbol": style.symbol, "size": [12 if epoch == best + 1 else 0.1 for epoch in epochs]},
        name=name,
        legendgroup=name,
        hovertext=[
            f"{name}, epoch {e}: {m:.4g} ± {s:.2g} ({n} fits)"
            for e, m, s, n in zip(epochs, mean, std, fits, strict=True)
        ],
        hoverinfo="text",
    )
    if len(curves) == 1:
        return [line]
    band = go.Scatter(
        x=epochs + epochs[::-1],
        y=rounded([*(mean + std), *(mean - std)[::-1]]),
        fill="toself",
        fillcolor=faded(style.colour, 0.15),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )
    return [band, line]


def _measures(curves: Sequence[TrainingCurve]) -> list[str]:
    return list(dict.fromkeys(curve.measure for curve in curves))


def _lines(
    curves: Sequence[TrainingCurve], fusion: str, measure: str, quantity: str
) -> list[tuple[str, str, str, int, float | None, float | None, int]]:
    mean, std, fits = mean_curve([curve.values[quantity] for curve in curves if curve.measure == measure])
    values = zip(rounded(mean), rounded(std), fits.tolist(), strict=True)
    return [(fusion, measure, quantity, epoch, *cells) for epoch, cells in enumerate(values, start=1)]
