from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor
from torch.nn import functional

from comodal.contracts.errors import Code
from comodal.dependency import JointCritic, Measure, SeparableCritic, Variational, build_measure
from comodal.dependency.bounds import donsker_varadhan
from comodal.resampling import cyclic_order

DIMS = {"text": 5, "audio": 3, "vision": 3}


def views_of(n: int = 10) -> dict[str, Tensor]:
    return {name: torch.randn(n, dim) for name, dim in DIMS.items()}


@pytest.mark.parametrize("dims", [DIMS, {"text": 4, "audio": 4, "vision": 4}], ids=["widths differ", "one width"])
def test_the_value_is_the_bound_of_normalised_joint_and_broken_tuples(dims: dict[str, int]) -> None:
    """The two ways to gather tuples, against a plain computation."""
    measure = build_measure("kl", dims=dims, critic="joint", pairings=2).eval()
    views = {name: torch.randn(10, dim) for name, dim in dims.items()}
    normal = [functional.layer_norm(view, (view.shape[1],)) for view in views.values()]
    order = cyclic_order(10, 3, pairings=2, generator=torch.Generator().manual_seed(0))
    broken = [view[rows] for view, rows in zip(normal, order, strict=True)]
    expected = donsker_varadhan(measure.critic(normal), measure.critic(broken))
    torch.testing.assert_close(measure.value(views), expected)
    torch.testing.assert_close(measure.pointwise(views), measure.critic(normal))
    assert not torch.isclose(expected, donsker_varadhan(measure.critic(list(views.values())), measure.critic(broken)))


def test_with_a_separable_critic_the_value_uses_the_exact_partition() -> None:
    measure = build_measure("kl", dims=DIMS, critic="separable")
    views = views_of()
    scores, log_partition = measure.critic.with_log_partition(measure.normalized(views))
    torch.testing.assert_close(measure.value(views), scores.mean() - log_partition)


def test_a_bound_without_that_form_falls_back_to_pairs() -> None:
    measure, views = build_measure("jensen_shannon", dims=DIMS, critic="separable"), views_of()
    first, second = measure.value(views), measure.value(views)
    assert not torch.equal(first, second)  # pairings were drawn


def test_evaluation_repeats_its_pairing_and_leaves_trainings_alone() -> None:
    measure, twin = (build_measure("kl", dims=DIMS, critic="joint") for _ in range(2))
    views = views_of()
    with torch.no_grad():
        assert torch.equal(measure.value(views), measure.value(views))
    measure.eval()
    assert torch.equal(measure.value(views), measure.value(views))
    measure.train()
    assert torch.equal(measure.value(views), twin.value(views))
    assert not torch.equal(measure.value(views), measure.value(views))


def test_nothing_touches_the_global_generator() -> None:
    before = torch.get_rng_state()
    for name in ("mine", "wasserstein"):
        for lipschitz in ("gradient_penalty", "spectral_norm"):
            measure = build_measure(name, dims=DIMS, critic="joint", lipschitz=lipschitz, seed=3)
            measure.learn({key: torch.ones(8, dim) for key, dim in DIMS.items()}).backward()
    assert torch.equal(before, torch.get_rng_state())
    JointCritic([2, 2])
    assert not torch.equal(before, torch.get_rng_state())


def test_seeds_decide_the_critics_weights() -> None:
    one, same, other = (build_measure("kl", dims=DIMS, seed=seed) for seed in (1, 1, 2))
    views = views_of()
    assert torch.equal(one.pointwise(views), same.pointwise(views))
    assert not torch.equal(one.pointwise(views), other.pointwise(views))


def test_the_moving_average_moves_when_the_critic_learns_and_only_then() -> None:
    measure, views = build_measure("mine", dims=DIMS, critic="joint", ema_rate=0.1), views_of()
    measure.value(views)
    assert measure.log_average.isneginf()
    measure.learn(views)
    first = measure.log_average.clone()
    assert first.isfinite()
    measure.learn(views)
    assert not torch.equal(measure.log_average, first)
    assert "log_average" in measure.state_dict()


def test_the_value_of_mine_is_donsker_varadhans_and_its_gradient_the_moving_averages() -> None:
    mine, kl = build_measure("mine", dims=DIMS).eval(), build_measure("kl", dims=DIMS).eval()
    mine.log_average.fill_(2.0)
    views = {name: view.requires_grad_() for name, view in views_of().items()}
    torch.testing.assert_close(mine.value(views), kl.value(views))
    (through_mine,) = torch.autograd.grad(mine.value(views), views["text"])
    (through_kl,) = torch.autograd.grad(kl.value(views), views["text"])
    assert not torch.allclose(through_mine, through_kl)


def test_smile_has_its_own_value_and_the_gradient_of_jensen_shannon() -> None:
    views = {name: view.requires_grad_() for name, view in views_of().items()}
    smile, twin, dv = (
        build_measure(name, dims=DIMS, critic="joint").eval() for name in ("smile", "jensen_shannon", "kl")
    )
    for measure in (smile, twin, dv):
        for parameter in measure.critic.parameters():
            parameter.data.mul_(0.5)
    torch.testing.assert_close(smile.value(views), dv.value(views))  # scores of this size are not clipped
    (through_smile,) = torch.autograd.grad(smile.value(views), views["text"])
    (through_twin,) = torch.autograd.grad(twin.value(views), views["text"])
    torch.testing.assert_close(through_smile, through_twin)
    assert twin.facts.estimates == "lower bound"
    assert smile.facts.estimates == "neither"


def test_terms_train_both_but_the_regulariser_the_critic_alone() -> None:
    measure = build_measure("wasserstein", dims=DIMS)
    for parameter in measure.critic.parameters():
        parameter.data.mul_(5.0)  # steep enough for the penalty to act
    views = {name: view.requires_grad_() for name, view in views_of().items()}
    value, regulariser = measure.terms(views)
    assert regulariser is not None
    assert float(regulariser.detach()) > 0
    assert all(
        g is None for g in torch.autograd.grad(regulariser, list(views.values()), allow_unused=True, retain_graph=True)
    )
    assert all(g is not None for g in torch.autograd.grad(value, list(views.values())))
    assert build_measure("kl", dims=DIMS).terms(views)[1] is None


def test_the_critics_loss_is_minus_the_bound_plus_its_regulariser() -> None:
    measure, twin, views = (*(build_measure("wasserstein", dims=DIMS) for _ in range(2)), views_of())
    value, regulariser = twin.terms(views)
    assert regulariser is not None
    torch.testing.assert_close(measure.learn(views), regulariser - value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_inputs_of_any_precision_are_computed_in_the_critics(dtype: torch.dtype) -> None:
    measure = build_measure("kl", dims=DIMS)
    views = {name: view.to(dtype).requires_grad_() for name, view in views_of().items()}
    value = measure.value(views)
    value.backward()
    assert value.dtype == torch.float32
    assert views["text"].grad is not None
    assert views["text"].grad.dtype == dtype


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"measure": "kll"}, "unknown_name", ["'kll'", "'kl'"]),
        ({"critic": "seperable"}, "unknown_name", ["seperable", "separable"]),
        ({"normalize": "layernorm"}, "unknown_name", ["layernorm", "'layer'"]),
        ({"measure": "wasserstein", "normalize": "none"}, "conflict", ["wasserstein", "none"]),
        ({"measure": "wasserstein", "lipschitz": "spectral"}, "unknown_name", ["'spectral'", "spectral_norm"]),
        (
            {"measure": "wasserstein", "lipschitz": "spectral_norm", "critic": "separable"},
            "unsupported",
            ["SeparableCritic"],
        ),
        ({"dims": {"text": 5, "audio": 1}}, "conflict", ["'audio'", 1]),
        ({"dims": {"text": 5}}, "missing", ["text", 5]),
        ({"critic": JointCritic([2, 2])}, "mismatch", [(2, 2), (5, 3, 3)]),
        ({"hidden": ()}, "out_of_range", ["hidden", ()]),
        ({"pairings": 0}, "out_of_range", ["pairings=0"]),
        ({"ema_rate": 0.0}, "out_of_range", ["ema_rate=0.0"]),
    ],
)
def test_options_that_cannot_work_are_refused_at_construction(
    options: dict[str, Any], code: Code, named: list[object]
) -> None:
    arguments: dict[str, Any] = {"measure": "kl", "dims": DIMS, **options}
    with refused(code, *named):
        build_measure(arguments.pop("measure"), **arguments)


def test_a_critic_of_ones_own_is_used_as_it_is() -> None:
    critic = SeparableCritic(tuple(DIMS.values()), components=2)
    assert build_measure("kl", dims=DIMS, critic=critic).critic is critic


@pytest.mark.parametrize("act", [Variational.value, Variational.learn, Variational.pointwise])
def test_views_that_do_not_fit_are_refused(act: Callable[[Measure, object], Tensor]) -> None:
    with refused("mismatch", "'audio'", 9, "'text'", 10):
        act(build_measure("kl", dims=DIMS), {**views_of(), "audio": torch.randn(9, 3)})


def test_width_one_views_are_measured_without_layer_normalisation() -> None:
    measure = build_measure("kl", dims=[1, 1], normalize="none")
    assert math.isfinite(measure.value([torch.randn(8, 1), torch.randn(8, 1)]).item())
