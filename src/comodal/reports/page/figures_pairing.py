"""Validation of critics: how well a score finds artificially broken pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import plotly.graph_objects as go

from comodal.contracts import PairingScore
from comodal.reports.page.cards import Card
from comodal.reports.page.figures_comparison import interval_marks, lines_axis
from comodal.reports.page.theme import NEUTRAL, drawn, plain_text, rounded, styles

__all__ = ["pairing_card", "pairing_figure", "pairing_label"]

_SHOWN = {
    "AUROC": ("auroc", "auroc_low", "auroc_high"),
    "average precision": ("average_precision", "precision_low", "precision_high"),
}


def pairing_card(scores: Sequence[PairingScore]) -> Card | None:
    """Return AUROC and average precision of every score; ``None`` when nothing was validated."""
    if not scores:
        return None
    rows = [asdict(score) for score in scores]
    columns: dict[str, list[Any]] = {field.name: [row[field.name] for row in rows] for field in fields(PairingScore)}
    return Card(
        "pairing",
        "Finding broken pairs",
        "How well each score separates artificially broken pairs from intact ones, with its 95 % interval and chance.",
        "Whether the critic finds natural disagreements: artificially broken pairs are only one kind.",
        ("Shown",),
        {(shown,): pairing_figure(scores, shown) for shown in _SHOWN},
        columns,
    )


def pairing_figure(scores: Sequence[PairingScore], shown: str = "AUROC") -> go.Figure:
    """Return one line per target and modality, one mark per score, and a bar at chance."""
    value, low, high = _SHOWN[shown]
    labels = list(dict.fromkeys(pairing_label(score) for score in scores))
    names = list(dict.fromkeys(score.score for score in scores))
    look = styles(("", name) for name in names)
    traces = []
    for rank, name in enumerate(names):
        own = [score for score in scores if score.score == name]
        shift = 0.3 * (rank - (len(names) - 1) / 2) / max(len(names) - 1, 1)
        traces.append(
            interval_marks(
                [(getattr(score, value), getattr(score, low), getattr(score, high)) for score in own],
                [labels.index(pairing_label(score)) + shift for score in own],
                {"symbol": look["", name].symbol, "size": 11, "color": look["", name].colour},
                name=plain_text(name),
                hover=[plain_text(_hover(score, value, low, high)) for score in own],
            )
        )
    return drawn(
        [*traces, _chance(scores, labels, shown)],
        height=140 + 52 * len(labels),
        xaxis={"title": shown, "range": [0, 1.03], "zeroline": False},
        yaxis=lines_axis(labels),
    )


def pairing_label(score: PairingScore) -> str:
    """Return the target of a score."""
    return f"{score.target}: {score.modality}" if score.modality else score.target


def _chance(scores: Sequence[PairingScore], labels: Sequence[str], shown: str) -> go.Scatter:
    at = {pairing_label(score): 0.5 if shown == "AUROC" else score.n_broken / max(score.n, 1) for score in scores}
    return go.Scatter(
        x=rounded(at[label] for label in labels),
        y=list(range(len(labels))),
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 34, "color": NEUTRAL, "line": {"width": 2}},
        name="chance",
        hoverinfo="x",
    )


def _hover(score: PairingScore, value: str, low: str, high: str) -> str:
    interval = f"[{getattr(score, low):.3f}, {getattr(score, high):.3f}]"
    return f"{score.score}, {pairing_label(score)}: {getattr(score, value):.3f} {interval}"
