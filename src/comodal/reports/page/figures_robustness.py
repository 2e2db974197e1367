"""Missing and corrupted modalities: heat maps over scenarios, and curves over the severity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from comodal.contracts import RobustnessRow
from comodal.reports.number_text import direction, interval_text, mean_text, p_text, verdict
from comodal.reports.page.cards import Card
from comodal.reports.page.theme import LIGHT_TO_BLUE, drawn, plain_text, rounded, styles

__all__ = ["areas_card", "curves_card", "heat_map", "severity_figure", "subsets_card"]

_CORRUPTIONS = {
    "drop": "whole modality dropped",
    "frames": "frames missing",
    "noise": "Gaussian noise",
    "swap": "swapped with another sample",
    "shift": "shifted in time",
    "words": "words replaced by unknown",
}
_AREAS = {"relative": "relative robustness", "effective": "effective robustness"}
# As light as LIGHT_TO_BLUE.
_BOTH_WAYS = [[0.0, "#f2a063"], [0.5, "#fafafa"], [1.0, "#62a8d8"]]
_VALUE, _DIFFERENCE = "value", "difference to no penalty"
_SCENARIO_FIELDS = ("kind", "scenario", "modality", "corruption", "severity")
_ROW_FIELDS = ("fusion", "measure", "metric", "mean", "std", "delta", "ci_low", "ci_high", "p_value", "n_seeds")


def subsets_card(rows: Sequence[RobustnessRow]) -> Card | None:
    """Return all arms with all subsets of the modalities; ``None`` when none was evaluated."""
    own = [row for row in rows if row.kind == "subset"]
    if not own:
        return None
    return Card(
        "subsets",
        "Subsets of modalities",
        "Every arm on the test part with only the named modalities present; deeper blue is better, * marks a "
        "significant difference to no penalty in the same scenario.",
        "Models trained with these modalities only: here a modality is missing at test time only, unless the model was "
        "trained with modality dropout.",
        ("Metric", "Shown"),
        {
            (metric, shown): heat_map([row for row in own if row.row.metric == metric], shown)
            for metric in _metrics(own)
            for shown in _shown(own)
        },
        _columns(own),
    )


def areas_card(rows: Sequence[RobustnessRow]) -> Card | None:
    """Return the areas under the severity curves; ``None`` without curves."""
    own = [row for row in rows if row.kind in _AREAS]
    if not own:
        return None
    variants: dict[tuple[str, ...], go.Figure] = {
        (_AREAS[kind], metric, shown): heat_map(
            [row for row in own if row.kind == kind and row.row.metric == metric], shown
        )
        for kind in dict.fromkeys(row.kind for row in own)
        for metric in _metrics([row for row in own if row.kind == kind])
        for shown in _shown(own)
    }
    return Card(
        "areas",
        "Area under the severity curves",
        "One number per curve: relative robustness is the area under the arm's own curve; effective robustness is its "
        "area above the baseline's curve shifted to the same clean value.",
        "The severity at which an arm loses: two curves that cross may have equal areas.",
        ("Area", "Metric", "Shown"),
        variants,
        _columns(own),
    )


def curves_card(rows: Sequence[RobustnessRow]) -> Card | None:
    """Return one variant per metric, corruption and modality; ``None`` without severity curves."""
    own = [row for row in rows if row.kind == "curve"]
    groups: dict[tuple[str, ...], list[RobustnessRow]] = {}
    for row in own:
        key = (row.row.metric, _CORRUPTIONS.get(row.corruption, row.corruption), row.modality)
        groups.setdefault(key, []).append(row)
    if not groups:
        return None
    return Card(
        "severity",
        "Severity of corruption",
        "The metric of every arm while one modality is corrupted with increasing severity, from 0 (as recorded) to 1.",
        "The spread over seeds, which is in the data only. Equal severities of different corruptions are not equally "
        "hard.",
        ("Metric", "Corruption", "Modality"),
        {key: severity_figure(found) for key, found in groups.items()},
        _columns(own),
    )


def heat_map(rows: Sequence[RobustnessRow], shown: str = _VALUE) -> go.Figure:
    """Return arms by scenarios for the rows of one metric.

    Deeper blue is better for every metric, whatever its direction; the text is the value.
    """
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    arms = list(dict.fromkeys(row.row.arm for row in rows))
    cell = {(row.row.arm, row.scenario): row for row in rows}
    grid = [[cell.get((arm, scenario)) for scenario in scenarios] for arm in arms]
    sign = 1.0 if rows[0].row.better == "higher" else -1.0
    difference = shown == _DIFFERENCE
    values = [[_number(row, difference=difference) for row in line] for line in grid]
    scale: dict[str, Any] = {"colorscale": _BOTH_WAYS, "zmid": 0.0} if difference else {"colorscale": LIGHT_TO_BLUE}
    trace = go.Heatmap(
        x=[plain_text(name) for name in scenarios],
        y=[plain_text(name) for name in arms],
        z=[rounded(None if value is None else sign * value for value in line) for line in values],
        text=[[_cell_text(row, difference=difference) for row in line] for line in grid],
        texttemplate="%{text}",
        textfont={"color": "#111111"},
        hovertext=[[_hover(row) for row in line] for line in grid],
        hoverinfo="text",
        showscale=False,
        xgap=2,
        ygap=2,
        **scale,
    )
    return drawn(
        [trace],
        height=110 + 36 * len(arms),
        xaxis={"title": f"{rows[0].row.metric}: {direction(rows[0].row)}", "side": "bottom", "showgrid": False},
        yaxis={"autorange": "reversed", "showgrid": False},
        meta={"min_width": 130 + 62 * len(scenarios)},
    )


def severity_figure(rows: Sequence[RobustnessRow]) -> go.Figure:
    """Return one line per arm over the severity, for the rows of one metric, corruption and modality."""
    style = styles((row.row.fusion, row.row.measure) for row in rows)
    traces = []
    for (fusion, measure), look in style.items():
        own = [row for row in rows if (row.row.fusion, row.row.measure) == (fusion, measure)]
        own.sort(key=lambda row: row.severity or 0.0)
        traces.append(
            go.Scatter(
                x=rounded(row.severity for row in own),
                y=rounded(row.row.mean for row in own),
                mode="lines+markers",
                line={"color": look.colour, "dash": look.dash, "width": 2},
                marker={"symbol": look.symbol, "size": 8},
                name=plain_text(f"{fusion}/{measure}"),
                hovertext=[_hover(row) for row in own],
                hoverinfo="text",
            )
        )
    metric = f"{rows[0].row.metric} ({direction(rows[0].row)})"
    return drawn(
        traces,
        height=460,
        xaxis={"title": "severity", "range": [-0.03, 1.03], "zeroline": False},
        yaxis={"title": metric, "zeroline": False},
    )


def _number(row: RobustnessRow | None, *, difference: bool) -> float | None:
    if row is None:
        return None
    return row.row.delta if difference else row.row.mean


def _cell_text(row: RobustnessRow | None, *, difference: bool) -> str:
    if row is None:
        return ""
    star = "*" if verdict(row.row) else ""
    return interval_text(row.row)[0] + star if difference else mean_text(row.row).partition(" ")[0] + star


def _hover(row: RobustnessRow | None) -> str:
    if row is None:
        return ""
    said = f"{row.row.arm}, {row.scenario}: {mean_text(row.row)}"
    compared = " ".join(filter(None, (*interval_text(row.row), p_text(row.row))))
    return plain_text(f"{said}; difference {compared}" if compared else said)


def _metrics(rows: Sequence[RobustnessRow]) -> list[str]:
    return list(dict.fromkeys(row.row.metric for row in rows))


def _shown(rows: Sequence[RobustnessRow]) -> list[str]:
    return [_VALUE, _DIFFERENCE] if any(row.row.delta is not None for row in rows) else [_VALUE]


def _columns(rows: Sequence[RobustnessRow]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [getattr(row, name) for row in rows] for name in _SCENARIO_FIELDS}
    return found | {name: [getattr(row.row, name) for row in rows] for name in _ROW_FIELDS}
