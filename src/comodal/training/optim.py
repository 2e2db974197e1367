"""Optimisers from a model's own parameter groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from comodal.contracts import InputError
from comodal.training.config import TrainingConfig

__all__ = ["build_optimizer", "build_schedule"]


def build_optimizer(
    model: nn.Module, config: TrainingConfig, extra_groups: list[dict[str, Any]] | None = None
) -> torch.optim.Optimizer:
    """Return AdamW over every parameter of a model, with weight decay on matrices only.

    Args:
        model: a fusion model with ``parameter_groups()``.
        config: learning rate and weight decay.
        extra_groups: groups of parameters from elsewhere, for example of a critic that is trained simultaneously.

    Raises:
        InputError: a trainable parameter is in no group or in two, so it would be trained never or twice; or a group
            with a learning rate of its own does not exist.

    Example:
        >>> from comodal.contracts import DatasetSpec
        >>> from comodal.fusion import EarlyFusion
        >>> model = EarlyFusion(DatasetSpec("toy", {"text": 4}, {"text": 1}))
        >>> len(build_optimizer(model, TrainingConfig()).param_groups)
        4
    """
    groups: list[dict[str, Any]] = []
    checked = _checked_groups(model)
    for name in config.group_lr:
        if name not in checked:
            raise InputError.unknown("parameter group", name, checked, where="training.group_lr")
    for name, parameters in checked.items():
        lr = config.group_lr.get(name, config.lr)
        matrices = [p for p in parameters if p.ndim >= 2]
        vectors = [p for p in parameters if p.ndim < 2]
        groups.append({"params": matrices, "name": name, "lr": lr, "weight_decay": config.weight_decay})
        groups.append({"params": vectors, "name": f"{name} (no decay)", "lr": lr, "weight_decay": 0.0})
    groups.extend(extra_groups or [])
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.lr, weight_decay=0.0, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, steps: int
) -> torch.optim.lr_scheduler.LambdaLR | None:
    """Return the schedule of the learning rate over the steps of all epochs, ``None`` for a constant one."""
    if config.schedule == "constant" and config.warmup_share == 0:
        return None
    warmup = round(config.warmup_share * steps)
    rest = max(1, steps - warmup)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (steps - step) / rest) if config.schedule == "linear" else 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _checked_groups(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, list[nn.Parameter]] = model.parameter_groups()  # type: ignore[operator]
    owners: dict[int, list[str]] = {}
    for name, parameters in groups.items():
        for parameter in parameters:
            owners.setdefault(id(parameter), []).append(name)
    for name, parameter in model.named_parameters():
        found = owners.get(id(parameter), [])
        if parameter.requires_grad and len(found) != 1:
            where = f"in {len(found)} parameter groups {found}" if found else "in no parameter group"
            raise InputError(
                f"parameter {name!r} of {type(model).__name__} is {where}: list it once in parameter_groups()",
                code="missing" if not found else "duplicate",
            )
    return {name: [p for p in parameters if p.requires_grad] for name, parameters in groups.items()}
