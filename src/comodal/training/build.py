"""Build the model and the penalty of a run."""

from __future__ import annotations

from typing import Any

import torch

from comodal.contracts import DatasetSpec, InputError
from comodal.dependency import DependencyPenalty, LinearWarmup, measure_spec
from comodal.fusion import fusion_family
from comodal.training.config import RunConfig
from comodal.training.streams import stream_seed

__all__ = ["build_model", "build_penalty"]


def build_model(spec: DatasetSpec, config: RunConfig) -> Any:
    """Return the fusion model with the initial weights of the run's seed; the global random stream is left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(config.seed, "init"))
        try:
            return fusion_family(config.fusion).build(spec, config.build_fusion_config())
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:  # PyTorch's own refusal of a size or a rate
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{config.fusion} fusion cannot be built ({reason}): change fusion_config", code="out_of_range"
            ) from error


def build_penalty(model: Any, config: RunConfig, steps_per_epoch: int) -> DependencyPenalty | None:
    """Return the penalty of a config, ``None`` for measure ``none``; its warm-up counts in the steps of an epoch."""
    options = config.penalty
    if options.measure == "none":
        return None
    dims: dict[str, int] = dict(model.dims)
    if options.between == "fusion":
        dims = {"fused": model.fused_dim, "modalities": sum(dims.values())}
    of_families: dict[str, Any] = {
        "critic": options.critic,
        "hidden": options.critic_hidden,
        "normalize": None if options.normalize == "auto" else options.normalize,
        "lipschitz": options.lipschitz,
    }
    taken = measure_spec(options.measure).options  # a comparison of measures of several families shares one config
    return DependencyPenalty(
        options.measure,
        dims=dims,
        weight=options.weight,
        critic_steps=options.critic_steps,
        fresh_batches=options.fresh_batches,
        schedule=LinearWarmup(options.warmup_epochs * steps_per_epoch) if options.warmup_epochs else None,
        critic_lr=options.critic_lr,
        seed=stream_seed(config.seed, "critic"),
        **{name: value for name, value in of_families.items() if name in taken},
    )
