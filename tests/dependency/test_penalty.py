"""The penalty as a training loop uses it."""

from __future__ import annotations

import itertools
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fitting_dims import fitting_dims
from refusals import refused
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts.errors import Code
from comodal.dependency import MEASURES, DependencyPenalty, LinearWarmup, build_measure

ROOT = Path(__file__).parents[2]
DIMS = {"text": 6, "audio": 4, "vision": 4}
EVERY = sorted(MEASURES)
LEARNT = [name for name in EVERY if list(build_measure(name, dims=[2, 2]).parameters())]


class Encoders(nn.Module):
    """A model that can hand out its representations, with dropout to tell random streams apart."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({name: nn.Linear(5, dim) for name, dim in DIMS.items()})
        self.head = nn.Linear(sum(DIMS.values()), 1)

    def forward(self, inputs: Tensor) -> SimpleNamespace:
        hidden = functional.dropout(inputs, 0.3, training=self.training)
        views = {name: encoder(hidden) for name, encoder in self.encoders.items()}
        return SimpleNamespace(logits=self.head(torch.cat(tuple(views.values()), 1)), representations=views)


def representations(n: int = 12, *, measure: str = "kl", requires_grad: bool = False) -> dict[str, Tensor]:
    dims = fitting_dims(measure, DIMS)
    return {name: torch.randn(n, dim, requires_grad=requires_grad) for name, dim in dims.items()}


@pytest.mark.parametrize("views", [2, 3, 5])
def test_any_number_of_views_of_any_width_as_dict_or_sequence(views: int) -> None:
    dims = [3 + width for width in range(views)]
    for named in (dims, {f"view{place}": dim for place, dim in enumerate(dims)}):
        penalty = DependencyPenalty("kl", dims=named)
        tensors = [torch.randn(views, dim) for dim in dims]
        given = dict(zip(named, tensors, strict=True)) if isinstance(named, dict) else tuple(tensors)
        assert penalty.update_critic(given) is not None
        assert penalty(given).shape == ()


def test_a_list_of_batches_is_one_batch() -> None:
    first, second = representations(7), representations(5)
    joined = {name: torch.cat([first[name], second[name]]) for name in DIMS}
    values = []
    for given in ([first, second], joined):
        penalty = DependencyPenalty("kl", dims=DIMS)
        values += [penalty.update_critic(given), penalty(given)]
    assert torch.equal(values[0], values[2])
    assert torch.equal(values[1], values[3])
    with refused("mismatch", "vision"):
        penalty([first, {"text": second["text"]}])


@pytest.mark.parametrize("name", EVERY)
def test_the_penalty_is_minus_the_weighted_value(name: str) -> None:
    penalty, views = (
        DependencyPenalty(name, dims=fitting_dims(name, DIMS), weight=0.7).eval(),
        representations(measure=name),
    )
    weight = 0.7 / penalty.measure.gradient_scale
    torch.testing.assert_close(penalty(views), -weight * penalty.measure.value(views))
    assert penalty.last_value is not None
    torch.testing.assert_close(penalty.last_value, penalty.measure.value(views))


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_minimising_it_makes_representations_more_dependent(name: str) -> None:
    """Two free representations of the same 64 samples; a penalty of the other sign would leave them independent."""
    views = [torch.randn(64, 4, requires_grad=True), torch.randn(64, 4)]
    penalty = DependencyPenalty(name, dims=[4, 4], weight=1.0, critic_lr=1e-2)
    optimizer = torch.optim.Adam([views[0]], lr=0.05)
    seen = []
    for _ in range(150):
        penalty.update_critic(views)
        optimizer.zero_grad()
        penalty(views).backward()
        optimizer.step()
        assert penalty.last_value is not None
        seen.append(float(penalty.last_value))
    assert sum(seen[-20:]) / 20 > sum(seen[:20]) / 20 + 0.1


@pytest.mark.parametrize("name", EVERY)
def test_its_gradient_reaches_the_representations_and_not_the_critic(name: str) -> None:
    penalty, views = (
        DependencyPenalty(name, dims=fitting_dims(name, DIMS)),
        representations(measure=name, requires_grad=True),
    )
    before = [parameter.clone() for parameter in penalty.parameters()]
    penalty(views).backward()
    assert all(view.grad is not None and bool(view.grad.any()) for view in views.values())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in penalty.parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, penalty.parameters(), strict=True))


@pytest.mark.parametrize("name", LEARNT)
def test_an_update_moves_the_critic_and_not_the_representations(name: str) -> None:
    penalty, views = (
        DependencyPenalty(name, dims=fitting_dims(name, DIMS)),
        representations(measure=name, requires_grad=True),
    )
    before = [parameter.clone() for parameter in penalty.parameters()]
    penalty.update_critic(views)
    assert all(view.grad is None for view in views.values())
    assert not all(torch.equal(old, new) for old, new in zip(before, penalty.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in penalty.parameters())  # nothing for a model's clipping to count


def test_the_number_of_critic_steps_is_kept_with_a_fresh_pairing_each() -> None:
    one, three, views = (
        DependencyPenalty("kl", dims=DIMS),
        DependencyPenalty("kl", dims=DIMS, critic_steps=3),
        representations(),
    )
    for _ in range(3):
        one.update_critic(views)
    three.update_critic(views)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), three.parameters(), strict=True))
    one.update_critic(views)
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), three.parameters(), strict=True))


def test_an_update_works_where_gradients_are_off() -> None:
    penalty = DependencyPenalty("wasserstein", dims=DIMS)
    with torch.no_grad():
        assert penalty.update_critic(representations()) is not None


@pytest.mark.parametrize("source", ["callable", "iterator"])
def test_fresh_batches_are_drawn_once_a_step(source: str) -> None:
    drawn = []

    def draw() -> dict[str, Tensor]:
        drawn.append(torch.is_grad_enabled())
        return representations()

    def endless() -> Iterator[dict[str, Tensor]]:
        while True:
            yield draw()

    penalty = DependencyPenalty("kl", dims=DIMS, critic_steps=4, fresh_batches=True)
    penalty.update_critic(draw if source == "callable" else endless())
    assert drawn == [False] * 4


def test_fresh_batches_and_one_batch_are_not_mistaken_for_each_other() -> None:
    fresh = DependencyPenalty("kl", dims=DIMS, critic_steps=2, fresh_batches=True)
    for views in (representations(), list(representations().values())):
        with refused("wrong_type", type(views).__name__):
            fresh.update_critic(views)
    with refused("missing", "critic_steps"):
        fresh.update_critic(iter([representations()]))
    with refused("conflict", "fresh_batches"):
        DependencyPenalty("kl", dims=DIMS).update_critic(representations)


@pytest.mark.parametrize("name", LEARNT)
def test_with_no_critic_steps_one_backward_trains_both(name: str) -> None:
    penalty, views = (
        DependencyPenalty(name, dims=fitting_dims(name, DIMS), critic_steps=0),
        representations(measure=name, requires_grad=True),
    )
    assert penalty.update_critic(views) is None
    assert penalty.step == 0
    penalty(views).backward()
    (group,) = penalty.parameter_groups()
    assert all(view.grad is not None for view in views.values())
    assert all(parameter.grad is not None for parameter in group["params"])
    assert {id(parameter) for parameter in group["params"]} == {id(parameter) for parameter in penalty.parameters()}
    assert DependencyPenalty(name, dims=fitting_dims(name, DIMS)).parameter_groups() == []


def test_in_one_step_critic_and_representations_climb_the_same_bound_and_the_regulariser_holds_the_critic_back() -> (
    None
):
    penalty, views = (
        DependencyPenalty("wasserstein", dims=DIMS, critic_steps=0, weight=0.5),
        representations(requires_grad=True),
    )
    twin = DependencyPenalty("wasserstein", dims=DIMS)
    for one, other in zip(penalty.parameters(), twin.parameters(), strict=True):
        one.data.mul_(4.0)
        other.data.copy_(one.data)
    total = penalty(views)
    twin.measure.critic.requires_grad_(True)
    value, regulariser = twin.measure.terms(views)
    assert regulariser is not None
    assert float(regulariser.detach()) > 0.0
    weight = 0.5 / penalty.measure.gradient_scale
    torch.testing.assert_close(total, weight * (regulariser - value))
    (through_penalty,) = torch.autograd.grad(total, views["text"])
    (through_value,) = torch.autograd.grad(value, views["text"])
    torch.testing.assert_close(through_penalty, -weight * through_value)


def test_mines_average_moves_in_one_step_too() -> None:
    penalty = DependencyPenalty("mine", dims=DIMS, critic_steps=0)
    penalty(representations())
    assert penalty.measure.log_average.isfinite()


def test_the_schedule_counts_calls_in_training_only() -> None:
    penalty, views = DependencyPenalty("kl", dims=DIMS, weight=0.8, schedule=LinearWarmup(4)), representations()
    weights = []
    for _ in range(5):
        weights.append(penalty.current_weight)
        penalty.update_critic(views)
        penalty(views)
        with torch.no_grad():
            penalty(views)
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    penalty.eval()
    penalty(views)
    assert penalty.step == 5


def weights_after_training(*, penalised: bool, extra_draw: bool = False) -> list[Tensor]:
    torch.manual_seed(0)
    model = Encoders()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    penalty = DependencyPenalty("wasserstein", dims=DIMS, weight=0.0, critic_steps=2) if penalised else None
    for _ in range(4):
        if extra_draw:
            torch.rand(1)
        out = model(torch.randn(8, 5))
        loss = out.logits.square().mean()
        if penalty is not None:
            penalty.update_critic(out.representations)
            loss = loss + penalty(out.representations)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_a_penalty_of_weight_zero_changes_no_bit_of_the_model() -> None:
    """Common random numbers: same initial weights, batches and dropout with and without a penalty."""
    plain = weights_after_training(penalised=False)
    assert all(map(torch.equal, plain, weights_after_training(penalised=True)))
    assert not all(map(torch.equal, plain, weights_after_training(penalised=False, extra_draw=True)))


def test_the_same_seed_repeats_and_another_does_not() -> None:
    views = representations()
    values = []
    for seed in (1, 1, 2):
        penalty = DependencyPenalty("wasserstein", dims=DIMS, seed=seed)
        for _ in range(3):
            penalty.update_critic(views)
        values.append(penalty(views))
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2])


@pytest.mark.parametrize("act", ["update_critic", "forward"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", EVERY)
def test_a_bad_representation_is_named_and_the_critic_is_not_spoilt(name: str, bad: float, act: str) -> None:
    penalty, views = DependencyPenalty(name, dims=fitting_dims(name, DIMS)), representations(measure=name)
    views["audio"][[3, 5], 0] = bad
    if act == "update_critic" and name not in LEARNT:
        assert penalty.update_critic(views) is None
        return
    with refused("not_finite", "'audio'", "2 of 12", 3):
        getattr(penalty, act)(views)
    assert all(bool(parameter.isfinite().all()) and not parameter.requires_grad for parameter in penalty.parameters())


def test_a_critic_that_diverged_is_told_apart() -> None:
    penalty = DependencyPenalty("kl", dims=DIMS)
    next(penalty.parameters()).data.fill_(float("nan"))
    with refused("diverged", "'kl'", "critic_lr"):
        penalty(representations())


@pytest.mark.parametrize("act", ["update_critic", "forward"])
def test_too_small_a_batch_is_refused_with_its_remedy(act: str) -> None:
    penalty = DependencyPenalty("kl", dims=DIMS)
    with refused("out_of_range", 2, 3):
        getattr(penalty, act)(representations(2))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"weight": -0.1}, "out_of_range"),
        ({"weight": float("nan")}, "out_of_range"),
        ({"critic_steps": -1}, "out_of_range"),
        ({"critic_steps": 1.5}, "out_of_range"),
        ({"critic_steps": True}, "out_of_range"),
        ({"critic_lr": 0.0}, "out_of_range"),
        ({"critic_lr": "fast"}, "out_of_range"),
        ({"weight": "auto"}, "out_of_range"),
        ({"fresh_batches": True, "critic_steps": 0}, "conflict"),
        ({"dims": {"text": 4}}, "missing"),
    ],
)
def test_options_that_cannot_work_are_refused_at_construction(options: dict[str, Any], code: Code) -> None:
    (option, value), *_ = options.items()
    with refused(code, option, value):
        DependencyPenalty("kl", **{"dims": DIMS, **options})


def test_printing_says_what_it_is() -> None:
    assert "measure='f', weight=0.3, critic_steps=2" in repr(DependencyPenalty("nwj", dims=DIMS, critic_steps=2))


def test_pairings_differ_from_step_to_step() -> None:
    penalty, views = DependencyPenalty("kl", dims=DIMS, critic="joint"), representations()
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(penalty(views) for _ in range(4)))


def test_one_weight_pulls_about_as_strongly_with_every_measure() -> None:
    """Within a factor of 4 of kl, where their own gradients are more than a factor of 50 apart; the fast measures."""
    gradient_norm = runpy.run_path(str(ROOT / "benchmarks" / "gradient_scale.py"))["gradient_norm"]
    names = ["wasserstein", *(name for name in EVERY if "critic" not in MEASURES[name].options)]
    reference = gradient_norm("kl", 2)
    raw = {name: gradient_norm(name, 2) / reference for name in names}
    scaled = {name: norm / build_measure(name, dims=[64, 64]).gradient_scale for name, norm in raw.items()}
    assert all(1 / 4 < norm < 4 for norm in scaled.values()), scaled
    assert max(raw.values()) > 50 * min(raw.values())


def test_a_distance_is_weighted_in_units_of_the_diameter() -> None:
    """Two spheres: tuples are at most sqrt(2^2 + 2^2) apart; layer normalisation of 9 features: spheres of radius 3."""
    sphere, layer = (build_measure("wasserstein", dims=[9, 9], normalize=name) for name in ("sphere", "layer"))
    far = [torch.eye(9)[:1], -torch.eye(9)[:1]]
    diameter = float(torch.dist(*(torch.cat(sphere.normalized([view, view]), dim=1) for view in far)))
    assert sphere.gradient_scale == pytest.approx(sphere.facts.gradient_scale * diameter)
    assert layer.gradient_scale == pytest.approx(3 * sphere.gradient_scale)
    assert build_measure("wasserstein", dims=[9, 9]).normalize == "sphere"
