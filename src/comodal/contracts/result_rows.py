"""Rows of the tables that reports show: comparisons, numbers of single classes, and robustness."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from comodal.contracts.option_names import REFERENCE_NAMES

__all__ = ["BreakdownRow", "ComparisonRow", "RobustnessRow"]


@dataclass(frozen=True)
class ComparisonRow:
    """One metric of one arm (fusion x measure) of a comparison, as tables and summary files hold it.

    A value that does not exist (the difference of a reference row, a p-value from one seed) is ``None``, never NaN.

    Attributes:
        fusion: fusion model, for example ``"early"``, or ``"early:text"`` for its single-modality network.
        measure: dependency measure of the penalty; ``"none"`` without one.
        weight: weight of the penalty.
        metric: name in :mod:`comodal.metrics`.
        mean: over the seeds of the arm, each on all test samples.
        std: sample standard deviation over the seeds.
        delta: mean paired difference to the reference, in the metric's unit; its sign is that of arm minus reference.
        ci_low: lower end of the 95 % interval of ``delta``, over seeds and groups, not corrected for multiplicity.
        ci_high: upper end.
        p_value: two-sided, Holm-corrected over all compared rows of the same metric.
        n_seeds: seeds of the arm.
        collapsed: number of its runs that predict a constant.
        seconds: mean seconds per run.
        p_raw: two-sided, uncorrected.
        reference: what it is compared with, for example ``"early/none"``; ``None`` for a row that is a reference only.
        n_groups: groups (such as videos) in the test part.
        better: ``"higher"`` or ``"lower"``.
        p_holm_all: Holm-corrected over all compared rows of all metrics.
        variance_seed: part of the variance of ``delta`` from the choice of seeds (interaction included).
        variance_video: part from the choice of groups (interaction excluded).
        note: caveats of this row and of its data, separated by ``"; "``.
        mean_low: lower end of the 95 % interval of ``mean``: over seeds and groups, for a single run over groups.
        mean_high: upper end.
        labels: label budget of the runs, 0 for every label; ``None`` outside a study of budgets.
    """

    fusion: str
    measure: str
    weight: float
    metric: str
    mean: float
    std: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    n_seeds: int
    collapsed: int
    seconds: float
    p_raw: float | None = None
    reference: str | None = None
    n_groups: int = 0
    better: str = "higher"
    p_holm_all: float | None = None
    variance_seed: float | None = None
    variance_video: float | None = None
    note: str = ""
    mean_low: float | None = None
    mean_high: float | None = None
    labels: int | None = None

    NO_BETTER: ClassVar[str] = "no better than"  # how the note begins that names a reference model

    @property
    def arm(self) -> str:
        """Name of the arm, for example ``"early/kl"``."""
        return f"{self.fusion}/{self.measure}"

    @property
    def compares_features(self) -> bool:
        """Whether it is compared with a reference model: with the same method on the features themselves."""
        return (self.reference or "").partition("/")[0] in REFERENCE_NAMES

    def with_note(self, note: str) -> ComparisonRow:
        """Return the row with one more note, or unchanged for an empty note."""
        return replace(self, note="; ".join(part for part in (self.note, note) if part))


@dataclass(frozen=True)
class BreakdownRow:
    """One number of one class, label or output of an arm.

    Attributes:
        fusion: fusion model.
        measure: dependency measure of the penalty; ``"none"`` without one.
        weight: weight of the penalty.
        noun: ``"class"``, ``"label"`` or ``"output"``.
        name: of the class, label or output.
        number: ``"precision"``, ``"recall"``, ``"f1"`` (percent) or ``"support"`` (samples); of outputs, a metric.
        mean: over the seeds for which the number is defined, each on all test samples; ``None`` where it is for none.
        std: sample standard deviation over these seeds.
        n_seeds: seeds of the arm.
    """

    fusion: str
    measure: str
    weight: float
    noun: str
    name: str
    number: str
    mean: float | None
    std: float | None
    n_seeds: int


@dataclass(frozen=True)
class RobustnessRow:
    """One metric of one arm (fusion x measure) in one scenario.

    Attributes:
        kind: ``"subset"`` (which modalities are present), ``"curve"`` (one point of a severity curve), or
            ``"relative"`` and ``"effective"`` (the areas below a severity curve).
        scenario: its name, for example ``"clean"``, ``"text+audio"`` or ``"noise:audio=0.5"``; an area has the name of
            its curve, ``"noise:audio"``.
        modality: the corrupted modality; empty for subsets.
        corruption: the kind of corruption, ``"drop"``, ``"frames"``, ``"noise"``, ``"swap"``, ``"shift"`` or
            ``"words"``; empty for subsets.
        severity: from 0 to 1; ``None`` for subsets and areas.
        row: mean, spread, and the paired difference to no penalty *in the same scenario*; its p-value is
            Holm-corrected over all compared rows of the same metric and kind. At severity 0 a curve is the clean row.
    """

    kind: str
    scenario: str
    modality: str
    corruption: str
    severity: float | None
    row: ComparisonRow

    def with_note(self, note: str) -> RobustnessRow:
        """Return the row with one more note in its comparison row, or unchanged for an empty note."""
        return replace(self, row=self.row.with_note(note))
