"""A penalty takes any measure: one of a user's own without parameters, and ones that are built already."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.contracts.errors import Code
from comodal.dependency import BOUNDS, DependencyPenalty, Measure, MeasureFacts, Variational, build_measure
from comodal.dependency.views import Views

DIMS = {"text": 4, "audio": 4}


class SharedMean(Measure):
    """The covariance of two views' means: no critic, no pairing, no value of one sample."""

    def __init__(self, **facts: Any) -> None:
        declared: dict[str, Any] = {"unit": "covariance", "estimates": "neither", **facts}
        super().__init__(MeasureFacts(**declared), name="shared mean", dims=DIMS)

    def normalized(self, views: Views) -> list[Tensor]:
        return self.layout.match(views)

    def value(self, views: Views) -> Tensor:
        first, second = (view.mean(dim=1) for view in self.normalized(views))
        return ((first - first.mean()) * (second - second.mean())).mean()


def views_of() -> dict[str, Tensor]:
    return {name: torch.randn(8, dim, requires_grad=True) for name, dim in DIMS.items()}


@pytest.mark.parametrize("critic_steps", [0, 2])
def test_a_measure_without_parameters_has_no_critic_steps_and_no_optimiser(critic_steps: int) -> None:
    penalty, views = DependencyPenalty(SharedMean(), weight=0.5, critic_steps=critic_steps), views_of()
    assert penalty.update_critic(views) is None
    assert penalty.parameter_groups() == []
    assert penalty.measure.learn(views) is None
    assert penalty.measure.pointwise(views) is None
    loss = penalty(views)
    torch.testing.assert_close(loss, -0.5 * penalty.measure.value(views))
    loss.backward()
    assert all(view.grad is not None for view in views.values())
    twin = DependencyPenalty(SharedMean(), critic_steps=critic_steps)
    twin.load_state_dict(penalty.state_dict())
    assert twin.step == 1


def test_without_a_critic_the_remedy_of_a_divergence_does_not_name_one() -> None:
    penalty, views = DependencyPenalty(SharedMean()), {name: torch.full((8, 4), 1e38) for name in DIMS}
    with refused("diverged", "'shared mean'", "learning rate"):
        penalty(views)


def test_a_weight_below_zero_needs_an_upper_bound() -> None:
    penalty, views = DependencyPenalty(SharedMean(estimates="upper bound"), weight=-0.5), views_of()
    torch.testing.assert_close(penalty(views), 0.5 * penalty.measure.value(views))
    with refused("out_of_range", -0.5, "upper bound"):
        DependencyPenalty(SharedMean(), weight=-0.5)


def test_a_measure_that_is_built_is_the_measure_by_name() -> None:
    views = views_of()
    given = DependencyPenalty(Variational(BOUNDS["nwj"], dims=DIMS, name="f", critic="separable", seed=3), dims=DIMS)
    named = DependencyPenalty("f", dims=DIMS, critic="separable", seed=3)
    for penalty in (given, named):
        penalty.update_critic(views)
    assert torch.equal(given(views), named(views))
    named.load_state_dict(given.state_dict())


@pytest.mark.parametrize(
    ("measure", "options", "code", "named"),
    [
        ("kl", {}, "missing", ["dims", "'kl'"]),
        (SharedMean(), {"dims": [4, 5]}, "mismatch", [5, "audio"]),
        (SharedMean(), {"critic": "joint"}, "conflict", ["critic"]),
        (3, {}, "wrong_type", ["int"]),
        ("kl", {"dims": DIMS, "temprature": 0.1}, "unknown_name", ["temprature", "normalize", "kl"]),
        ("kl", {"dims": DIMS, "crytic": "joint"}, "unknown_name", ["crytic", "'critic'"]),
    ],
)
def test_what_does_not_fit_together_is_refused(measure: Any, options: Any, code: Code, named: list[object]) -> None:
    with refused(code, *named):
        DependencyPenalty(measure, **options)


def test_printing_a_measure_says_what_it_is() -> None:
    assert "'kl', dims={'text': 4, 'audio': 4}" in repr(build_measure("kl", dims=DIMS))
