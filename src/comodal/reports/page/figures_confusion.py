"""Confusion matrices: which classes are taken for which.

Axis legend: K classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ArmPredictions, Task
from comodal.metrics import Array, confusion_matrix
from comodal.reports.page.cards import Card
from comodal.reports.page.theme import LIGHT_TO_BLUE, drawn, plain_text, rounded
from comodal.reports.text_table import Cell, TextTable

__all__ = ["confusion_card", "confusion_figure", "part_selector"]

_SHARE, _SAMPLES = "row shares, %", "samples"
_WITH_NUMBERS, _LABELLED, _LONGEST = 14, 30, 18
_PAIRS = 15
_Matrix = tuple[str, str, tuple[str, ...], Array]


def confusion_card(task: Task, predictions: Sequence[ArmPredictions]) -> Card:
    """Return one variant per arm, label of several, and unit of the cells."""
    variants: dict[tuple[str, ...], go.Figure] = {}
    table: list[tuple[Any, ...]] = []
    matrices = list(_matrices(task, predictions))
    for arm, part, classes, counts in matrices:
        for shown in (_SHARE, _SAMPLES):
            key = (arm, part, shown) if part else (arm, shown)
            variants[key] = confusion_figure(counts, classes, shown)
        table += [(arm, part, *line) for line in _cells(counts, classes)]
    names = ("model", task.noun, "true", "predicted", "samples", "share")
    columns = {name: list(column) for name, column in zip(names, zip(*table, strict=True), strict=True)}
    return Card(
        "confusion",
        "Confusion matrix",
        "How many samples of each true class (row) are predicted as each class (column): the most probable one, mean "
        "over seeds. Right predictions are on the diagonal.",
        "How sure the model was, and the spread over seeds: a cell is a mean.",
        ("Model", *part_selector(task, predictions), "Shown"),
        variants,
        columns,
        _confused_pairs(matrices),
    )


def confusion_figure(counts: Array, classes: Sequence[str], shown: str = _SHARE) -> go.Figure:
    """Return the heat map of mean counts ``(K, K)``, true classes in rows; with numbers where they can be read."""
    size = len(classes)
    values = _shares(counts) if shown == _SHARE else counts
    names = [plain_text(name) for name in classes]
    ticks = range(0, size, math.ceil(size / _LABELLED))
    numbers = {"text": [list(map(_number, line)) for line in values], "texttemplate": "%{text}"}
    trace = go.Heatmap(
        x=names,
        y=names,
        z=[rounded(line, 3) for line in values],
        colorscale=LIGHT_TO_BLUE,
        zmin=0,
        zmax=100 if shown == _SHARE else None,
        hovertemplate="%{y} predicted as %{x}: %{z:.3g}<extra></extra>",
        textfont={"color": "#111111"},
        showscale=size > _WITH_NUMBERS,
        colorbar={"title": {"text": shown, "side": "right"}, "thickness": 12},
        xgap=1 if size <= _LABELLED else 0,
        ygap=1 if size <= _LABELLED else 0,
        **(numbers if size <= _WITH_NUMBERS else {}),
    )
    axis = {
        "type": "category",
        "tickvals": [names[tick] for tick in ticks],
        "ticktext": [plain_text(_short(classes[tick])) for tick in ticks],
        "showgrid": False,
    }
    return drawn(
        [trace],
        height=150 + (40 * size if size <= _WITH_NUMBERS else 650),
        xaxis={**axis, "title": f"predicted class<br>({shown})", "side": "bottom"},
        yaxis={**axis, "title": "true class", "autorange": "reversed"},
        meta={"min_width": 90 + (26 * size if size <= _WITH_NUMBERS else 400)},
    )


def _confused_pairs(matrices: Sequence[_Matrix]) -> dict[str, TextTable]:
    """Return arm to the pairs of classes that it confuses most often; empty for fewer than three classes."""
    found = {}
    for arm, part, classes, counts in matrices:
        if len(classes) > 2:
            cells = [cell for cell in _cells(counts, classes) if cell[0] != cell[1] and cell[2]]
            worst = sorted(cells, key=lambda cell: -cell[2])[:_PAIRS]
            lines = [
                [Cell(f"{true} → {wrong}"), Cell(f"{n:.1f}"), Cell(f"{share:.1f}")] for true, wrong, n, share in worst
            ]
            title = f"{' '.join(filter(None, (arm, part)))}: classes confused most often, mean over seeds"
            found[arm] = TextTable(("True class → predicted class", "Samples", "% of the true class"), lines, title)
    return found


def part_selector(task: Task, predictions: Sequence[ArmPredictions]) -> list[str]:
    """Return the name of the choice between several labels or outputs, none where there is just one."""
    first = predictions[0]
    return [task.noun.capitalize()] if "" not in task.parts(first.target, first.prediction) else []


def _matrices(task: Task, predictions: Sequence[ArmPredictions]) -> Iterator[_Matrix]:
    """Yield arm, label of several, names of its classes, and counts ``(K, K)``, the mean over seeds."""
    for each in predictions:
        for part, (own, target, seeds) in task.parts(each.target, each.prediction).items():
            counts = [confusion_matrix(target, own.decide(found), len(own.classes)) for found in seeds]
            yield each.arm, part, own.classes, np.mean(counts, axis=0)


def _shares(counts: Array) -> Array:
    total = counts.sum(axis=1, keepdims=True)
    shares: Array = np.divide(100.0 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    return shares


def _cells(counts: Array, classes: Sequence[str]) -> list[tuple[str, str, float, float]]:
    """Return true class, predicted class, samples and share of every cell that is not empty."""
    shares = _shares(counts)
    places = np.argwhere(counts > 0).tolist()
    return [(classes[i], classes[j], round(float(counts[i, j]), 2), round(float(shares[i, j]), 2)) for i, j in places]


def _number(value: float) -> str:
    if not value or math.isnan(value):
        return ""
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
