"""Summary of the findings in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence

from comodal.contracts import ComparisonRow, Findings, PairingScore, RobustnessRow
from comodal.reports.number_text import verdict

__all__ = ["glance", "missing_parts"]

_NO_PENALTY = "none"


def missing_parts(findings: Findings) -> dict[str, str]:
    """Return every missing part with the command that makes it."""
    parts = {
        "comparison": (any(row.delta is not None for row in findings.rows), "comodal compare SOURCE --out DIR"),
        "replication": (findings.replication, "comodal compare SOURCE --replicate --out DIR"),
        "training": (findings.curves, "comodal compare SOURCE --out DIR"),
        "robustness": (findings.robustness, "comodal robustness DIR"),
        "explanation": (findings.explanations, "comodal explain DIR"),
        "pairing": (findings.pairing, "comodal explain DIR --validate"),
    }
    return {part: command for part, (found, command) in parts.items() if not found}


def glance(findings: Findings) -> list[str]:
    """Return one sentence or more per part that is there."""
    said = [
        *_compared(findings.rows, ""),
        *_compared(findings.replication, "on fresh seeds, "),
        _scenarios(findings.robustness),
        _scenarios_again(findings.robustness, findings.robustness_replication),
        *_paired(findings.pairing),
    ]
    return [sentence for sentence in said if sentence]


def _compared(rows: Sequence[ComparisonRow], where: str) -> list[str]:
    """Return how many differences are significant, and which: of penalties, and of single modalities."""
    compared = [row for row in rows if row.delta is not None]
    penalties = [row for row in compared if row.measure != _NO_PENALTY]
    single = [row for row in compared if row.measure == _NO_PENALTY]
    said = [
        _counted(penalties, f"Penalties, {where}against none"),
        _counted(single, f"Single modalities, {where}against the fusion of all"),
    ]
    return [sentence for sentence in said if sentence]


def _counted(compared: Sequence[ComparisonRow], what: str) -> str:
    if not compared:
        return ""
    found = {kind: [row for row in compared if verdict(row) == kind] for kind in ("gain", "harm")}
    counted = [f"{len(rows)} significant {kind}{'' if len(rows) == 1 else 's'}" for kind, rows in found.items()]
    named = [_named(rows) for rows in found.values()]
    ending = "; ".join(count + names for count, names in zip(counted, named, strict=True))
    return (
        f"{what}: of {len(compared)} difference{'' if len(compared) == 1 else 's'}, Holm-corrected by metric, {ending}."
    )


def _scenarios(rows: Sequence[RobustnessRow]) -> str:
    compared = _with_missing(rows)
    if not compared:
        return ""
    gains = [row for row in compared if verdict(row.row) == "gain"]
    return f"With modalities missing, {len(gains)} of {len(compared)} differences are significant gains{_listed(gains)}"


def _scenarios_again(rows: Sequence[RobustnessRow], fresh: Sequence[RobustnessRow]) -> str:
    """Return how many of the gains are significant on fresh seeds too."""
    gains = [row for row in _with_missing(rows) if verdict(row.row) == "gain"]
    if not gains or not fresh:
        return ""
    again = {_place(row) for row in _with_missing(fresh) if verdict(row.row) == "gain"}
    held = [row for row in gains if _place(row) in again]
    found = "is" if len(held) == 1 else "are"
    return f"On fresh seeds {len(held)} of these {len(gains)} gains {found} found again{_listed(held)}"


def _with_missing(rows: Sequence[RobustnessRow]) -> list[RobustnessRow]:
    return [row for row in rows if row.kind == "subset" and row.scenario != "clean" and row.row.delta is not None]


def _place(row: RobustnessRow) -> tuple[str, str, str]:
    return row.row.arm, row.scenario, row.row.metric


def _listed(gains: Sequence[RobustnessRow]) -> str:
    named = "; ".join(f"{row.row.arm} with {row.scenario} only, {row.row.metric}" for row in gains[:3])
    more = f", and {len(gains) - 3} more" if len(gains) > 3 else ""
    return f": {named}{more}." if gains else "."


def _paired(scores: Sequence[PairingScore]) -> list[str]:
    critic = [score for score in scores if score.score == "critic"]
    return [
        f"The critic finds {score.target}{f' in {score.modality}' if score.modality else ''} with AUROC "
        f"{score.auroc:.3f} [{score.auroc_low:.3f}, {score.auroc_high:.3f}]; chance is 0.5."
        for score in critic[:4]
    ]


def _named(rows: Sequence[ComparisonRow]) -> str:
    named = ", ".join(f"{row.arm} on {row.metric}" for row in rows[:3])
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return f" ({named}{more})" if rows else ""
