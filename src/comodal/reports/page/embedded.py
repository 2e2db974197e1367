"""Data of the page's script: figures, samples and attributions as one compressed text."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from comodal.contracts import Attribution, ExplanationTable, Findings, Task
from comodal.reports.page.cards import Card
from comodal.reports.page.figures_explanation import dependency_axis, labels_of
from comodal.reports.page.sample import chosen, per_explanation, said, values_of
from comodal.reports.page.theme import rounded, template

__all__ = ["binned", "figure_data", "packed", "page_data"]

_MOST_FRAMES = 60


def packed(text: str) -> str:
    """Return text compressed and encoded in base64, which cannot end a script element."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def page_data(findings: Findings, cards: Mapping[str, Card]) -> str:
    """Return figures by name, one table per explained run, transcripts and attributions by sample id, as JSON."""
    limit = per_explanation(len(findings.explanations))
    kept = [chosen(table, limit) for table in findings.explanations]
    held = {str(name) for name in findings.explanations[0].id[kept[0]]} if kept else set()
    labels = labels_of(findings.explanations)
    data = {
        **_figures(cards),
        "explanations": [_samples(*each) for each in zip(labels, findings.explanations, kept, strict=True)],
        "transcripts": _transcripts(findings.explanations, kept),
        "attributions": {
            name: [_attribution(each, findings.data.task) for each in given]
            for name, given in findings.attributions.items()
            if name in held
        },
    }
    return _json(data)


def figure_data(cards: Mapping[str, Card]) -> str:
    """Return figures by name as JSON, for a page of figures alone."""
    return _json(_figures(cards))


def binned(frames: Sequence[float], most: int = _MOST_FRAMES) -> list[float | None]:
    """Return sums over neighbouring frames, at most ``most`` of them; the total is kept.

    >>> binned([1.0, 2.0, 3.0, 4.0, 5.0], most=2)
    [3.0, 12.0]
    """
    if len(frames) <= most:
        return rounded(frames, 4)
    starts = np.arange(most) * len(frames) // most
    return rounded(np.add.reduceat(np.asarray(frames, dtype=float), starts), 4)


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _figures(cards: Mapping[str, Card]) -> dict[str, Any]:
    return {
        "themes": {"light": template(dark=False), "dark": template(dark=True)},
        "figures": {name: _figure(card) for name, card in cards.items()},
    }


def _figure(card: Card) -> dict[str, Any]:
    variants = []
    for key, figure in card.variants.items():
        plain = figure.to_plotly_json()
        layout = {name: value for name, value in plain["layout"].items() if name != "template"}
        variants.append({"key": list(key), "data": plain["data"], "layout": layout})
    columns = {name: [_plain(value) for value in column] for name, column in card.columns.items()}
    return {"selectors": list(card.selectors), "variants": variants, "columns": columns}


def _plain(value: Any) -> Any:
    return rounded([value], 8)[0] if isinstance(value, float) else value


def _samples(label: str, table: ExplanationTable, kept: np.ndarray[Any, Any]) -> dict[str, Any]:
    numbers = ("dependency", "percentile")
    return {
        "label": label,
        "axis": dependency_axis(table),
        "critic": str(table.facts.get("critic", "")),
        "split": str(table.facts.get("split", "")),
        "left_out": said(len(kept), len(table)),
        "modalities": list(table.modalities),
        "id": [str(name) for name in table.id[kept]],
        "group": [str(name) for name in table.group[kept]],
        "disagreeing": [str(name) for name in table.disagreeing[kept]],
        "columns": [_column(name, values[kept]) for name, values in values_of(table).items()],
        "explained": _explained(table, kept),
        "swapped": {name: rounded(column[kept], 4) for name, column in table.swapped.items()},
        **{name: rounded(getattr(table, name)[kept], 4) for name in numbers},
    }


def _column(name: str, values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return a column of the table of samples: numbers with their decimals, or names."""
    which, _, output = name.partition(":")
    about = {"name": name, "title": " ".join(filter(None, (which.capitalize(), output))), "minor": which == "error"}
    if values.dtype.kind == "f":
        return {**about, "values": rounded(values, 4), "digits": 2}
    return {**about, "values": [str(value) for value in values]}


def _explained(table: ExplanationTable, kept: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """Return the explained numbers of each sample with all modalities, and without each of them."""
    task, whole = table.task, table.of_explained(table.prediction)[kept]
    without = {name: table.of_explained(each)[kept] for name, each in table.without.items()}
    names = np.array(task.all_names)[table.explained[kept]] if task.all_names else np.full(whole.shape, "")
    return [
        {
            "of": [str(name) for name in names[:, k]],
            "all": rounded(whole[:, k], 4),
            "without": {name: rounded(each[:, k], 4) for name, each in without.items()},
        }
        for k in range(whole.shape[1])
    ]


def _transcripts(tables: Sequence[ExplanationTable], kept: Sequence[np.ndarray[Any, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for table, rows in zip(tables, kept, strict=True):
        for name, text in zip(table.id[rows], table.transcript[rows], strict=True):
            found.setdefault(str(name), str(text or ""))
    return found


def _attribution(given: Attribution, task: Task) -> dict[str, Any]:
    moved = f"the logit of {given.output}" if task.classes else given.output or "the prediction"
    return {
        "modality": given.modality,
        "moved": moved,
        "total": rounded([given.total], 4)[0],
        "length": len(given.frames),
        "frames": rounded(given.frames, 4) if given.words else binned(given.frames),
        "words": list(given.words),
        "features": [[number, *rounded([value], 4)] for number, value in given.features],
    }
