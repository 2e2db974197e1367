"""Training steps as functions without arguments, for timing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch, Task
from comodal.dependency import DependencyPenalty
from comodal.dependency.attach import AttachedPenalty
from comodal.fusion import EarlyFusion
from comodal.objective import TaskLoss
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

__all__ = ["DIMS", "early_fusion_step", "fitting", "penalized", "training_step"]

DIMS = {"text": 100, "audio": 73, "vision": 100}
"""Widths of the modalities of CMU-MOSI's utterance file."""


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


def penalized(
    model: nn.Module, batch: MultimodalBatch, penalty: DependencyPenalty | AttachedPenalty | None, loss: str = "l1"
) -> Callable[[], Tensor]:
    """Return an objective: a task loss plus the penalty, if given, after the critic's own steps."""
    task_loss = TaskLoss(loss)

    def objective() -> Tensor:
        output = model(batch)
        value = task_loss(output.logits, batch.target)
        if penalty is None:
            return value
        if isinstance(penalty, AttachedPenalty):
            return value + penalty()
        penalty.update_critic(output.representations)
        return value + penalty(output.representations)

    return objective


def early_fusion_step(
    task: Task, target: Tensor, penalty: DependencyPenalty | Callable[[nn.Module], AttachedPenalty] | None
) -> Callable[[], None]:
    """Return a function that makes one training step of early fusion with its default optimiser and the task's loss.

    The penalty may be a function that attaches one to the model.
    """
    torch.manual_seed(0)
    model = EarlyFusion(DatasetSpec("benchmark", DIMS, dict.fromkeys(DIMS, 1), task=task))
    present = torch.ones(len(target), 1, dtype=torch.bool)
    sequences = {name: ModalitySequence(torch.randn(len(target), 1, dim), present) for name, dim in DIMS.items()}
    batch = MultimodalBatch(tuple(map(str, range(len(target)))), sequences, target)
    made = penalty if penalty is None or isinstance(penalty, DependencyPenalty) else penalty(model)
    objective = penalized(model, batch, made, task.require_loss("auto"))
    return training_step(model, build_optimizer(model, TrainingConfig()), objective)
