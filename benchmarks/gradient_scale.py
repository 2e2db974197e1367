"""Gradient of every measure by representations, relative to that of `kl`: what its `gradient_scale` states.

Run ``python benchmarks/gradient_scale.py``; it prints a table and never fails. Two and three Gaussian views of 64
features share 8 directions (correlation 0.7); critics have learnt for 300 steps with batches of 128. What is stated is
the geometric mean of both ratios, rounded to one digit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from comodal.dependency import MEASURES, DependencyPenalty

WIDTH, SHARED, CORRELATION, BATCH, STEPS, BATCHES = 64, 8, 0.7, 128, 300, 5

Draw = Callable[[], dict[str, Tensor]]


def views_of(count: int) -> Draw:
    """Return a function that draws a batch of Gaussian views with shared directions."""
    generator = torch.Generator().manual_seed(0)
    size = (CORRELATION / SHARED) ** 0.5, ((1 - CORRELATION) / WIDTH) ** 0.5
    shared = [torch.randn(SHARED, WIDTH, generator=generator) * size[0] for _ in range(count)]
    own = [torch.randn(WIDTH, WIDTH, generator=generator) * size[1] for _ in range(count)]

    def draw() -> dict[str, Tensor]:
        cause = torch.randn(BATCH, SHARED, generator=generator)
        noise = torch.randn(count, BATCH, WIDTH, generator=generator)
        return {str(view): cause @ shared[view] + noise[view] @ own[view] for view in range(count)}

    return draw


def gradient_norm(name: str, count: int) -> float:
    """Return the mean norm of a measure's gradient by a batch of representations, after its critic has learnt."""
    draw = views_of(count)
    penalty = DependencyPenalty(name, dims=dict.fromkeys(draw(), WIDTH), critic_lr=3e-3)
    for _ in range(STEPS if list(penalty.measure.parameters()) else 0):
        penalty.update_critic(draw())
    total = 0.0
    for _ in range(BATCHES):
        views = {view: values.requires_grad_() for view, values in draw().items()}
        gradients = torch.autograd.grad(penalty.measure.value(views), list(views.values()))
        total += float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())
    return total / BATCHES


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    reference = {count: gradient_norm("kl", count) for count in (2, 3)}
    print(f"{'measure':22} {'2 views':>8} {'3 views':>8} {'mean':>8} {'stated':>8}")
    for name in MEASURES:
        ratios = [gradient_norm(name, count) / reference[count] for count in (2, 3)]
        stated = DependencyPenalty(name, dims=[WIDTH] * 2).measure.gradient_scale
        mean = (ratios[0] * ratios[1]) ** 0.5
        print(f"{name:22} {ratios[0]:8.2f} {ratios[1]:8.2f} {mean:8.2f} {stated:8.2f}", flush=True)


if __name__ == "__main__":
    main()
