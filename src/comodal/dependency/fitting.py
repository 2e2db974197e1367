"""Fitting a critic to fixed samples: early-stopped, averaged over its last weights, judged on samples of its own.

Axis legend: n samples, M views, D_m width of view m.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from comodal.contracts import InputError
from comodal.dependency.critics import Critic
from comodal.resampling import cyclic_order

__all__ = ["FitConfig", "aligned_rows", "broken_rows", "fit_critic", "score_tuples"]

Objective = Callable[[Tensor, Tensor], Tensor]
CHUNK = 1 << 15


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Options of fitting a critic.

    Args:
        hidden: widths of its hidden layers, even numbers.
        steps: optimiser steps.
        checks: number of evaluations on the validation samples; the best weights are kept.
        batch_size: joint tuples per step.
        marginal_per_joint: tuples with broken pairing per joint one.
        learning_rate: of the network; warmed up, then lowered along a cosine.
        weight_decay: of the network.
        averaging: decay of the moving average of weights that is evaluated and kept.

    Raises:
        InputError: a count below 1, or a rate that is not positive.

    Example:
        >>> FitConfig(steps=100).hidden
        (64, 64)
    """

    hidden: tuple[int, ...] = (64, 64)
    steps: int = 1500
    checks: int = 30
    batch_size: int = 256
    marginal_per_joint: int = 4
    learning_rate: float = 1e-2
    weight_decay: float = 1e-3
    averaging: float = 0.98

    def __post_init__(self) -> None:
        for name in ("steps", "checks", "batch_size", "marginal_per_joint"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give at least 1", code="out_of_range")
        if not self.hidden or any(width < 2 or width % 2 for width in self.hidden):
            raise InputError(
                f"hidden={self.hidden}: give one or more even widths, such as (64, 64)", code="out_of_range"
            )
        if not self.learning_rate > 0 or not 0 <= self.averaging < 1 or self.weight_decay < 0:
            raise InputError(
                "learning_rate must be positive, weight_decay not negative, averaging in [0, 1)", code="out_of_range"
            )


def aligned_rows(views: Sequence[Tensor]) -> Tensor:
    """Return the rows of the joint samples, ``(M, n)``."""
    return torch.arange(len(views[0])).expand(len(views), -1)


def broken_rows(views: Sequence[Tensor], tuples: int, generator: torch.Generator) -> Tensor:
    """Return the rows ``(M, k)`` of about as many tuples with broken pairing, k a multiple (10 to 1000) of n."""
    pairings = min(1000, max(10, tuples // len(views[0])))
    return cyclic_order(len(views[0]), len(views), pairings=pairings, generator=generator)


@torch.no_grad()
def score_tuples(critic: Callable[[Sequence[Tensor]], Tensor], views: Sequence[Tensor], order: Tensor) -> Tensor:
    """Return scores ``(k,)`` of the tuples with rows ``(M, k)``, computed in pieces that fit the processor's cache."""
    with parametrize.cached():
        pieces = [critic(_take(views, piece)) for piece in torch.split(order, CHUNK, dim=1)]
    return torch.cat(pieces)


def fit_critic(
    critic: Critic,
    objective: Objective,
    *,
    train: Sequence[Tensor],
    validation: Sequence[Tensor],
    validation_order: Tensor,
    slow: Sequence[Tensor] = (),
    config: FitConfig,
    generator: torch.Generator,
) -> float:
    """Maximise an objective of the critic's scores and keep the weights that are best on validation samples.

    Args:
        critic: fitted in place.
        objective: ``(joint scores, marginal scores) -> scalar``, larger = better.
        train: one ``(n, D_m)`` tensor per view.
        validation: as ``train``, other samples.
        validation_order: ``(M, k)`` rows of the validation tuples with broken pairing.
        slow: parameters that start near their optimum and get a tenth of the learning rate.
        config: options.
        generator: source of batches and pairings.

    Returns:
        The objective on the validation samples with the weights kept.
    """
    judged = copy.deepcopy(critic)
    weights: list[Tensor] = list(critic.parameters())
    average: list[Tensor] = list(judged.parameters())
    optimizer = _optimizer(weights, slow, config)
    rates = [group["lr"] for group in optimizer.param_groups]
    batches = _batches(train, config, generator)
    best, kept = _judge(judged, objective, validation, validation_order), [w.detach().clone() for w in average]
    every = max(1, config.steps // config.checks)
    for step in range(1, config.steps + 1):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * _schedule(step / config.steps)
        size, order = next(batches)
        scores = critic(_take(train, order))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(-objective(scores[:size], scores[size:]))
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, weights, 1 - config.averaging)
        if step % every == 0:
            value = _judge(judged, objective, validation, validation_order)
            if value > best:
                best, kept = value, [w.detach().clone() for w in average]
    with torch.no_grad():
        for weight, best_weight in zip(weights, kept, strict=True):
            weight.copy_(best_weight)
    return best


def _optimizer(weights: Sequence[Tensor], slow: Sequence[Tensor], config: FitConfig) -> torch.optim.Optimizer:
    among_slow = {id(weight) for weight in slow}
    fast = [weight for weight in weights if id(weight) not in among_slow]
    groups: list[dict[str, object]] = [
        {"params": fast, "lr": config.learning_rate, "weight_decay": config.weight_decay}
    ]
    if slow:
        groups.append({"params": list(slow), "lr": config.learning_rate / 10, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)


def _schedule(progress: float) -> float:
    return min(1.0, progress / 0.03) * 0.5 * (1 + math.cos(math.pi * progress))


def _take(views: Sequence[Tensor], order: Tensor) -> list[Tensor]:
    return [view.index_select(0, rows) for view, rows in zip(views, order.unbind(), strict=True)]


def _batches(views: Sequence[Tensor], config: FitConfig, generator: torch.Generator) -> Iterator[tuple[int, Tensor]]:
    """Yield ``(joint tuples, rows)`` endlessly: joint tuples first, each sample once per epoch, new pairings."""
    n, many = len(views[0]), config.marginal_per_joint
    size = min(config.batch_size, n)
    while True:
        aligned = torch.randperm(n, generator=generator).expand(len(views), n)
        order = cyclic_order(n, len(views), pairings=many, generator=generator)
        for start in range(0, n - size + 1, size):
            rows = [aligned[:, start : start + size], order[:, start * many : (start + size) * many]]
            yield size, torch.cat(rows, dim=1)


def _judge(critic: Critic, objective: Objective, views: Sequence[Tensor], order: Tensor) -> float:
    n = len(views[0])
    scores = score_tuples(critic, views, torch.cat([aligned_rows(views), order], dim=1))
    value = float(objective(scores[:n], scores[n:]))
    return value if math.isfinite(value) else -math.inf
