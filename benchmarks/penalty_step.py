"""What a penalty costs: a training step with it over one without, in one run on one core.

Run ``python benchmarks/penalty_step.py``; it prints a table and never fails. Early fusion at the sizes of CMU-MOSI's
utterance file, batch 64. Rounds of all variants are interleaved, so that a noisy machine slows all alike, and the ratio is
the median over rounds of each round's ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.dependency import MEASURES, DependencyPenalty

DIMS = {"text": 100, "audio": 73, "vision": 100}
WIDTH = 32
BATCH = 64


class EarlyFusion(nn.Module):
    """The plain model of the comparison: an encoder a modality, then a network over their concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(dim, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, WIDTH), nn.LayerNorm(WIDTH)
                )
                for name, dim in DIMS.items()
            }
        )
        self.head = nn.Sequential(nn.Linear(len(DIMS) * WIDTH, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Prediction and representations."""
        representations = {name: encoder(batch[name]) for name, encoder in self.encoders.items()}
        return self.head(torch.cat(tuple(representations.values()), dim=1)).squeeze(1), representations


def step_of(penalty: DependencyPenalty | None) -> Callable[[], None]:
    """One training step, all state bound."""
    torch.manual_seed(0)
    model = EarlyFusion()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    batch = {name: torch.randn(BATCH, dim) for name, dim in DIMS.items()}
    target = torch.randn(BATCH)

    def step() -> None:
        prediction, representations = model(batch)
        loss = functional.l1_loss(prediction, target)
        if penalty is not None:
            penalty.update_critic(representations)
            loss = loss + penalty(representations)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measured(variants: Mapping[str, Callable[[], None]], *, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step of every variant in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(rounds + 1):
        for name, step in variants.items():
            start = time.process_time()
            for _ in range(steps):
                step()
            if round_number:  # the first round warms caches up
                seconds[name].append((time.process_time() - start) / steps)
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dims = dict.fromkeys(DIMS, WIDTH)
    variants = {"none": step_of(None)}
    variants |= {name: step_of(DependencyPenalty(name, dims=dims)) for name in MEASURES}
    variants["kl, separable critic"] = step_of(DependencyPenalty("kl", dims=dims, critic="separable"))
    variants["wasserstein, spectral norm"] = step_of(
        DependencyPenalty("wasserstein", dims=dims, lipschitz="spectral_norm")
    )
    variants["kl, K=0"] = step_of(DependencyPenalty("kl", dims=dims, critic_steps=0))
    seconds = measured(variants, rounds=options.rounds, steps=options.steps)
    print(f"{'penalty':28} {'us a step':>10} {'ratio':>7}")
    for name, times in seconds.items():
        ratio = statistics.median(one / none for one, none in zip(times, seconds["none"], strict=True))
        print(f"{name:28} {statistics.median(times) * 1e6:10.0f} {ratio:7.2f}")


if __name__ == "__main__":
    main()
