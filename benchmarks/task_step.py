"""Cost of a task: a training step of a classifier over one of a regression with as wide a head, in one run on one core.

Run ``python benchmarks/task_step.py``; it prints a table and never fails. The model is early fusion at the sizes of
CMU-MOSI's utterance file, batch 64, in a plain loop, without a penalty and with ``kl``. Short rounds of both tasks are
interleaved, so that a busy machine slows both alike; a ratio is the median over rounds of each round's ratio.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from support.interleaved import median_ratio, taken_in_turn
from support.steps import training_step
from torch import Tensor

from comodal.contracts import (
    Binary,
    DatasetSpec,
    ModalitySequence,
    Multiclass,
    Multilabel,
    MultimodalBatch,
    Regression,
    Task,
)
from comodal.dependency import DependencyPenalty
from comodal.fusion import EarlyFusion
from comodal.objective import TaskLoss, objective_terms
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

DIMS = {"text": 100, "audio": 73, "vision": 100}
BATCH = 64
NAMES = tuple("abcdefghij")
PAIRS: dict[str, tuple[Task, Task]] = {
    "binary": (Binary(("no", "yes")), Regression()),
    "multiclass of 10": (Multiclass(NAMES), Regression(names=NAMES)),
    "multilabel of 10": (Multilabel(NAMES), Regression(names=NAMES)),
}
"""Name to a task of classes and a regression of as many outputs."""


def step_of(task: Task, *, penalised: bool) -> Callable[[], None]:
    """Return a function that makes one training step of early fusion with its default optimiser and the task's loss."""
    torch.manual_seed(0)
    model = EarlyFusion(DatasetSpec("benchmark", DIMS, dict.fromkeys(DIMS, 1), task=task))
    present = torch.ones(BATCH, 1, dtype=torch.bool)
    sequences = {name: ModalitySequence(torch.randn(BATCH, 1, dim), present) for name, dim in DIMS.items()}
    batch = MultimodalBatch(tuple(map(str, range(BATCH))), sequences, targets(task))
    loss = TaskLoss(task.require_loss("auto"))
    penalty = DependencyPenalty("kl", dims=dict.fromkeys(DIMS, 32)) if penalised else None

    def objective() -> Tensor:
        output = model(batch)
        terms = {}
        if penalty is not None:
            penalty.update_critic(output.representations)
            terms["dependency"] = penalty(output.representations)
        return objective_terms(output, batch.target, loss=loss, penalties=terms).total

    return training_step(model, build_optimizer(model, TrainingConfig()), objective)


def targets(task: Task) -> Tensor:
    """Return random targets of a batch."""
    several = isinstance(task, Multilabel) or (not task.classes and task.width > 1)
    shape = (BATCH, task.width) if several else (BATCH,)
    return (
        torch.randint(len(task.classes), shape).float() if task.classes and not several else torch.rand(shape).round()
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'task':28} {'us a step':>10} {'of a regression as wide':>24}")
    for name, pair in PAIRS.items():
        for penalised in (False, True):
            own, other = (step_of(task, penalised=penalised) for task in pair)
            seconds = taken_in_turn({"own": own, "other": other}, rounds=options.rounds, repeats=options.steps)
            label = f"{name}{', with kl' if penalised else ''}"
            microseconds = statistics.median(seconds["own"]) * 1e6
            print(f"{label:28} {microseconds:10.0f} {median_ratio(seconds, 'own', 'other'):24.3f}")


if __name__ == "__main__":
    main()
