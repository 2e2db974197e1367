"""Measures from above against their formula in loops and a closed form, and what a negative weight does."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor
from torch.distributions import Normal

from comodal.contracts.errors import Code
from comodal.dependency import DependencyPenalty, build_measure, gaussian

DIMS = {"text": 4, "audio": 3, "vision": 2}


def views_of(n: int = 7) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(n, dim, generator=generator) for name, dim in DIMS.items()}


@torch.no_grad()
def test_club_is_its_formula_in_loops_over_all_pairs_of_samples_and_views() -> None:
    """Cheng et al. 2020, eq. 10, with densities of ``torch.distributions``."""
    measure, views = build_measure("club", dims=DIMS, normalize="none"), list(views_of().values())
    pairs = [(x, y) for x in range(3) for y in range(3) if x != y]
    values, losses = [], []
    for density, (x, y) in zip(measure.densities, pairs, strict=True):
        mean, raw = density.network(views[x]).chunk(2, dim=1)
        q = [Normal(m, (2.5 * torch.tanh(r / 5)).exp()) for m, r in zip(mean, raw, strict=True)]
        own = [float(q[i].log_prob(views[y][i]).sum()) for i in range(7)]
        of_all = [float(q[i].log_prob(views[y][j]).sum()) for i in range(7) for j in range(7)]
        values.append(sum(own) / 7 - sum(of_all) / 49)
        losses.append(-sum(own) / 7 - 0.5 * math.log(2 * math.pi) * views[y].shape[1])
    assert measure.value(views).item() == pytest.approx(sum(values) / 6, abs=1e-5)
    assert measure.learn(views).item() == pytest.approx(sum(losses) / 6, abs=1e-5)


def fitted(correlation: float, **options: Any) -> float:
    """Value on new pairs of standard normals after q was fitted, once linear in the mean."""
    generator = torch.Generator().manual_seed(1)

    def pairs(n: int) -> list[Tensor]:
        first, noise = torch.randn(2, n, 1, generator=generator)
        return [first, correlation * first + math.sqrt(1 - correlation**2) * noise]

    measure = build_measure("club", dims=[1, 1], normalize="none", hidden=(), **options)
    optimizer = torch.optim.Adam(measure.parameters(), lr=0.02, fused=True)
    for _ in range(400):
        optimizer.zero_grad()
        measure.learn(pairs(256)).backward()
        optimizer.step()
    return measure.value(pairs(20_000)).item()


@pytest.mark.statistical
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_with_the_true_conditional_club_is_the_closed_form_of_gaussians_and_above_the_information(
    correlation: float,
) -> None:
    """``r^2 / (1 - r^2)``. Seeded; its standard error at 20000 pairs is below 0.03 for r = 0.8, allowed are four."""
    found = fitted(correlation)
    assert found == pytest.approx(correlation**2 / (1 - correlation**2), abs=0.12 if correlation > 0.6 else 0.03)
    assert found > -0.5 * math.log(1 - correlation**2) - 0.03


@pytest.mark.statistical
def test_a_weight_below_zero_makes_encoders_forget_what_their_views_share() -> None:
    """Seeded. Two features a view, one shared: encoders of one feature each may keep either, a task reads both."""
    generator = torch.Generator().manual_seed(0)

    def batch(n: int) -> list[Tensor]:
        shared = torch.randn(n, 1, generator=generator)
        return [torch.cat([shared, torch.randn(n, 1, generator=generator)], dim=1) for _ in range(2)]

    def left(weight: float) -> float:
        torch.manual_seed(0)
        encoders = [torch.nn.Linear(2, 2) for _ in range(2)]
        penalty = DependencyPenalty("club", dims=[2, 2], weight=weight, normalize="sphere", critic_lr=1e-2)
        optimizer = torch.optim.Adam([each for one in encoders for each in one.parameters()], lr=1e-2)
        for _ in range(400):
            views = [encoder(view) for encoder, view in zip(encoders, batch(128), strict=True)]
            penalty.update_critic(views)
            optimizer.zero_grad()
            penalty(views).backward()
            optimizer.step()
        with torch.no_grad():
            return float(gaussian([encoder(view) for encoder, view in zip(encoders, batch(4000), strict=True)]))

    assert left(-10.0) < 0.25 * left(0.0)


@pytest.mark.parametrize("weight", [-0.5, 0.5])
def test_trained_in_one_step_the_conditionals_still_learn_by_likelihood(weight: float) -> None:
    penalty, views = DependencyPenalty("club", dims=DIMS, weight=weight, critic_steps=0), views_of()
    penalty(views).backward()
    found = [parameter.grad for parameter in penalty.measure.parameters()]
    wanted = torch.autograd.grad(penalty.measure.learn(views), list(penalty.measure.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, 0.5 / penalty.measure.gradient_scale * other)


@torch.no_grad()
def test_with_samples_that_lack_a_view_every_pair_has_the_distributions_of_its_own() -> None:
    penalty, views = DependencyPenalty("club", dims=DIMS, normalize="none", weight=-30.0), views_of(9)
    rows = torch.arange(9) > 2
    names, found = list(DIMS), []
    pairs = [(x, y) for x in names for y in names if x != y]
    for density, (x, y) in zip(penalty.measure.densities, pairs, strict=True):
        kept = rows if "audio" in {x, y} else torch.ones(9, dtype=torch.bool)
        own, of_all = density(views[x][kept], views[y][kept])
        found.append((own - of_all).mean())
    torch.testing.assert_close(penalty(views, mask={"audio": rows}), torch.stack(found).mean())
    assert penalty.update_critic(views, mask={"audio": rows}) is not None


def test_the_value_trains_views_only_and_the_loss_the_conditionals_only() -> None:
    measure, views = (
        build_measure("club", dims=DIMS),
        {name: each.requires_grad_() for name, each in views_of().items()},
    )
    measure.value(views).backward()
    assert all(view.grad is not None and bool(view.grad.any()) for view in views.values())
    assert all(parameter.grad is None for parameter in measure.parameters())
    before = {name: view.grad.clone() for name, view in views.items() if view.grad is not None}
    measure.learn(views).backward()
    assert all(torch.equal(before[name], view.grad) for name, view in views.items() if view.grad is not None)
    assert all(parameter.grad is not None for parameter in measure.parameters())


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"hidden": (8, 0)}, "out_of_range", ["hidden", 0]),
        ({"normalize": "lyer"}, "unknown_name", ["lyer", "layer"]),
        ({"dims": [4, 1]}, "conflict", ["'1'", "layer"]),
        ({"critic": "joint"}, "unknown_name", ["critic", "hidden"]),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], code: Code, named: list[object]) -> None:
    with refused(code, *named):
        build_measure("club", **{"dims": [4, 4], **options})
