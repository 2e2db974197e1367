"""Results as rows of text, for the tables that the page holds without any script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from comodal.contracts import ComparisonRow, PairingScore
from comodal.reports.page.figures_pairing import pairing_label
from comodal.reports.wide import direction, interval_text, mean_text, metrics_of, p_text, verdict

__all__ = ["ComparisonLine", "comparison_tables", "metric_heads", "pairing_lines"]


@dataclass(frozen=True)
class ComparisonLine:
    """One arm with one metric, every cell as text.

    Attributes:
        fusion: fusion model.
        measure: of the penalty.
        weight: of the penalty.
        mean: with its spread.
        delta: difference to no penalty.
        interval: of the difference.
        p: corrected p-value.
        verdict: ``"gain"``, ``"harm"`` or empty.
        fresh: difference, interval and p-value on fresh seeds, empty without them.
        fresh_verdict: as ``verdict``.
        seeds: how many.
        collapsed: runs that predict a constant.
    """

    fusion: str
    measure: str
    weight: str
    mean: str
    delta: str
    interval: str
    p: str
    verdict: str
    fresh: str
    fresh_verdict: str
    seeds: int
    collapsed: int


def comparison_tables(
    rows: Sequence[ComparisonRow], replication: Sequence[ComparisonRow] = ()
) -> dict[str, list[ComparisonLine]]:
    """Metric to its lines, one an arm.

    >>> row = ComparisonRow("early", "kl", 0.3, "mae", 0.8, 0.1, -0.01, -0.03, 0.01, 0.3, 4, 0, 1.0)
    >>> comparison_tables([row])["mae"][0].interval
    '[-0.030, +0.010]'
    """
    again = {(row.fusion, row.measure, row.metric): row for row in replication}
    found: dict[str, list[ComparisonLine]] = {name: [] for name in (metrics_of(rows) if rows else [])}
    for row in rows:
        found[row.metric].append(_line(row, again.get((row.fusion, row.measure, row.metric))))
    return found


def metric_heads(rows: Sequence[ComparisonRow]) -> dict[str, str]:
    """Metric to its unit and direction."""
    return {row.metric: direction(row) for row in rows}


def pairing_lines(scores: Sequence[PairingScore]) -> list[tuple[str, ...]]:
    """What is found, by what, AUROC and average precision with their intervals, chance, counts and note."""
    return [
        (
            pairing_label(score),
            score.score,
            f"{score.auroc:.3f} [{score.auroc_low:.3f}, {score.auroc_high:.3f}]",
            f"{score.average_precision:.3f} [{score.precision_low:.3f}, {score.precision_high:.3f}]",
            f"{score.n_broken / max(score.n, 1):.3f}",
            f"{score.n_broken} of {score.n}",
            score.note,
        )
        for score in scores
    ]


def _line(row: ComparisonRow, fresh: ComparisonRow | None) -> ComparisonLine:
    delta, interval = interval_text(row)
    again = " ".join(filter(None, (*interval_text(fresh), p_text(fresh)))) if fresh else ""
    return ComparisonLine(
        fusion=row.fusion,
        measure=row.measure,
        weight=f"{row.weight:g}",
        mean=mean_text(row),
        delta=delta,
        interval=interval,
        p=p_text(row).removeprefix("p "),
        verdict=verdict(row),
        fresh=again,
        fresh_verdict=verdict(fresh) if fresh else "",
        seeds=row.n_seeds,
        collapsed=row.collapsed,
    )
