"""What a comparison trains: arms, tasks, and where each task's result lies. Nothing here trains."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comodal.contracts import InputError
from comodal.dependency import MEASURES
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.augment import of_one_modality
from comodal.training.config import RunConfig, TrainingConfig, build_config

__all__ = [
    "NONE",
    "PLACEBO",
    "REPLICATION_SEED",
    "SELECTION_SEED",
    "WEIGHT_GRID",
    "Arm",
    "CompareConfig",
    "Trial",
    "best_by_validation",
    "parse_weight",
]

NONE = "none"
PLACEBO = "placebo"
WEIGHT_GRID = (0.1, 0.3, 1.0)

# Seeds that are reported start at 0; those that choose weights, those of a replication and those of a placebo lie far
# away, so that asking for more seeds never mixes them.
REPLICATION_SEED = 1_000_000
SELECTION_SEED = 2_000_000
_PLACEBO_SEED = 500_000_000


@dataclass(frozen=True, order=True)
class Arm:
    """One row of the comparison: a fusion architecture, the modalities it has, and a measure.

    Attributes:
        fusion: name of the architecture.
        measure: ``none``, ``placebo`` (no penalty under other random streams), or a dependency measure.
        modality: the only modality it has, empty when it has all.
    """

    fusion: str
    measure: str = NONE
    modality: str = ""

    @property
    def label(self) -> str:
        """The fusion's name in tables; ``early:text`` is early fusion's encoder and head on text alone."""
        return f"{self.fusion}:{self.modality}" if self.modality else self.fusion

    @property
    def name(self) -> str:
        """Fusion and measure, as a user names an arm: ``early/kl``."""
        return f"{self.label}/{self.measure}"

    @property
    def has_penalty(self) -> bool:
        """Whether a weight has to be known."""
        return self.measure not in {NONE, PLACEBO}


@dataclass(frozen=True)
class Trial:
    """One training run of a comparison.

    Attributes:
        arm: what is trained.
        weight: the penalty's weight, 0 for none.
        seed: the number that pairs it with the other arms.
        partition: position of the partition in the data set.
        reads_test: whether the test part is predicted; never while weights are chosen.
    """

    arm: Arm
    weight: float
    seed: int
    partition: int
    reads_test: bool

    def folder(self, root: Path) -> Path:
        """Where its result lies."""
        short = f"{self.weight:g}"
        weight = short if float(short) == self.weight else repr(self.weight)
        setting = f"{self.arm.measure}-{weight}" if self.arm.has_penalty else self.arm.measure
        return root / self.arm.label.replace(":", "-") / setting / f"seed-{self.seed}" / f"part-{self.partition}"

    def config(self, base: RunConfig) -> RunConfig:
        """The run's configuration: the base with this task's architecture, penalty and seed."""
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
        measures: ``none`` is always trained, as the reference.
        weight: ``auto``, one number, or measure to number.
        weight_grid: what ``auto`` chooses from.
        seeds: reported seeds.
        selection_seeds: seeds that choose weights and the best single modality; none of them is reported.
        fusion_config: options of the architectures; below an architecture's name, for it alone.
        fusion_training: architecture to options of the optimisation that are its own, for example
            ``{"mag": {"lr": 1e-4}}``.
        base: everything else of a run.
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
            _check_measure(measure)
        if self.seeds < 2:
            raise InputError(f"seeds is {self.seeds}: a comparison needs at least 2")
        if self.selection_seeds < 1:
            raise InputError(f"selection_seeds is {self.selection_seeds}: give at least 1")
        if not self.weight_grid:
            raise InputError("weight_grid is empty: give at least one weight")
        for weight in (*self.weight_grid, *self.fixed_weights().values()):
            if not 0 <= weight < math.inf:
                raise InputError(f"penalty weight is {weight}: give a number that is not negative")
        for measure in self.penalties:
            dataclasses.replace(self.base.penalty, measure=measure)  # its own checks

    def _check_fusions(self) -> None:
        if not self.fusions:
            raise InputError("no fusion to compare: name at least one")
        for fusion in (*self.fusions, *self.fusion_training):
            fusion_family(fusion)
        for fusion in self.fusions:
            self.base_for(fusion)  # its own checks

    @property
    def penalties(self) -> tuple[str, ...]:
        """The measures that are penalties, in order."""
        return tuple(measure for measure in self.measures if measure not in {NONE, PLACEBO})

    def fixed_weights(self) -> dict[str, float]:
        """Weights that need no choosing, by measure.

        Raises:
            InputError: a weight is given for some measures only, or for one that is not compared.
        """
        if self.weight == "auto":
            return {}
        if not isinstance(self.weight, Mapping):
            return dict.fromkeys(self.penalties, float(self.weight))
        for measure in self.weight:
            if measure not in self.penalties:
                raise InputError.unknown("measure in --weight", measure, self.penalties)
        missing = [measure for measure in self.penalties if measure not in self.weight]
        if missing:
            raise InputError(f"--weight names no weight for {missing[0]}: give one for every measure, or auto")
        return {measure: float(weight) for measure, weight in self.weight.items()}

    def arms(self) -> list[Arm]:
        """Arms with all modalities, the reference first."""
        measures = [NONE, *(measure for measure in self.measures if measure != NONE)]
        return [Arm(fusion, measure) for fusion in self.fusions for measure in measures]

    def to_dict(self) -> dict[str, Any]:
        """What defines the comparison's runs; the number of reported seeds may grow later, so it is left out."""
        return {
            "fusions": list(self.fusions),
            "measures": list(self.measures),
            "weight": dict(self.weight) if isinstance(self.weight, Mapping) else self.weight,
            "weight_grid": list(self.weight_grid),
            "selection_seeds": self.selection_seeds,
            "runs": {fusion: self.base_for(fusion).to_dict() for fusion in self.fusions},
        }

    def base_for(self, fusion: str) -> RunConfig:
        """The configuration that all runs of one architecture share."""
        shared = {key: value for key, value in self.fusion_config.items() if key not in FUSIONS}
        options = {**shared, **self.fusion_config.get(fusion, {})}
        changed = {**dataclasses.asdict(self.base.training), **self.fusion_training.get(fusion, {})}
        training = build_config(TrainingConfig, changed, where=f"{fusion} fusion_training")
        return dataclasses.replace(self.base, fusion=fusion, fusion_config=options, training=training)


def parse_weight(text: str) -> str | float | dict[str, float]:
    """``auto``, a number, or ``kl=0.3,f=1``.

    Raises:
        InputError: anything else.

    Example:
        >>> parse_weight("auto"), parse_weight("0.3"), parse_weight("kl=0.3,f=1")
        ('auto', 0.3, {'kl': 0.3, 'f': 1.0})
    """
    if text == "auto":
        return text
    try:
        if "=" not in text:
            return float(text)
        pairs = (item.split("=", 1) for item in text.split(","))
        return {measure.strip(): float(weight) for measure, weight in pairs}
    except ValueError as error:
        raise InputError(f"--weight {text!r}: give auto, a number, or pairs such as kl=0.3,f=1") from error


def _check_measure(name: str) -> None:
    if name not in {NONE, PLACEBO, *MEASURES}:
        raise InputError.unknown("measure", name, [NONE, PLACEBO, *MEASURES])


def best_by_validation(losses: Mapping[Any, Sequence[float]]) -> Any:
    """The choice with the lowest mean validation loss; the first of equal ones.

    Example:
        >>> best_by_validation({0.1: [1.0, 2.0], 0.3: [1.0, 1.5]})
        0.3
    """
    return min(losses, key=lambda choice: sum(losses[choice]) / len(losses[choice]))
