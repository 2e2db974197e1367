"""Tables that the page holds without any script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from comodal.contracts import ComparisonRow, PairingScore
from comodal.reports.number_text import (
    difference_text,
    direction,
    interval_text,
    mean_text,
    metrics_of,
    p_text,
    verdict,
)
from comodal.reports.page.figures_pairing import pairing_label
from comodal.reports.text_table import Cell, TextTable

__all__ = ["comparison_tables", "pairing_table", "splits_table"]

_HEADS = ("Model", "Penalty", "Weight", "Mean ± std", "Difference", "95 % interval", "p (Holm)", "Verdict")


def comparison_tables(rows: Sequence[ComparisonRow], replication: Sequence[ComparisonRow] = ()) -> dict[str, TextTable]:
    """Return one table per metric with one row per arm, and a column for fresh seeds where there is a replication."""
    fresh = {(row.fusion, row.measure, row.metric): row for row in replication}
    found = {}
    for metric in metrics_of(rows) if rows else ():
        own = [row for row in rows if row.metric == metric]
        heads = (*_HEADS, *(("On fresh seeds",) if fresh else ()), "Seeds", "Collapsed")
        lines = [_line(row, fresh.get((row.fusion, row.measure, metric)), replicated=bool(fresh)) for row in own]
        found[metric] = TextTable(heads, lines, f"{metric}, {direction(own[0])}")
    return found


def pairing_table(scores: Sequence[PairingScore]) -> TextTable:
    """Return one row per validated score: AUROC and average precision with their intervals, chance, counts and note."""
    heads = ("To be found", "Score", "Note", "AUROC [95 %]", "Average precision [95 %]", "Its chance", "Broken")
    lines = [
        (
            pairing_label(score),
            score.score,
            score.note,
            f"{score.auroc:.3f} [{score.auroc_low:.3f}, {score.auroc_high:.3f}]",
            f"{score.average_precision:.3f} [{score.precision_low:.3f}, {score.precision_high:.3f}]",
            f"{score.n_broken / max(score.n, 1):.3f}",
            f"{score.n_broken} of {score.n}",
        )
        for score in scores
    ]
    title = "How well each score finds samples whose modalities do not belong together; chance is an AUROC of 0.5"
    return TextTable(heads, [list(map(Cell, line)) for line in lines], title)


def splits_table(splits: Mapping[str, Mapping[str, int]]) -> TextTable:
    """Return one row per partition: the samples in each of its parts."""
    names = dict.fromkeys(name for parts in splits.values() for name in parts)
    lines = [
        [Cell(partition), *(Cell(f"{parts.get(name, 0):,}") for name in names)] for partition, parts in splits.items()
    ]
    return TextTable(("Partition", *names), lines, "Samples in each part")


def _line(row: ComparisonRow, fresh: ComparisonRow | None, *, replicated: bool) -> list[Cell]:
    texts = (row.fusion, row.measure, f"{row.weight:g}", mean_text(row), *interval_text(row), p_text(row)[2:])
    again = Cell(difference_text(fresh), mark=verdict(fresh)) if fresh else Cell()
    return [
        *(Cell(text) for text in texts),
        Cell(mark=verdict(row)),
        *([again] if replicated else []),
        Cell(str(row.n_seeds)),
        Cell(str(row.collapsed)),
    ]
