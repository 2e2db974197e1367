"""Both ways to keep a critic 1-Lipschitz, judged by the slopes the critic really has."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from refusals import refused
from torch import Tensor, nn

from comodal.dependency.bounds import kantorovich_rubinstein
from comodal.dependency.critics import Critic, JointCritic, QuadraticCritic, SeparableCritic
from comodal.dependency.lipschitz import (
    GRADIENT_PENALTY_COEFFICIENT,
    SpectralLinear,
    gradient_penalty,
    spectral_norm,
)

BITS = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
SQUARE = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def steepest(critic: Critic, points: Tensor) -> float:
    """The largest slope between any two of the points: what Lipschitz means, without a derivative."""
    with torch.no_grad():
        scores = critic.score_points(points)
    rise = (scores[:, None] - scores[None, :]).abs()
    run = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    apart = run > 1e-3
    return float((rise[apart] / run[apart]).max())


def trained_on_copied_bits(critic: Critic, *, coefficient: float, steps: int = 500) -> Critic:
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(critic.parameters(), lr=5e-3)
    joint, marginal = BITS.repeat(32, 1), SQUARE.repeat(16, 1)
    for _ in range(steps):
        shuffled = marginal[torch.randperm(64, generator=generator)]
        loss = -kantorovich_rubinstein(critic.score_points(joint), critic.score_points(marginal))
        loss = loss + coefficient * gradient_penalty(critic, joint, shuffled, generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return critic


def value_on_copied_bits(critic: Critic) -> float:
    with torch.no_grad():
        return float(kantorovich_rubinstein(critic.score_points(BITS), critic.score_points(SQUARE)))


def grid() -> Tensor:
    axis = torch.linspace(0, 1, 15)
    return torch.cartesian_prod(axis, axis)


def test_the_gradient_penalty_finds_half_on_copied_bits_with_slopes_near_one() -> None:
    critic = trained_on_copied_bits(JointCritic([1, 1], hidden=(64,)), coefficient=GRADIENT_PENALTY_COEFFICIENT)
    assert value_on_copied_bits(critic) == pytest.approx(0.5, abs=0.05)
    assert steepest(critic, grid()) < 1.2


def test_without_it_slopes_and_value_run_away() -> None:
    critic = trained_on_copied_bits(JointCritic([1, 1], hidden=(64,)), coefficient=0.0)
    assert value_on_copied_bits(critic) > 2.0
    assert steepest(critic, grid()) > 3.0


def test_spectral_norms_keep_every_slope_below_one() -> None:
    critic = trained_on_copied_bits(spectral_norm(JointCritic([1, 1], hidden=(64,))), coefficient=0.0)
    assert steepest(critic, torch.cat([grid(), 3 * torch.randn(100, 2)])) <= 1.0 + 1e-3
    assert 0.2 < value_on_copied_bits(critic) <= 0.5 + 1e-3


def test_spectral_norms_hold_for_deep_critics_while_they_learn() -> None:
    critic = spectral_norm(JointCritic([3, 2], hidden=(32, 16)))
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(60):
        loss = -critic([torch.randn(16, 3), torch.randn(16, 2)]).var()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert steepest(critic, torch.randn(200, 5)) <= 1.01
    plain = JointCritic([3, 2], hidden=(32, 16))
    for layer, scaled in zip([*plain.layers, plain.head], [*critic.layers, critic.head], strict=True):
        layer.weight.data.copy_(scaled.unscaled.data)
    assert steepest(plain, torch.randn(200, 5)) > 1.5


def test_a_spectral_layer_is_the_weight_over_its_largest_singular_value() -> None:
    linear = nn.Linear(7, 5)
    expected = linear.weight.detach() / torch.linalg.svdvals(linear.weight.detach())[0]
    layer = SpectralLinear(linear)
    torch.testing.assert_close(layer.weight.detach(), expected)
    inputs = torch.randn(3, 7)
    torch.testing.assert_close(layer(inputs), inputs @ expected.T + linear.bias)


def test_a_spectral_layer_only_moves_when_it_can_learn() -> None:
    layer = SpectralLinear(nn.Linear(7, 5))
    with torch.no_grad():
        layer.unscaled.add_(torch.randn(5, 7))
        left = layer.left.clone()
        layer(torch.randn(2, 7))
    assert torch.equal(layer.left, left)
    layer(torch.randn(2, 7))
    assert not torch.equal(layer.left, left)


def test_a_spectral_critic_can_be_pickled_and_copied() -> None:
    critic = spectral_norm(JointCritic([3, 2]))
    views = [torch.randn(4, 3), torch.randn(4, 2)]
    for twin in (pickle.loads(pickle.dumps(critic)), copy.deepcopy(critic)):
        torch.testing.assert_close(twin.eval()(views), critic.eval()(views))


@pytest.mark.parametrize(("slope", "expected"), [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 1.0), (4.0, 9.0)])
def test_the_penalty_is_one_sided(slope: float, expected: float) -> None:
    critic = QuadraticCritic([1, 1])
    nn.init.constant_(critic.slope, slope / 2**0.5)
    penalty = gradient_penalty(critic, torch.randn(8, 2), torch.randn(8, 2))
    assert float(penalty.detach()) == pytest.approx(expected, abs=1e-5)


def test_the_penalty_looks_between_joint_and_marginal_points() -> None:
    """The slope of x^2 + y^2 is 2 |z|, so the penalty tells where it was measured."""
    critic = QuadraticCritic([1, 1])
    nn.init.eye_(critic.form)
    joint, marginal = torch.zeros(4000, 2), torch.tensor([[3.0, 4.0]]).expand(4000, 2)
    penalty = gradient_penalty(critic, joint, marginal, generator=torch.Generator().manual_seed(0))
    expected = 9.0**3 / 30.0  # integral over u in [0.1, 1] of (10 u - 1)^2
    assert float(penalty.detach()) == pytest.approx(expected, rel=0.05)
    at_ends = (10.0 - 1.0) ** 2 / 2
    assert expected != pytest.approx(at_ends, rel=0.05)


def test_no_gradient_reaches_the_points() -> None:
    critic, joint = SeparableCritic([1, 1]), torch.randn(4, 2, requires_grad=True)
    gradient_penalty(critic, 10 * joint, torch.randn(4, 2)).backward()
    assert joint.grad is None
    assert any(parameter.grad is not None for parameter in critic.parameters())


def test_misuse_is_refused() -> None:
    with refused("mismatch", (3, 2), (4, 2)):
        gradient_penalty(QuadraticCritic([1, 1]), torch.zeros(3, 2), torch.zeros(4, 2))
    with refused("unsupported", "SeparableCritic", "gradient_penalty"):
        spectral_norm(SeparableCritic([1, 1]))
