"""What happens when modalities are missing or corrupted: the rows that reports read."""

from __future__ import annotations

from dataclasses import dataclass

from comodal.contracts.tables import ComparisonRow

__all__ = ["RobustnessRow"]


@dataclass(frozen=True)
class RobustnessRow:
    """One metric of one arm (fusion x measure) in one scenario.

    Attributes:
        kind: ``"subset"`` (which modalities are there), ``"curve"`` (one point of a severity curve), or ``"relative"``
            and ``"effective"`` (the areas below a severity curve).
        scenario: its name, for example ``"clean"``, ``"text+audio"`` or ``"noise:audio=0.5"``; the areas bear the name
            of their curve, ``"noise:audio"``.
        modality: the corrupted modality; empty for subsets.
        corruption: the kind of corruption, ``"drop"``, ``"frames"``, ``"noise"``, ``"swap"``, ``"shift"`` or
            ``"words"``; empty for subsets.
        severity: from 0 to 1; ``None`` for subsets and areas.
        row: mean, spread, and the paired difference to no penalty *in the same scenario*; its p-value is
            Holm-corrected over all compared rows of the same metric and kind. At severity 0 a curve is the clean row.
        mean_low: lower end of the 95 % interval of the mean: over seeds and videos, of a single run over videos;
            ``None`` where there is none.
        mean_high: upper end.
    """

    kind: str
    scenario: str
    modality: str
    corruption: str
    severity: float | None
    row: ComparisonRow
    mean_low: float | None = None
    mean_high: float | None = None
