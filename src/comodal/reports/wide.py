"""Rows of a comparison (one a metric) turned to lines (one an arm, its metrics side by side), and cells as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comodal.contracts import ComparisonRow, InputError
from comodal.metrics import METRICS

__all__ = [
    "PRIMARY_METRICS",
    "Line",
    "direction",
    "explanation",
    "interval_text",
    "lines",
    "mean_text",
    "metrics_of",
    "notes",
    "p_text",
    "verdict",
]

PRIMARY_METRICS: tuple[str, ...] = ("mae", "corr", "acc_2_pos", "acc_7")
"""What a screen shows; files hold every metric."""

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Line:
    """One arm: fusion x measure at one weight.

    Attributes:
        fusion: fusion model.
        measure: dependency measure of the penalty.
        weight: of the penalty.
        cells: metric name to its row.
    """

    fusion: str
    measure: str
    weight: float
    cells: dict[str, ComparisonRow]

    @property
    def any_cell(self) -> ComparisonRow:
        """A row to read what all metrics of an arm share: seeds, collapsed runs, seconds."""
        return next(iter(self.cells.values()))


def lines(rows: Sequence[ComparisonRow]) -> list[Line]:
    """Rows gathered by arm, in the order in which the arms first occur.

    >>> row = ComparisonRow("early", "kl", 0.3, "mae", 0.8, 0.1, None, None, None, None, 4, 0, 1.0)
    >>> [(line.fusion, line.measure, list(line.cells)) for line in lines([row])]
    [('early', 'kl', ['mae'])]
    """
    arms: dict[tuple[str, str, float], dict[str, ComparisonRow]] = {}
    for row in rows:
        arms.setdefault((row.fusion, row.measure, row.weight), {})[row.metric] = row
    return [Line(*arm, cells) for arm, cells in arms.items()]


def metrics_of(rows: Sequence[ComparisonRow], wanted: Sequence[str] | None = None) -> list[str]:
    """The metrics to show: those wanted that the rows hold, or all of them in their order.

    Raises:
        InputError: there is no row, or none of the wanted metrics is in the rows.
    """
    held = list(dict.fromkeys(row.metric for row in rows))
    shown = held if wanted is None else [name for name in wanted if name in held]
    if not shown:
        raise InputError(f"no row to show: the rows hold the metrics {held}, wanted are {list(wanted or [])}")
    return shown


def mean_text(row: ComparisonRow) -> str:
    """Mean and spread over the seeds.

    >>> mean_text(ComparisonRow("early", "kl", 0.3, "acc_7", 34.5, 0.52, None, None, None, None, 4, 0, 1.0))
    '34.50 ± 0.52'
    """
    digits = _digits(row.metric)
    spread = "" if row.std is None else f" ± {row.std:.{digits}f}"
    return f"{row.mean:.{digits}f}{spread}"


def interval_text(row: ComparisonRow) -> tuple[str, str]:
    """Difference and its 95 % interval, both empty where there is none.

    >>> interval_text(ComparisonRow("early", "kl", 0.3, "mae", 0.8, 0.1, -0.01, -0.03, 0.01, 0.3, 4, 0, 1.0))
    ('-0.010', '[-0.030, +0.010]')
    """
    digits = _digits(row.metric)
    delta = "" if row.delta is None else f"{row.delta:+.{digits}f}"
    if row.ci_low is None or row.ci_high is None:
        return delta, ""
    return delta, f"[{row.ci_low:+.{digits}f}, {row.ci_high:+.{digits}f}]"


def p_text(row: ComparisonRow) -> str:
    """The corrected p-value, empty where there is none.

    >>> p_text(ComparisonRow("early", "kl", 0.3, "mae", 0.8, 0.1, -0.01, -0.03, 0.01, 0.0003, 4, 0, 1.0))
    'p <0.001'
    """
    if row.p_value is None:
        return ""
    return "p <0.001" if row.p_value < 0.001 else f"p {row.p_value:.3f}"


def verdict(row: ComparisonRow) -> str:
    """``"gain"`` or ``"harm"`` where the corrected p-value is below 0.05, else ``""``.

    >>> verdict(ComparisonRow("lfn", "f", 1.0, "mae", 0.8, 0.1, -0.01, -0.02, 0.0, 0.03, 4, 0, 1.0, better="lower"))
    'gain'
    """
    if row.p_value is None or not row.delta or row.p_value >= _SIGNIFICANT:
        return ""
    return "gain" if (row.delta > 0) == (row.better == "higher") else "harm"


def direction(row: ComparisonRow) -> str:
    """Unit and direction of a metric, for a column's head.

    >>> direction(ComparisonRow("early", "kl", 0.3, "acc_7", 34.5, 0.52, None, None, None, None, 4, 0, 1.0))
    '%, higher is better'
    """
    unit = METRICS[row.metric].unit if row.metric in METRICS else ""
    return f"{'%, ' if unit == '%' else ''}{row.better} is better"


def explanation(rows: Sequence[ComparisonRow]) -> list[str]:
    """What a reader must know of the figures: how they were made, and the notes of single rows."""
    groups = max((row.n_groups for row in rows), default=0)
    difference = (
        "Difference to the same fusion model without a penalty (a single modality: to the fusion of all), paired by "
        f"seed, with its 95 % interval over seeds and {groups} videos."
    )
    said = [
        "Mean ± standard deviation over seeds, each on all test utterances.",
        difference,
        "p: two-sided, over seeds and videos, Holm-corrected over all compared rows of the metric.",
    ]
    return said + notes(rows)


def notes(rows: Sequence[ComparisonRow]) -> list[str]:
    """The notes of rows, each once, with the arms it is of."""
    everyone = dict.fromkeys(f"{row.fusion}/{row.measure}" for row in rows)
    noted: dict[str, dict[str, None]] = {}
    for row in rows:
        for note in filter(None, row.note.split("; ")):
            noted.setdefault(note, {})[f"{row.fusion}/{row.measure}"] = None
    return [f"{'All' if arms == everyone else ', '.join(arms)}: {note}." for note, arms in noted.items()]


def _digits(metric: str) -> int:
    return 2 if metric in METRICS and METRICS[metric].unit == "%" else 3
