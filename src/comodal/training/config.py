"""Everything that defines a run, typed; a run folder keeps it as YAML."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comodal.contracts import InputError
from comodal.data.corruptions import parse_corruption
from comodal.dependency import BETWEEN, DependencyPenalty, LinearWarmup
from comodal.fusion import fusion_family
from comodal.objective import TASK_LOSSES
from comodal.training.presets import load_preset

__all__ = ["SCHEDULES", "PenaltyConfig", "RunConfig", "TrainingConfig", "build_config"]

SCHEDULES = ("constant", "linear")
"""What the learning rate does after the warm-up."""
ACCELERATORS = ("cpu", "gpu", "auto")
PRECISIONS = {"32-true": "no", "bf16-mixed": "bf16", "16-mixed": "fp16"}
"""Name of a precision to Accelerate's."""
_CHOICES = {
    "task_loss": tuple(TASK_LOSSES),
    "schedule": SCHEDULES,
    "accelerator": ACCELERATORS,
    "precision": tuple(PRECISIONS),
}


@dataclass(frozen=True, kw_only=True)
class PenaltyConfig:
    """The dependency penalty.

    Attributes:
        measure: ``none``, or a measure's name (``kl``, ``f``, ``wasserstein``, ...).
        weight: lambda, the penalty's weight in the objective.
        between: ``modalities``, or ``fusion`` for the fused representation against the modalities.
        critic_steps: critic steps K for one step of the model; 0 trains both in one simultaneous step.
        fresh_batches: draw a new batch for every critic step, as the paper does.
        critic: ``joint`` or ``separable``.
        critic_hidden: widths of the critic's hidden layers.
        critic_lr: learning rate of the critic's own optimiser.
        normalize: normalisation of what the critic sees, ``layer`` or ``sphere``.
        lipschitz: how a Wasserstein critic is kept 1-Lipschitz, ``gradient_penalty`` or ``spectral_norm``.
        warmup_epochs: the weight rises linearly from 0 over this many epochs.
    """

    measure: str = "none"
    weight: float = 0.3
    between: str = "modalities"
    critic_steps: int = 1
    fresh_batches: bool = False
    critic: str = "joint"
    critic_hidden: tuple[int, ...] = (64,)
    critic_lr: float = 3e-3
    normalize: str = "layer"
    lipschitz: str = "gradient_penalty"
    warmup_epochs: int = 0

    def __post_init__(self) -> None:
        if self.between not in BETWEEN:
            raise InputError.unknown("penalty.between", self.between, BETWEEN)
        if self.warmup_epochs < 0:
            raise InputError(f"penalty.warmup_epochs is {self.warmup_epochs}: give a number that is not negative")
        self.build({"one": 8, "two": 8}, measure="kl" if self.measure == "none" else self.measure)  # its own checks

    def build(
        self, dims: Mapping[str, int], *, measure: str, seed: int = 0, steps_per_epoch: int = 1
    ) -> DependencyPenalty:
        """The penalty on variables of these widths.

        Args:
            dims: width of each variable.
            measure: the measure, which is the config's own but for ``none``.
            seed: of the critic.
            steps_per_epoch: model steps of an epoch, which the warm-up counts in.

        Raises:
            InputError: an option is unknown, out of range, or contradicts another.

        Example:
            >>> PenaltyConfig(weight=0.1).build({"text": 4, "audio": 2}, measure="kl").weight
            0.1
        """
        return DependencyPenalty(
            measure,
            dims=dims,
            weight=self.weight,
            critic_steps=self.critic_steps,
            fresh_batches=self.fresh_batches,
            schedule=LinearWarmup(self.warmup_epochs * steps_per_epoch) if self.warmup_epochs else None,
            critic=self.critic,
            hidden=self.critic_hidden,
            normalize=self.normalize,
            critic_lr=self.critic_lr,
            lipschitz=self.lipschitz,
            seed=seed,
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
        batch_size: utterances a batch.
        accumulate: batches whose gradients are averaged for one step of the model.
        max_epochs: most passes over the training data.
        patience: epochs without a better validation loss before training stops.
        task_loss: ``l1``, ``mse`` or ``smooth_l1``.
        gradient_clip: largest norm of the model's gradient; 0 for none.
        length_pool: batches among which utterances are sorted by length, so that a batch of sequences is padded little;
            0 for batches at random.
        train_share: share of the training utterances used, in (0, 1]; whole videos are kept or left out.
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
    task_loss: str = "l1"
    gradient_clip: float = 1.0
    length_pool: int = 0
    train_share: float = 1.0
    augment: tuple[str, ...] = ()
    accelerator: str = "cpu"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        positive = {name: getattr(self, name) for name in ("lr", "batch_size", "accumulate", "max_epochs", "patience")}
        positive |= {f"group_lr of {name!r}": lr for name, lr in self.group_lr.items()}
        for name, value in positive.items():
            if not value > 0:
                raise InputError(f"training.{name} is {value}: give a positive number")
        for name in ("weight_decay", "gradient_clip", "length_pool"):
            if getattr(self, name) < 0:
                raise InputError(f"training.{name} is {getattr(self, name)}: give a number that is not negative")
        if not 0 < self.train_share <= 1:
            raise InputError(f"training.train_share is {self.train_share}: give a share in (0, 1]")
        if not 0 <= self.warmup_share < 1:
            raise InputError(f"training.warmup_share is {self.warmup_share}: give a share in [0, 1)")
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
            raise InputError(f"seed is {self.seed}: give a number that is not negative")
        if self.preset:
            load_preset(self.preset)
        self.build_fusion_config()

    def build_fusion_config(self) -> Any:
        """The architecture's own typed config.

        Raises:
            InputError: unknown architecture or option; the nearest known one is offered.
        """
        fusion_family(self.fusion)  # its own check
        return _fusion_config(self.fusion, json.dumps(self.fusion_config, default=_as_kept))

    def to_dict(self) -> dict[str, Any]:
        """Plain types, every default written out, so that a later default changes no finished run.

        No augmentation is left out: folders from before there was any go on.
        """
        resolved = json.loads(json.dumps(dataclasses.asdict(self)))
        if not self.training.augment:
            del resolved["training"]["augment"]
        resolved["fusion_config"] = dataclasses.asdict(self.build_fusion_config())
        return dict(resolved)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RunConfig:
        """The config that :meth:`to_dict` wrote.

        Example:
            >>> RunConfig.from_dict(RunConfig(seed=3).to_dict()).seed
            3
        """
        config: RunConfig = build_config(RunConfig, values, where="config")
        return config


def build_config(config_class: type[Any], values: dict[str, Any], *, where: str) -> Any:
    """Build a config dataclass from plain values, nested ones included.

    Args:
        config_class: a dataclass.
        values: field name to value; a field that is itself a dataclass takes one, or a dict.
        where: named in error messages.

    Raises:
        InputError: unknown key (the nearest known one is offered) or a value of the wrong type.

    Example:
        >>> build_config(TrainingConfig, {"lr": 0.01}, where="training").lr
        0.01
        >>> build_config(TrainingConfig, {"lrr": 0.01}, where="training")
        Traceback (most recent call last):
        comodal.contracts.InputError: training: unknown key 'lrr': did you mean 'lr'? (known: ...
    """
    import jsonargparse  # noqa: PLC0415 - keeps `import comodal` light

    known = {f.name for f in dataclasses.fields(config_class)}
    _refuse_unknown(values, known, where)
    values = {name: _plain(value) for name, value in values.items()}
    for name in known & values.keys():
        default = _default(config_class, name)
        if dataclasses.is_dataclass(default) and isinstance(values[name], dict):
            _refuse_unknown(values[name], {f.name for f in dataclasses.fields(default)}, f"{where}.{name}")
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(config_class, "config")
    try:
        return parser.instantiate(parser.parse_object({"config": values})).config
    except jsonargparse.ArgumentError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: {reason}") from error


def _require_corruptions(texts: tuple[str, ...]) -> None:
    for text in texts:
        try:
            parse_corruption(text)
        except InputError as error:
            raise InputError(f"training.augment: {error}") from error


@functools.lru_cache(maxsize=256)
def _fusion_config(fusion: str, options: str) -> Any:
    """Made once for the many runs of a comparison that share it; such a config is frozen."""
    return build_config(fusion_family(fusion).config, json.loads(options), where=f"{fusion} fusion")


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _as_kept(value: Any) -> Any:
    """What a file keeps of a value that JSON has no word for; a wrong type is refused where the config is built."""
    plain = _plain(value)
    return str(value) if plain is value else plain


def _default(config_class: type[Any], name: str) -> Any:
    entry = next(f for f in dataclasses.fields(config_class) if f.name == name)
    return entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()


def _refuse_unknown(values: dict[str, Any], known: set[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise InputError.unknown("key", key, sorted(known), where=where)
