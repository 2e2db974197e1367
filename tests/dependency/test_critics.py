from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.dependency.critics import CRITICS, Critic, JointCritic, QuadraticCritic, SeparableCritic, SumCritic

DIMS = (3, 2, 4)


def all_critics() -> list[Critic]:
    return [
        JointCritic(DIMS),
        JointCritic(DIMS, hidden=(16, 8, 4)),
        SeparableCritic(DIMS, components=5),
        QuadraticCritic(DIMS),
        SumCritic([QuadraticCritic(DIMS), JointCritic(DIMS)]),
    ]


def views_of(n: int, *, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    return [torch.randn(n, dim, dtype=dtype) for dim in DIMS]


@pytest.mark.parametrize("critic", all_critics(), ids=lambda critic: type(critic).__name__)
def test_scores_are_one_a_tuple_and_tuples_do_not_see_each_other(critic: Critic) -> None:
    views = views_of(6)
    scores = critic(views)
    assert scores.shape == (6,)
    torch.testing.assert_close(critic([view[2:3] for view in views]), scores[2:3])
    torch.testing.assert_close(critic.score_points(torch.cat(views, dim=1)), scores)


def product_mean_of_exponentials(critic: Critic, views: list[Tensor]) -> Tensor:
    """``E_Q[exp T]`` by scoring every one of the n**M tuples."""
    n = views[0].shape[0]
    rows = torch.tensor(list(itertools.product(range(n), repeat=len(views)))).T
    return critic([view[row] for view, row in zip(views, rows, strict=True)]).exp().mean()


def test_the_separable_partition_is_the_mean_over_all_tuples() -> None:
    critic, views = SeparableCritic(DIMS, components=5).double(), views_of(5, dtype=torch.float64)
    scores, log_partition = critic.with_log_partition(views)
    torch.testing.assert_close(scores, critic(views))
    torch.testing.assert_close(log_partition.exp(), product_mean_of_exponentials(critic, views))
    assert not torch.isclose(log_partition.exp(), scores.exp().mean())


def test_the_separable_partition_has_the_gradient_of_that_mean() -> None:
    critic, views = SeparableCritic(DIMS, components=3).double(), views_of(4, dtype=torch.float64)
    weight = critic.factors[0][0].weight
    (exact,) = torch.autograd.grad(critic.with_log_partition(views)[1], weight)
    (brute,) = torch.autograd.grad(product_mean_of_exponentials(critic, views).log(), weight)
    torch.testing.assert_close(exact, brute)


def test_separable_scores_are_the_stated_formula() -> None:
    critic, views = SeparableCritic(DIMS, components=5), views_of(4)
    factors = [factor(view).exp() for factor, view in zip(critic.factors, views, strict=True)]
    product = factors[0] * factors[1] * factors[2]
    torch.testing.assert_close(critic(views), product.mean(dim=1).log())


@pytest.mark.parametrize("critic", all_critics(), ids=lambda critic: type(critic).__name__)
def test_only_a_separable_critic_claims_to_know_its_partition(critic: Critic) -> None:
    _, log_partition = critic.with_log_partition(views_of(4))
    assert (log_partition is not None) == critic.knows_log_partition == isinstance(critic, SeparableCritic)


@pytest.mark.parametrize("hidden", [(8,), (16, 8), (16, 8, 4)])
def test_the_closed_form_of_a_relu_networks_slopes_is_that_of_autograd(hidden: tuple[int, ...]) -> None:
    critic = JointCritic(DIMS, hidden=hidden).double()
    points = torch.randn(20, sum(DIMS), dtype=torch.float64)
    closed, general = critic.input_gradient(points), Critic.input_gradient(critic, points)
    torch.testing.assert_close(closed, general)
    wrong = closed.roll(1, dims=0)
    assert not torch.allclose(wrong, general)


def test_the_closed_form_has_the_same_second_derivatives() -> None:
    critic = JointCritic(DIMS, hidden=(16, 8)).double()
    points = torch.randn(20, sum(DIMS), dtype=torch.float64)
    weights = [layer.weight for layer in critic.layers] + [critic.head.weight]
    closed = torch.autograd.grad(critic.input_gradient(points).square().sum(), weights)
    general = torch.autograd.grad(Critic.input_gradient(critic, points).square().sum(), weights)
    torch.testing.assert_close(closed, general)


def test_a_quadratic_critic_can_be_the_log_ratio_of_gaussians() -> None:
    correlation = 0.8
    critic = QuadraticCritic([1, 1]).double()
    covariance = torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64)
    with torch.no_grad():
        critic.form.copy_(0.5 * (torch.eye(2) - covariance.inverse()))
        critic.offset.copy_(-0.5 * covariance.logdet())
    x, y = torch.randn(2, 50, 1, dtype=torch.float64)
    joint = torch.distributions.MultivariateNormal(torch.zeros(2, dtype=torch.float64), covariance)
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = joint.log_prob(torch.cat([x, y], dim=1)) - (normal.log_prob(x) + normal.log_prob(y)).squeeze(1)
    torch.testing.assert_close(critic([x, y]), expected)


def test_a_quadratic_critic_starts_at_zero_and_a_sum_adds() -> None:
    joint, quadratic, views = JointCritic(DIMS), QuadraticCritic(DIMS), views_of(4)
    assert not quadratic(views).any()
    torch.testing.assert_close(SumCritic([quadratic, joint])(views), joint(views))


def test_separable_scores_start_near_zero_whatever_the_components() -> None:
    scores = SeparableCritic(DIMS, components=512)(views_of(100))
    assert abs(scores.mean().item()) < 1.0  # log 512 is 6.2


@pytest.mark.parametrize("family", sorted(CRITICS))
@pytest.mark.parametrize(
    ("dims", "options", "named"),
    [
        ([4], {}, (4,)),
        ([4, 0], {}, (4, 0)),
        ([4, 2], {"hidden": ()}, ()),
        ([4, 2], {"hidden": (8, 0)}, (8, 0)),
    ],
)
def test_impossible_critics_are_refused(
    family: str, dims: list[int], options: dict[str, Any], named: tuple[int, ...]
) -> None:
    with refused("out_of_range", named):
        CRITICS[family](dims, **options)


def test_impossible_parts_are_refused() -> None:
    with refused("out_of_range", "components", 0):
        SeparableCritic([2, 2], components=0)
    with refused("mismatch", "dims"):
        SumCritic([QuadraticCritic([2, 2]), QuadraticCritic([2, 3])])
    with refused("mismatch", "dims"):
        SumCritic([])
