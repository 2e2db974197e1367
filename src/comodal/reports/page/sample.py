"""Choose the samples that a page holds when there are too many, and what it says of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from comodal.contracts import ExplanationTable

__all__ = ["chosen", "per_explanation", "said", "values_of"]

_MOST = 5000
_TOGETHER = 10_000
_LEAST = 250


def per_explanation(explanations: int) -> int:
    """Return how many samples of each explained run a page holds.

    >>> per_explanation(1), per_explanation(8), per_explanation(1000)
    (5000, 1250, 250)
    """
    return min(_MOST, max(_LEAST, _TOGETHER // max(explanations, 1)))


def chosen(table: ExplanationTable, limit: int = _MOST) -> np.ndarray[Any, Any]:
    """Return row numbers in order: all, or the extremes and evenly spaced other rows.

    A quarter goes to the most dependent samples, one to the least dependent, one to the largest errors; the rest is
    taken at even steps from the others.
    """
    total = len(table)
    if total <= limit:
        return np.arange(total)
    quarter = limit // 4
    by_error = np.argsort(-table.error, kind="stable")
    taken = [by_error[:quarter]]
    finite = np.flatnonzero(np.isfinite(table.dependency))
    ranked = finite[np.argsort(table.dependency[finite], kind="stable")]
    taken += [ranked[:quarter], ranked[::-1][:quarter]]
    extremes = np.unique(np.concatenate(taken))
    others = np.setdiff1d(np.arange(total), extremes)
    even = others[np.linspace(0, len(others) - 1, limit - len(extremes)).astype(int)]
    return np.sort(np.concatenate([extremes, even]))


def values_of(table: ExplanationTable) -> dict[str, np.ndarray[Any, Any]]:
    """Return target and prediction of each sample as numbers or names, one column per output, and how wrong it is.

    Of classes and labels also the probability of the explained one, which is named where it is not the predicted one.
    """
    task = table.task
    found: dict[str, np.ndarray[Any, Any]] = {}
    for name, values in (("target", table.target), ("prediction", task.decide(table.prediction))):
        shown = task.readable(values)
        outputs = {name: shown} if shown.ndim == 1 else zip(task.all_names, shown.T, strict=True)
        found |= {name if each == name else f"{name}:{each}": column for each, column in dict(outputs).items()}
    names = table.readable()
    if names and (names["explained"] != names["predicted"]).any():
        found["explained"] = names["explained"]
    if names:
        found["probability"] = names["probability"]
    return {**found, "error": table.error}


def said(shown: int, total: int) -> str:
    """Return a sentence on what was left out, empty when nothing was."""
    if shown == total:
        return ""
    return (
        f"This page holds {shown:,} of {total:,} samples: those with the highest and lowest dependency, the largest "
        "errors, and evenly spaced others. The file explanation.parquet holds all."
    )
