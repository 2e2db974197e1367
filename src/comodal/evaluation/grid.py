"""Arms and trials of a comparison, its configuration, and the folder of each trial's result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comodal.contracts import InputError
from comodal.dependency import MEASURES
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.augment import of_one_modality
from comodal.training.build_config import build_config
from comodal.training.config import RunConfig, TrainingConfig

__all__ = [
    "NONE",
    "PLACEBO",
    "REPLICATION_SEED",
    "SELECTION_SEED",
    "WEIGHT_GRID",
    "Arm",
    "CompareConfig",
    "Trial",
    "arms_of",
    "best_by_validation",
    "parse_weight",
]

NONE = "none"
PLACEBO = "placebo"
WEIGHT_GRID = (0.1, 0.3, 1.0)

# Reported seeds start at 0. Seeds of the selection, of a replication and of a placebo are far away from them and from
# each other, so that more seeds never mix them.
REPLICATION_SEED = 1_000_000
SELECTION_SEED = 2_000_000
_PLACEBO_SEED = 500_000_000


@dataclass(frozen=True, order=True)
class Arm:
    """One row of a comparison: a fusion architecture, its modalities, and a measure.

    Attributes:
        fusion: name of the architecture.
        measure: ``none``, ``placebo`` (no penalty, other random streams), or a dependency measure.
        modality: its only modality; empty for all.
    """

    fusion: str
    measure: str = NONE
    modality: str = ""

    @property
    def label(self) -> str:
        """Return the name of the fusion in tables; ``early:text`` is the encoder and head of early fusion on text."""
        return f"{self.fusion}:{self.modality}" if self.modality else self.fusion

    @property
    def name(self) -> str:
        """Return fusion and measure, such as ``early/kl``."""
        return f"{self.label}/{self.measure}"

    @property
    def has_penalty(self) -> bool:
        """Return whether the arm has a penalty, and so a weight."""
        return self.measure not in {NONE, PLACEBO}


@dataclass(frozen=True)
class Trial:
    """One training run of a comparison.

    Attributes:
        arm: the arm.
        weight: weight of the penalty, 0 without one.
        seed: seed that pairs it with the same seed of other arms.
        partition: position of the partition in the data set.
        reads_test: whether the test part is predicted; never during selection.
    """

    arm: Arm
    weight: float
    seed: int
    partition: int
    reads_test: bool

    def folder(self, root: Path) -> Path:
        """Return the folder of its result."""
        short = f"{self.weight:g}"
        weight = short if float(short) == self.weight else repr(self.weight)
        setting = f"{self.arm.measure}-{weight}" if self.arm.has_penalty else self.arm.measure
        return root / self.arm.label.replace(":", "-") / setting / f"seed-{self.seed}" / f"part-{self.partition}"

    def config(self, base: RunConfig) -> RunConfig:
        """Return the configuration of the run: ``base`` with the architecture, penalty and seed of this trial."""
        measure = self.arm.measure if self.arm.has_penalty else NONE
        seed = self.seed + (_PLACEBO_SEED if self.arm.measure == PLACEBO else 0)
        penalty = dataclasses.replace(base.penalty, measure=measure, weight=self.weight)
        training = of_one_modality(base.training, self.arm.modality) if self.arm.modality else base.training
        return dataclasses.replace(base, fusion=self.arm.fusion, penalty=penalty, training=training, seed=seed)


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """A comparison of fusion architectures with and without dependency penalties.

    Attributes:
        fusions: architectures.
        measures: measures; ``none``, the reference, is always added.
        weight: ``auto``, one number, or measure to number.
        weight_grid: weights that ``auto`` chooses from.
        seeds: number of reported seeds.
        selection_seeds: number of seeds that choose weights and the best single modality; none of them is reported.
        fusion_config: options of all architectures; under an architecture's name, options of that one.
        fusion_training: optimisation options of single architectures, for example ``{"mag": {"lr": 1e-4}}``.
        base: all other options of a run.
    """

    fusions: tuple[str, ...] = ("early",)
    measures: tuple[str, ...] = (NONE, "kl", "f", "wasserstein")
    weight: str | float | Mapping[str, float] = "auto"
    weight_grid: tuple[float, ...] = WEIGHT_GRID
    seeds: int = 32
    selection_seeds: int = 8
    fusion_config: dict[str, Any] = field(default_factory=dict)
    fusion_training: dict[str, dict[str, Any]] = field(default_factory=dict)
    base: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        self._check_fusions()
        for measure in self.measures:
            if measure not in (known := (NONE, PLACEBO, *MEASURES)):
                raise InputError.unknown("measure", measure, known)
        if self.seeds < 2:
            raise InputError(f"seeds is {self.seeds}: a comparison needs at least 2", code="out_of_range")
        if self.selection_seeds < 1:
            raise InputError(f"selection_seeds is {self.selection_seeds}: give at least 1", code="out_of_range")
        if not self.weight_grid:
            raise InputError("weight_grid is empty: give at least one weight", code="empty")
        fixed = self.fixed_weights()
        for measure in self.penalties:
            for weight in [fixed[measure]] if fixed else self.weight_grid:
                dataclasses.replace(self.base.penalty, measure=measure, weight=weight)  # checks it

    def _check_fusions(self) -> None:
        if not self.fusions:
            raise InputError("no fusion to compare: name at least one", code="empty")
        for fusion in (*self.fusions, *self.fusion_training):
            fusion_family(fusion)
        for fusion in self.fusions:
            self.base_for(fusion)  # checks it

    @property
    def penalties(self) -> tuple[str, ...]:
        """Return the measures that are penalties, in order."""
        return tuple(measure for measure in self.measures if measure not in {NONE, PLACEBO})

    def fixed_weights(self) -> dict[str, float]:
        """Return the given weight of each measure; empty when weights are chosen on validation."""
        if self.weight == "auto":
            return {}
        if not isinstance(self.weight, Mapping):
            return dict.fromkeys(self.penalties, float(self.weight))
        for measure in self.weight:
            if measure not in self.penalties:
                raise InputError.unknown("measure in --weight", measure, self.penalties)
        missing = [measure for measure in self.penalties if measure not in self.weight]
        if missing:
            message = f"--weight names no weight for {missing[0]}: give one for every measure, or auto"
            raise InputError(message, code="missing")
        return {measure: float(weight) for measure, weight in self.weight.items()}

    def arms(self) -> list[Arm]:
        """Return the arms with all modalities, the reference of each fusion first."""
        return arms_of(self.fusions, self.measures)

    def to_dict(self) -> dict[str, Any]:
        """Return what defines the runs; the number of seeds is left out, since it may grow later."""
        return {
            "fusions": list(self.fusions),
            "measures": list(self.measures),
            "weight": dict(self.weight) if isinstance(self.weight, Mapping) else self.weight,
            "weight_grid": list(self.weight_grid),
            "selection_seeds": self.selection_seeds,
            "runs": {fusion: self.base_for(fusion).to_dict() for fusion in self.fusions},
        }

    def base_for(self, fusion: str) -> RunConfig:
        """Return the configuration that all runs of an architecture share."""
        shared = {key: value for key, value in self.fusion_config.items() if key not in FUSIONS}
        options = {**shared, **self.fusion_config.get(fusion, {})}
        changed = {**dataclasses.asdict(self.base.training), **self.fusion_training.get(fusion, {})}
        training = build_config(TrainingConfig, changed, where=f"{fusion} fusion_training")
        return dataclasses.replace(self.base, fusion=fusion, fusion_config=options, training=training)


def arms_of(fusions: Iterable[str], measures: Iterable[str], single: Mapping[str, str] | None = None) -> list[Arm]:
    """Return the arms of a comparison in the order of its table.

    Example:
        >>> [arm.name for arm in arms_of(["early"], ["kl"], {"early": "text"})]
        ['early/none', 'early/kl', 'early:text/none']
    """
    found: list[Arm] = []
    for fusion in fusions:
        found += [Arm(fusion, measure) for measure in (NONE, *measures)]
        if single and single.get(fusion):
            found.append(Arm(fusion, NONE, single[fusion]))
    return list(dict.fromkeys(found))


def parse_weight(text: str) -> str | float | dict[str, float]:
    """Return the weight that an option gives: ``auto``, a number, or pairs such as ``kl=0.3,f=1``."""
    if text == "auto":
        return text
    try:
        if "=" not in text:
            return float(text)
        pairs = (item.split("=", 1) for item in text.split(","))
        return {measure.strip(): float(weight) for measure, weight in pairs}
    except ValueError as error:
        message = f"--weight {text!r}: give auto, a number, or pairs such as kl=0.3,f=1"
        raise InputError(message, code="invalid") from error


def best_by_validation(losses: Mapping[Any, Sequence[float]]) -> Any:
    """Return the choice with the lowest mean validation loss, the first of equal ones."""
    return min(losses, key=lambda choice: sum(losses[choice]) / len(losses[choice]))
