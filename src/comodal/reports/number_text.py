"""Numbers of a comparison row as text: mean, difference, interval, p-value, verdict, unit, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import ComparisonRow, InputError
from comodal.metrics import METRICS

__all__ = [
    "difference_text",
    "direction",
    "explanation",
    "interval_text",
    "mean_text",
    "metrics_of",
    "notes",
    "outcomes",
    "p_text",
    "primary_metric",
    "verdict",
]

_SIGNIFICANT = 0.05
_VERDICTS = {"gain": "better", "harm": "worse"}


def metrics_of(rows: Sequence[ComparisonRow], wanted: Sequence[str] | None = None) -> list[str]:
    """Return the wanted metrics that the rows hold, or all metrics of the rows in their order."""
    held = list(dict.fromkeys(row.metric for row in rows))
    shown = held if wanted is None else [name for name in wanted if name in held]
    if not shown:
        raise InputError(f"no row to show: the rows hold the metrics {held}, wanted are {wanted}", code="empty")
    return shown


def mean_text(row: ComparisonRow) -> str:
    """Return the mean and its standard deviation over seeds."""
    digits = _digits(row.metric)
    spread = "" if row.std is None else f" ± {row.std:.{digits}f}"
    return f"{row.mean:.{digits}f}{spread}"


def interval_text(row: ComparisonRow) -> tuple[str, str]:
    """Return the difference to the reference and its 95 % interval; each is empty where there is none."""
    digits = _digits(row.metric)
    delta = "" if row.delta is None else f"{row.delta:+.{digits}f}"
    if row.ci_low is None or row.ci_high is None:
        return delta, ""
    return delta, f"[{row.ci_low:+.{digits}f}, {row.ci_high:+.{digits}f}]"


def p_text(row: ComparisonRow) -> str:
    """Return the corrected p-value, empty where there is none."""
    if row.p_value is None:
        return ""
    return "p <0.001" if row.p_value < 0.001 else f"p {row.p_value:.3f}"


def difference_text(row: ComparisonRow) -> str:
    """Return difference, interval and p-value, as far as they exist."""
    return " ".join(filter(None, (*interval_text(row), p_text(row))))


def verdict(row: ComparisonRow) -> str:
    """Return ``"gain"`` or ``"harm"`` where the corrected p-value is below 0.05, else ``""``."""
    if row.p_value is None or not row.delta or row.p_value >= _SIGNIFICANT:
        return ""
    return "gain" if (row.delta > 0) == (row.better == "higher") else "harm"


def direction(row: ComparisonRow) -> str:
    """Return the unit and the direction of a metric, for the head of a column."""
    unit = METRICS[row.metric].unit if row.metric in METRICS else ""
    return f"{'%, ' if unit == '%' else ''}{row.better} is better"


def explanation(rows: Sequence[ComparisonRow]) -> list[str]:
    """Return what a comparison shows in words, then the notes of its rows, then how to read its numbers."""
    groups = max((row.n_groups for row in rows), default=0)
    of_methods = any(row.compares_features for row in rows)
    other = (
        "the same method on the features"
        if of_methods
        else "the same fusion model without a penalty (single-modality networks: to the fusion of all modalities)"
    )
    difference = f"Difference to {other}, paired by seed, with its 95 % interval over seeds and {groups} groups."
    return [
        *outcomes(rows),
        *notes(rows),
        "Mean ± standard deviation over seeds, each on all test samples.",
        difference,
        "p: two-sided, over seeds and groups, Holm-corrected over all compared rows of the metric.",
    ]


def primary_metric(rows: Sequence[ComparisonRow]) -> str:
    """Return the metric that leads the tables of these rows, their first."""
    return metrics_of(rows)[0]


def outcomes(rows: Sequence[ComparisonRow]) -> list[str]:
    """Return what the penalties changed in the primary metric, a sentence per significant difference or one for none.

    >>> row = ComparisonRow("lfn", "f", 1.0, "mae", 0.8, 0.1, -0.02, -0.03, -0.01, 0.03, 4, 0, 1.0, better="lower",
    ...                     reference="lfn/none")
    >>> outcomes([row])
    ['lfn/f is better than lfn/none: mae -0.020 [-0.030, -0.010] p 0.030, over 4 seeds.']
    """
    metric = primary_metric(rows)
    compared = [row for row in rows if row.metric == metric and row.measure != "none" and row.p_value is not None]
    found = [row for row in compared if verdict(row)]
    heard = {row.labels for row in found}
    silent = [labels for labels in dict.fromkeys(row.labels for row in compared) if labels not in heard]
    said = [
        f"{row.arm} is {_VERDICTS[verdict(row)]} than {row.reference}{_with([row.labels])}: {metric} "
        f"{difference_text(row)}, over {row.n_seeds} seeds."
        for row in found
    ]
    no_difference = f"No penalty makes a significant difference in {metric}{_with(silent)}"
    return [*said, f"{no_difference} (corrected p below {_SIGNIFICANT})."] if silent else said


def notes(rows: Sequence[ComparisonRow], places: Sequence[str] | None = None) -> list[str]:
    """Return every note once, with the arms it applies to; those on arms that a reference model equals come first.

    Args:
        rows: with notes.
        places: what each row is about, its label budget unless given; named where a note is not on all of an arm's.
    """
    at = places or ["" if row.labels is None else f"{row.labels or 'all'} labels" for row in rows]
    known: dict[str, set[str]] = {}
    noted: dict[str, dict[str, dict[str, None]]] = {}
    for row, place in zip(rows, at, strict=True):
        known.setdefault(row.arm, set()).add(place)
        for note in filter(None, row.note.split("; ")):
            noted.setdefault(note, {}).setdefault(row.arm, {})[place] = None
    ordered = sorted(noted, key=lambda note: not note.startswith(ComparisonRow.NO_BETTER))
    return [f"{_subject(noted[note], known)}: {note}." for note in ordered]


def _subject(arms: Mapping[str, Mapping[str, None]], known: Mapping[str, set[str]]) -> str:
    """Return the arms, those of the same places together, or ``All``."""
    together: dict[tuple[str, ...], list[str]] = {}
    for arm, places in arms.items():
        shown = () if set(places) == known[arm] else tuple(filter(None, places))
        together.setdefault(shown, []).append(arm)
    if together == {(): [*known]}:
        return "All"
    return "; ".join(
        ", ".join(names) + (f" ({', '.join(shown)})" if shown else "") for shown, names in together.items()
    )


def _with(budgets: Sequence[int | None]) -> str:
    """Return label budgets in words, empty outside a study of budgets."""
    if budgets == [None]:
        return ""
    return f" with {', '.join(str(each or 'all') for each in budgets)} labels"


def _digits(metric: str) -> int:
    return 2 if metric in METRICS and METRICS[metric].unit == "%" else 3
