"""Optimisers from a model's own parameter groups."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from comodal.contracts import InputError
from comodal.training.config import TrainingConfig

__all__ = ["build_optimizer"]


def build_optimizer(
    model: nn.Module, config: TrainingConfig, extra_groups: list[dict[str, Any]] | None = None
) -> torch.optim.Optimizer:
    """AdamW over every parameter of a model, weight decay on matrices only.

    Args:
        model: a fusion model with ``parameter_groups()``.
        config: learning rate and weight decay.
        extra_groups: groups of parameters from elsewhere, for example of a critic that is trained simultaneously.

    Raises:
        InputError: a trainable parameter is in no group or in two, so it would be trained never or twice.

    Example:
        >>> from comodal.contracts import DatasetSpec
        >>> from comodal.fusion import EarlyFusion
        >>> model = EarlyFusion(DatasetSpec("toy", {"text": 4}, {"text": 1}))
        >>> len(build_optimizer(model, TrainingConfig()).param_groups)
        4
    """
    groups: list[dict[str, Any]] = []
    for name, parameters in _checked_groups(model).items():
        matrices = [p for p in parameters if p.ndim >= 2]
        vectors = [p for p in parameters if p.ndim < 2]
        groups.append({"params": matrices, "name": name, "weight_decay": config.weight_decay})
        groups.append({"params": vectors, "name": f"{name} (no decay)", "weight_decay": 0.0})
    groups.extend(extra_groups or [])
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.lr, weight_decay=0.0, fused=True)


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
                f"parameter {name!r} of {type(model).__name__} is {where}: list it once in parameter_groups()"
            )
    return {name: [p for p in parameters if p.requires_grad] for name, parameters in groups.items()}
