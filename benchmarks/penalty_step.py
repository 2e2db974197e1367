"""Cost of a penalty: a training step with it over one without, in one run on one core.

Run ``python benchmarks/penalty_step.py``; it prints a table and never fails. The model is early fusion at the sizes of
CMU-MOSI's utterance file, batch 128, in a plain loop. Short rounds of all variants are interleaved, so that a busy
machine slows all alike; a ratio is the median over rounds of each round's ratio.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch
from support.interleaved import median_ratio, rounds_of_steps, taken_in_turn
from support.steps import DIMS, early_fusion_step
from torch import nn

from comodal.contracts import Regression
from comodal.dependency import MEASURES, DependencyPenalty
from comodal.dependency.attach import AttachedPenalty, attach

WIDTH = 32
BATCH = 128


def step_of(penalty: DependencyPenalty | None) -> Callable[[], None]:
    """Return a function that makes one training step of a regression."""
    return early_fusion_step(Regression(), torch.randn(BATCH), penalty)


def attached(model: nn.Module) -> AttachedPenalty:
    """Return the penalty on the model's encoders, which it reads by forward hooks."""
    return attach(model, {name: f"encoders.encoders.{name}" for name in DIMS}, measure="kl")


def main() -> None:
    """Print the table."""
    options = rounds_of_steps(__doc__)
    dims = dict.fromkeys(DIMS, WIDTH)
    variants = {"none": step_of(None)}
    variants |= {name: step_of(DependencyPenalty(name, dims=dims)) for name in MEASURES}
    variants["kl, joint critic"] = step_of(DependencyPenalty("kl", dims=dims, critic="joint"))
    variants["wasserstein, spectral norm"] = step_of(
        DependencyPenalty("wasserstein", dims=dims, lipschitz="spectral_norm", critic="joint")
    )
    variants["kl, K=0"] = step_of(DependencyPenalty("kl", dims=dims, critic_steps=0))
    variants["kl, attached"] = early_fusion_step(Regression(), torch.randn(BATCH), attached)
    seconds = taken_in_turn(variants, rounds=options.rounds, repeats=options.steps)
    print(f"{'penalty':28} {'us a step':>10} {'ratio':>7}")
    for name, times in seconds.items():
        print(f"{name:28} {statistics.median(times) * 1e6:10.0f} {median_ratio(seconds, name, 'none'):7.2f}")


if __name__ == "__main__":
    main()
