"""Cost of a task: a training step of a classifier over one of a regression with as wide a head, in one run on one core.

Run ``python benchmarks/task_step.py``; it prints a table and never fails. The model is early fusion at the sizes of
CMU-MOSI's utterance file, batch 64, in a plain loop, without a penalty and with ``kl``. Short rounds of both tasks are
interleaved, so that a busy machine slows both alike; a ratio is the median over rounds of each round's ratio.
"""

from __future__ import annotations

import statistics

import torch
from support.interleaved import median_ratio, rounds_of_steps, taken_in_turn
from support.steps import DIMS, early_fusion_step
from torch import Tensor

from comodal.contracts import Binary, Multiclass, Multilabel, Regression, Task
from comodal.dependency import DependencyPenalty

BATCH = 64
NAMES = tuple("abcdefghij")
PAIRS: dict[str, tuple[Task, Task]] = {
    "binary": (Binary(("no", "yes")), Regression()),
    "multiclass of 10": (Multiclass(NAMES), Regression(names=NAMES)),
    "multilabel of 10": (Multilabel(NAMES), Regression(names=NAMES)),
}
"""Name to a task of classes and a regression of as many outputs."""


def targets(task: Task) -> Tensor:
    """Return random targets of a batch."""
    several = isinstance(task, Multilabel) or (not task.classes and task.width > 1)
    shape = (BATCH, task.width) if several else (BATCH,)
    return (
        torch.randint(len(task.classes), shape).float() if task.classes and not several else torch.rand(shape).round()
    )


def main() -> None:
    """Print the table."""
    options = rounds_of_steps(__doc__)
    print(f"{'task':28} {'us a step':>10} {'of a regression as wide':>24}")
    for name, pair in PAIRS.items():
        for penalised in (False, True):
            penalties = (DependencyPenalty("kl", dims=dict.fromkeys(DIMS, 32)) if penalised else None for _ in pair)
            steps = zip(pair, penalties, strict=True)
            own, other = (early_fusion_step(task, targets(task), penalty) for task, penalty in steps)
            seconds = taken_in_turn({"own": own, "other": other}, rounds=options.rounds, repeats=options.steps)
            label = f"{name}{', with kl' if penalised else ''}"
            microseconds = statistics.median(seconds["own"]) * 1e6
            print(f"{label:28} {microseconds:10.0f} {median_ratio(seconds, 'own', 'other'):24.3f}")


if __name__ == "__main__":
    main()
