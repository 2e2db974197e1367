"""Rows of a robustness table turned to grids, one line an arm and one column a scenario, and cells as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from comodal.contracts import InputError, RobustnessRow
from comodal.reports.wide import direction, interval_text, mean_text, notes, p_text

__all__ = ["Grid", "difference_text", "grids", "sentences", "value_text"]

_TITLES = {
    "subset": "modalities that are there",
    "relative": "relative robustness (mean over severities)",
    "effective": "effective robustness (area above the moved baseline)",
}

_VALUES = "Mean ± standard deviation over seeds; of a single run, the value with its 95 % interval over videos."
_DIFFERENCES = (
    "Difference to the same fusion model without a penalty in the same scenario, paired by seed, with its 95 % "
    "interval over seeds and videos; networks of a single modality are shown beside it and compared with nothing."
)
_P_VALUES = (
    "p: two-sided, Holm-corrected over all compared rows of the metric: subsets, points of curves, relative and "
    "effective areas each among themselves."
)


@dataclass(frozen=True)
class Grid:
    """One metric of all arms in alike scenarios.

    Attributes:
        metric: its name.
        kind: of the rows.
        corruption: kind of corruption of an area; empty for subsets.
        title: what the grid shows.
        heads: of its columns.
        lines: fusion, measure, and a cell for each head, ``None`` where there is nothing.
    """

    metric: str
    kind: str
    corruption: str
    title: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, str, tuple[RobustnessRow | None, ...]], ...]


def grids(
    rows: Sequence[RobustnessRow], metrics: Sequence[str], *, kinds: Sequence[str] = tuple(_TITLES)
) -> list[Grid]:
    """The grids of some metrics: subsets of modalities, then the areas of each kind of corruption.

    Points of severity curves are no grid: files and figures have them.

    Args:
        rows: of a robustness table.
        metrics: which to show, as far as the rows hold them.
        kinds: ``subset``, ``relative``, ``effective``.

    Raises:
        InputError: the rows hold none of these metrics.
    """
    held = list(dict.fromkeys(row.row.metric for row in rows))
    shown = [name for name in metrics if name in held]
    if not shown:
        raise InputError(f"no row to show: the rows hold the metrics {held}, wanted are {list(metrics)}")
    return [grid for metric in shown for kind in kinds for grid in _of_kind(rows, metric, kind)]


def _of_kind(rows: Sequence[RobustnessRow], metric: str, kind: str) -> Iterator[Grid]:
    chosen = [row for row in rows if row.kind == kind and row.row.metric == metric]
    for corruption in dict.fromkeys(row.corruption for row in chosen):
        yield _grid([row for row in chosen if row.corruption == corruption])


def _grid(rows: Sequence[RobustnessRow]) -> Grid:
    first = rows[0]
    heads = tuple(dict.fromkeys(row.scenario for row in rows))
    cells = {(row.row.fusion, row.row.measure, row.scenario): row for row in rows}
    arms = dict.fromkeys((row.row.fusion, row.row.measure) for row in rows)
    of = f" under {first.corruption}" if first.corruption else ""
    title = f"{first.row.metric} ({direction(first.row)}): {_TITLES[first.kind]}{of}"
    lines = tuple((*arm, tuple(cells.get((*arm, head)) for head in heads)) for arm in arms)
    return Grid(first.row.metric, first.kind, first.corruption, title, heads, lines)


def value_text(row: RobustnessRow) -> str:
    """Mean and spread over the seeds; of a single run, the value and its interval over videos.

    >>> from comodal.contracts import ComparisonRow
    >>> one = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 0.0)
    >>> value_text(RobustnessRow("subset", "text", "", "", None, one, mean_low=0.75, mean_high=0.86))
    '0.800 [0.750, 0.860]'
    """
    text = mean_text(row.row)
    if row.row.std is not None or row.mean_low is None or row.mean_high is None:
        return text
    digits = len(text.partition(".")[2])
    return f"{text} [{row.mean_low:.{digits}f}, {row.mean_high:.{digits}f}]"


def difference_text(row: RobustnessRow) -> str:
    """Difference to no penalty in the same scenario with interval and p-value; empty where there is none."""
    return " ".join(part for part in (*interval_text(row.row), p_text(row.row)) if part)


def sentences(rows: Sequence[RobustnessRow]) -> list[str]:
    """What a reader must know of the figures."""
    return [_VALUES, _DIFFERENCES, _P_VALUES, *notes([row.row for row in rows])]
