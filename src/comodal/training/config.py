"""Typed configuration of a run: model, penalty, training, seed. A run folder keeps it as YAML."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from dataclasses import dataclass, field
from typing import Any

from comodal.contracts import InputError
from comodal.contracts.option_names import (
    BETWEEN,
    CRITIC_NAMES,
    FUSION_NAMES,
    LIPSCHITZ_NAMES,
    MEASURE_HABITS,
    MEASURE_NAMES,
    NORMALIZATION_NAMES,
    TASK_LOSS_NAMES,
)
from comodal.data.corruptions import parse_corruption
from comodal.training.build_config import build_config
from comodal.training.presets import load_preset

__all__ = ["ACCELERATORS", "PRECISIONS", "SCHEDULES", "PenaltyConfig", "RunConfig", "TrainingConfig"]

SCHEDULES = ("constant", "linear")
"""What the learning rate does after the warm-up."""
ACCELERATORS = ("cpu", "gpu", "auto")
PRECISIONS = {"32-true": "no", "bf16-mixed": "bf16", "16-mixed": "fp16"}
"""Name of a precision to Accelerate's."""
CLASS_WEIGHTS = ("none", "balanced")
"""Weights of the classes in the task loss."""
_CHOICES = {
    "task_loss": ("auto", *TASK_LOSS_NAMES),
    "class_weight": CLASS_WEIGHTS,
    "schedule": SCHEDULES,
    "accelerator": ACCELERATORS,
    "precision": tuple(PRECISIONS),
}


@dataclass(frozen=True, kw_only=True)
class PenaltyConfig:
    """The dependency penalty.

    Attributes:
        measure: ``none``, or a measure's name (``kl``, ``f``, ``wasserstein``, ...).
        weight: lambda, the penalty's weight in the objective; below 0 only for an upper bound such as ``club``.
        between: ``modalities``, or ``fusion`` for the fused representation against the modalities.
        critic_steps: critic steps K for one step of the model; 0 trains both in one simultaneous step.
        fresh_batches: draw a new batch for every critic step, as the paper does.
        critic: ``joint`` or ``separable``.
        critic_hidden: widths of the critic's hidden layers.
        critic_lr: learning rate of the critic's own optimiser.
        normalize: normalisation of what the critic sees, ``layer`` or ``sphere``; ``auto`` is the measure's own.
        lipschitz: how a Wasserstein critic is kept 1-Lipschitz, ``gradient_penalty`` or ``spectral_norm``.
        warmup_epochs: the weight rises linearly from 0 over this many epochs.
    """

    measure: str = "none"
    weight: float = 0.3
    between: str = "modalities"
    critic_steps: int = 1
    fresh_batches: bool = False
    critic: str = "separable"
    critic_hidden: tuple[int, ...] = (64,)
    critic_lr: float = 3e-3
    normalize: str = "auto"
    lipschitz: str = "gradient_penalty"
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        choices = {
            "measure": ("none", *MEASURE_NAMES, "nwj"),
            "between": BETWEEN,
            "critic": CRITIC_NAMES,
            "normalize": ("auto", *NORMALIZATION_NAMES),
            "lipschitz": LIPSCHITZ_NAMES,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                habits = MEASURE_HABITS if name == "measure" else {}
                raise InputError.unknown(f"penalty.{name}", getattr(self, name), known, habits=habits)
        for name in ("critic_steps", "warmup_epochs"):
            _require(math.isfinite(getattr(self, name)) and getattr(self, name) >= 0, self, name, "0 or more")
        self._check_weight()
        _require(math.isfinite(self.critic_lr) and self.critic_lr > 0, self, "critic_lr", "a number above 0")
        _require(bool(self.critic_hidden) and min(self.critic_hidden) > 0, self, "critic_hidden", "widths of 1 or more")
        if self.fresh_batches and self.critic_steps == 0:
            raise InputError(
                "penalty.fresh_batches needs penalty.critic_steps of 1 or more: the critic has no steps of its own",
                code="conflict",
            )
        if self.measure == "wasserstein":
            self._check_wasserstein()

    def _check_weight(self) -> None:
        if 0 <= self.weight < math.inf:
            return
        from comodal.dependency import measure_spec  # noqa: PLC0415 - imports torch

        measure = "kl" if self.measure == "none" else self.measure
        measure_spec(measure).facts.checked_weight(self.weight, name="penalty.weight")

    def _check_wasserstein(self) -> None:
        if self.normalize == "none":
            raise InputError(
                "penalty.normalize 'none': wasserstein grows with the scale of the representations alone; "
                "choose 'layer' or 'sphere'",
                code="conflict",
            )
        if self.lipschitz == "spectral_norm" and self.critic != "joint":
            raise InputError(
                f"penalty.lipschitz 'spectral_norm' with penalty.critic {self.critic!r}: choose the critic 'joint', "
                "or 'gradient_penalty'",
                code="conflict",
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The optimisation.

    Attributes:
        lr: learning rate of AdamW.
        group_lr: learning rates of a model's parameter groups that have their own, by name, for example
            ``{"encoders": 2e-5}`` for a pretrained language model.
        schedule: ``constant``, or ``linear`` for a learning rate that falls to 0 at the end of ``max_epochs``.
        warmup_share: share of the steps of ``max_epochs`` over which the learning rate rises linearly from 0.
        weight_decay: decoupled weight decay, not applied to biases and norms.
        batch_size: samples per batch.
        accumulate: batches whose gradients are averaged for one step of the model.
        max_epochs: most passes over the training data.
        patience: epochs without a better validation loss before training stops.
        task_loss: ``auto`` for the task's own (``l1`` for a regression, ``cross_entropy`` or ``bce`` for classes), or a
            name: ``l1``, ``mse``, ``smooth_l1``, ``cross_entropy``, ``bce``.
        class_weight: ``balanced`` weights every class, or the two sides of a label, by its rarity in the training part.
        label_smoothing: share of every class label that is spread over all classes, in [0, 1).
        gradient_clip: largest norm of the model's gradient; 0 for none.
        length_pool: batches among which samples are sorted by length, so that a batch of sequences is padded little;
            0 for batches at random.
        train_share: share of the training samples used, in (0, 1]; whole groups are kept or left out.
        label_budget: labels of the training part that a run sees, drawn by its seed: of so many samples per class, or
            in all for a task without classes; 0 for every label. The other training samples are unlabelled.
        unlabelled: the dependency measure also sees training samples without a label.
        augment: corruptions of the training batches, in order, for example ``["noise:audio=0.3", "drop:vision=0.2"]``;
            validation and test stay clean.
        accelerator: the device: ``cpu``, ``gpu``, or ``auto`` for a GPU where there is one.
        precision: ``32-true``, ``bf16-mixed``, or ``16-mixed`` on a GPU.
    """

    lr: float = 1e-3
    group_lr: dict[str, float] = field(default_factory=dict)
    schedule: str = "constant"
    warmup_share: float = 0.0
    weight_decay: float = 1e-2
    batch_size: int = 64
    accumulate: int = 1
    max_epochs: int = 60
    patience: int = 10
    task_loss: str = "auto"
    class_weight: str = "none"
    label_smoothing: float = 0.0
    gradient_clip: float = 1.0
    length_pool: int = 0
    train_share: float = 1.0
    label_budget: int = 0
    unlabelled: bool = True
    augment: tuple[str, ...] = ()
    accelerator: str = "cpu"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size", "accumulate", "max_epochs", "patience"):
            _require(getattr(self, name) > 0, self, name, "a positive number")
        for name, lr in self.group_lr.items():
            if not lr > 0:
                raise InputError(f"training.group_lr of {name!r} is {lr}: give a positive number", code="out_of_range")
        for name in ("weight_decay", "gradient_clip", "length_pool", "label_budget"):
            _require(getattr(self, name) >= 0, self, name, "a number that is not negative")
        _require(0 < self.train_share <= 1, self, "train_share", "a share in (0, 1]")
        for name in ("warmup_share", "label_smoothing"):
            _require(0 <= getattr(self, name) < 1, self, name, "a share in [0, 1)")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise InputError.unknown(f"training.{name}", getattr(self, name), known)
        _require_corruptions(self.augment)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run, but for its data.

    Attributes:
        fusion: name of the fusion architecture.
        fusion_config: options of that architecture, for example ``{"hidden": 128}``.
        penalty: the dependency penalty.
        training: the optimisation.
        seed: seed of every random stream of the run.
        preset: published setting that it started from, empty for none; data that it is not for are refused.
    """

    fusion: str = "early"
    fusion_config: dict[str, Any] = field(default_factory=dict)
    penalty: PenaltyConfig = field(default_factory=PenaltyConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0
    preset: str = ""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: give a number that is not negative", code="out_of_range")
        if self.fusion not in FUSION_NAMES:
            raise InputError.unknown("fusion", self.fusion, FUSION_NAMES)
        if self.preset:
            load_preset(self.preset)
        self.build_fusion_config()

    def build_fusion_config(self) -> Any:
        """Return the architecture's own typed config.

        Raises:
            InputError: an option that the architecture does not have; the nearest known one is offered.
        """
        return _fusion_config(self.fusion, json.dumps(self.fusion_config, default=_as_kept))

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, every default written out, so that a later default changes no finished run.

        An empty ``augment`` is left out, as in the folders of versions without it.
        """
        resolved = json.loads(json.dumps(dataclasses.asdict(self)))
        if not self.training.augment:
            del resolved["training"]["augment"]
        resolved["fusion_config"] = dataclasses.asdict(self.build_fusion_config())
        return dict(resolved)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RunConfig:
        """Return the config that :meth:`to_dict` wrote.

        Example:
            >>> RunConfig.from_dict(RunConfig(seed=3).to_dict()).seed
            3
        """
        config: RunConfig = build_config(RunConfig, values, where="config")
        return config


def _require_corruptions(texts: tuple[str, ...]) -> None:
    for text in texts:
        try:
            parse_corruption(text)
        except InputError as error:
            raise error.at("training.augment") from error


def _require(legal: bool, config: PenaltyConfig | TrainingConfig, name: str, wanted: str) -> None:
    section = "penalty" if isinstance(config, PenaltyConfig) else "training"
    if not legal:
        raise InputError(f"{section}.{name} is {getattr(config, name)}: give {wanted}", code="out_of_range")


@functools.lru_cache(maxsize=256)
def _fusion_config(fusion: str, options: str) -> Any:
    """Return a frozen config, made once for the many runs of a comparison that share it."""
    from comodal.fusion import fusion_family  # noqa: PLC0415 - imports torch

    return build_config(fusion_family(fusion).config, json.loads(options), where=f"{fusion} fusion")


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _as_kept(value: Any) -> Any:
    """Return what a file keeps of a value that JSON cannot hold; build_config refuses wrong types."""
    plain = _plain(value)
    return str(value) if plain is value else plain
