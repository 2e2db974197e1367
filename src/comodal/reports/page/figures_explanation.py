"""Pointwise dependency of each sample, by class or sign of its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from comodal.contracts import ExplanationTable
from comodal.reports.page.cards import Card
from comodal.reports.page.sample import chosen, per_explanation, values_of
from comodal.reports.page.theme import BETTER, NEUTRAL, WORSE, drawn, faded, plain_text, rounded

__all__ = ["dependency_axis", "dependency_figure", "distribution_card", "explained_columns", "labels_of"]

_COLOUR = {"negative": WORSE, "neutral": NEUTRAL, "positive": BETTER}
_MOST_GROUPS = 12
_QUANTILES = 200


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
        "Pointwise dependency by target",
        "How strongly the critic finds the modalities of a sample to belong together, for each class or label, or sign "
        f"of the target; low means that they disagree. Of more than {_MOST_GROUPS} classes those with the lowest and "
        "the highest median.",
        "Whether the critic is reliable: see the validation on broken pairs below.",
        ("Model",),
        {(label,): dependency_figure(table) for label, table in own},
        explained_columns(own, ("dependency", "percentile"), per_explanation(len(explanations))),
    )


def dependency_figure(table: ExplanationTable) -> go.Figure:
    """Return a violin with a box per group of targets, drawn from evenly spaced quantiles of large groups."""
    signs = {} if table.task.classes else _COLOUR
    found = _by_target(table)
    colours = {name: signs.get(name.rpartition(", ")[2], BETTER) for name in found}
    traces = [
        go.Violin(
            y=rounded(_representatives(values)),
            name=f"{plain_text(name)}<br>({len(values)})",
            line={"color": colours[name]},
            fillcolor=faded(colours[name], 0.2),
            box={"visible": True},
            meanline={"visible": True},
            points=False,
            spanmode="hard",
            hoverinfo="y",
            showlegend=False,
        )
        for name, values in found.items()
    ]
    return drawn(
        traces,
        xaxis={"title": "target (number of samples)", "type": "category"},
        yaxis={"title": dependency_axis(table), "zeroline": False},
        meta={"min_width": 60 + 52 * len(traces)},
    )


def _by_target(table: ExplanationTable) -> dict[str, np.ndarray[Any, Any]]:
    """Return the dependency of each group of targets; of many groups those of extreme medians, in their order."""
    found = {}
    for part, (own, target, _) in table.task.parts(table.target, table.prediction).items():
        for name, rows in own.groups(target).items():
            values = table.dependency[rows]
            if np.isfinite(values).any():
                found[f"{part}, {name}" if part and part not in own.classes else name] = values[np.isfinite(values)]
    if len(found) <= _MOST_GROUPS:
        return found
    ordered = sorted(found, key=lambda name: float(np.median(found[name])))
    return {name: found[name] for name in (*ordered[: _MOST_GROUPS // 2], *ordered[-_MOST_GROUPS // 2 :])}


def _representatives(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if len(values) <= _QUANTILES:
        return values
    found: np.ndarray[Any, Any] = np.quantile(values, (np.arange(_QUANTILES) + 0.5) / _QUANTILES)
    return found


def explained_columns(
    named: Sequence[tuple[str, ExplanationTable]], names: Sequence[str], limit: int
) -> Mapping[str, list[Any]]:
    """Return the samples that a page holds by column: model, id, target, prediction, error, and columns by name."""
    found: dict[str, list[Any]] = {}
    for label, table in named:
        kept = chosen(table, limit)
        columns = {"id": table.id, **values_of(table), **{name: getattr(table, name) for name in names}}
        found.setdefault("model", []).extend([label] * len(kept))
        for name, column in columns.items():
            values = rounded(column[kept]) if column.dtype.kind == "f" else map(str, column[kept])
            found.setdefault(name, []).extend(values)
    return found
