"""Training steps as functions without arguments, for timing."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from comodal.contracts import MultimodalBatch
from comodal.dependency import DependencyPenalty

__all__ = ["fitting", "penalized", "training_step"]


def training_step(model: nn.Module, optimizer: Optimizer, objective: Callable[[], Tensor]) -> Callable[[], None]:
    """Return a function that makes one step: objective, gradient, clipping, update."""
    parameters = list(model.parameters())

    def step() -> None:
        value = objective()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def fitting(predict: Callable[[], Tensor], target: Tensor) -> Callable[[], Tensor]:
    """Return an objective: the mean absolute error of the predictions."""
    return lambda: functional.l1_loss(predict(), target)


def penalized(model: nn.Module, batch: MultimodalBatch, penalty: DependencyPenalty | None) -> Callable[[], Tensor]:
    """Return an objective: the mean absolute error plus the penalty, if given, after the critic's own steps."""

    def objective() -> Tensor:
        output = model(batch)
        loss = functional.l1_loss(output.logits.squeeze(1), batch.target)
        if penalty is None:
            return loss
        penalty.update_critic(output.representations)
        return loss + penalty(output.representations)

    return objective
