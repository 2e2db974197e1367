"""Write the folder of an explanation, which :mod:`comodal.evaluation.gather` reads."""

from __future__ import annotations

import dataclasses
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comodal.atomic_write import write_atomic, write_text
from comodal.contracts import Attribution, ExplanationTable, InputError, PairingScore
from comodal.evaluation.gather import ATTRIBUTIONS, EXPLANATION, PAIRING
from comodal.explain.ranking import RankList, rankings

__all__ = ["claim", "rank_text", "write_explanation", "write_pairing"]

_RANKS = "ranks.md"
_LISTED = 20


def claim(folder: Path, *, force: bool) -> None:
    """Raise an error for a folder that holds anything but an explanation to replace.

    Raises:
        InputError: the folder holds an explanation and ``force`` is not given, or it holds something else.
    """
    if not folder.exists():
        return
    mine = any((folder / name).exists() for name in (EXPLANATION, PAIRING))
    if not folder.is_dir() or (not mine and any(folder.iterdir())):
        raise InputError(f"{folder}: holds other files; give another --out", code="exists")
    if mine and not force:
        raise InputError(f"{folder}: holds an explanation; give --force to replace it, or another --out", code="exists")


def write_explanation(folder: Path, table: ExplanationTable, attributions: Sequence[Attribution] = ()) -> None:
    """Write the table last, so that a folder with it is complete, the attributions as JSON lines, and the rank lists.

    Files of an earlier explanation are removed; the folder is created when missing.
    """
    for name in (EXPLANATION, ATTRIBUTIONS, _RANKS, PAIRING):
        (folder / name).unlink(missing_ok=True)
    lines = [json.dumps(dataclasses.asdict(each), ensure_ascii=False) for each in attributions]
    write_text(folder / ATTRIBUTIONS, "".join(f"{line}\n" for line in lines))
    write_text(folder / _RANKS, rank_text(table))
    write_atomic(folder / EXPLANATION, table.to_parquet)


def write_pairing(folder: Path, scores: Sequence[PairingScore]) -> None:
    """Write ``pairing.json`` beside an explanation."""
    write_text(folder / PAIRING, json.dumps([dataclasses.asdict(score) for score in scores], indent=2))


def rank_text(table: ExplanationTable, length: int = _LISTED) -> str:
    """Return the rank lists as Markdown; markup in transcripts is escaped."""
    lines = ["# Samples to look at first", "", _sentence(table), ""]
    for ranking in rankings(table, length):
        lines += [f"## {ranking.name.capitalize()}", "", ranking.meaning, "", *_listed(table, ranking), ""]
    return "\n".join(lines)


def _sentence(table: ExplanationTable) -> str:
    facts: Mapping[str, Any] = table.facts
    unit = "in nats" if facts.get("unit") == "nats" else "without a unit: only its order has a meaning"
    said = [f"Dependency by the critic of `{facts.get('measure', '')}`, {facts.get('critic', '')}, {unit}."]
    said.append(f"Percentiles are {facts.get('percentile', 'among all')}.")
    if facts.get("output"):
        said.append(f"Attributions and removals are of {_shown(facts['output'])}.")
    said += [f"Warning: {warning}." for warning in facts.get("warnings", ())]
    return " ".join(said)


def _listed(table: ExplanationTable, ranking: RankList) -> Iterator[str]:
    said = any(table.transcript)
    yield f"| id | dependency | percentile | disagreeing | target | prediction |{' transcript |' if said else ''}"
    yield f"| --- | ---: | ---: | --- | ---: | ---: |{' --- |' if said else ''}"
    disagreeing, target, prediction = table.disagreeing, table.task.readable(table.target), _predictions(table)
    for row in ranking.rows.tolist():
        cells = [
            _shown(str(table.id[row])),
            f"{table.dependency[row]:.3f}",
            f"{table.percentile[row]:.1f}",
            _shown(str(disagreeing[row])),
            _shown(_cell(target[row])),
            _shown(prediction[row]),
            *([_shown(str(table.transcript[row]))] if said else []),
        ]
        yield f"| {' | '.join(cells)} |"


def _predictions(table: ExplanationTable) -> list[str]:
    """Return predictions as text: numbers, or the class and its probability."""
    names = table.readable()
    if not names:
        return [_cell(each) for each in table.task.readable(table.prediction)]
    found = zip(names["predicted"], names["explained"], names["probability"], strict=True)
    return [_class(*each) if np.isfinite(each[2]) else "" for each in found]


def _class(predicted: str, explained: str, probability: float) -> str:
    if predicted == explained:
        return f"{predicted} ({probability:.2f})"
    return f"{predicted or 'none'} ({explained} {probability:.2f})"


def _cell(value: Any) -> str:
    """Return a name, a number, or several numbers as text; empty for NaN."""
    if isinstance(value, str):
        return value or "none"
    return ", ".join(f"{each:.2f}" for each in np.atleast_1d(value) if np.isfinite(each))


def _shown(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")
