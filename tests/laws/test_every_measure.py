"""Laws that every measure keeps, whatever its bound: those of METHOD.md, on the measure as it is trained and used."""

from __future__ import annotations

import math

import pytest
import torch
from fitting_dims import fitting_dims
from refusals import refused
from torch import Tensor
from torch.nn import functional

from comodal.dependency import MEASURES, Variational, build_measure
from comodal.dependency.critics import SeparableCritic

EVERY = sorted(MEASURES)
WITH_CRITIC = sorted(name for name, spec in MEASURES.items() if spec.family is Variational)
LEARNT = [name for name in EVERY if list(build_measure(name, dims=[2, 2]).parameters())]
OTHERS = sorted(set(EVERY) - set(WITH_CRITIC))
DIMS = {"text": 6, "audio": 4, "vision": 4}

COPIED_BITS = {
    "kl": math.log(2),
    "mine": math.log(2),
    "f": math.log(2),
    "pearson": 1.0,
    "squared_hellinger": 0.5 * (math.sqrt(2) - 1) ** 2 + 0.5,
    "jensen_shannon": 0.75 * math.log(4 / 3),
    "smile": math.log(2),
    "wasserstein": 0.5 * math.sqrt(2),  # half the independent pairs must flip one of two one-hot bits
}
"""Population values for two copied fair bits, one-hot; the reverse KL is infinite."""


def bits(n: int, generator: torch.Generator) -> Tensor:
    return functional.one_hot(torch.randint(2, (n,), generator=generator), 2).float()


def trained(name: str, *, copied: bool, critic: str = "joint", steps: int = 400) -> float:
    """Value on fresh pairs of bits, copied or independent, after training the critic."""
    generator = torch.Generator().manual_seed(0)
    measure = build_measure(name, dims=[2, 2], normalize="sphere", critic=critic)
    optimizer = torch.optim.Adam(measure.critic.parameters(), lr=1e-2, fused=True)
    for _ in range(steps):
        first = bits(64, generator)
        loss = measure.learn([first, first if copied else bits(64, generator)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    first = torch.eye(2).repeat(1000, 1)
    second = first if copied else first[torch.randperm(2000, generator=generator)]
    with torch.no_grad():
        return float(measure.value([first, second]))


@pytest.mark.statistical
@pytest.mark.parametrize("name", sorted(COPIED_BITS))
def test_a_critic_trained_on_copied_bits_finds_the_known_value(name: str) -> None:
    """Seeded; the standard error of 2000 pairs is below 0.02 for every measure, a false alarm needs four of them."""
    assert trained(name, copied=True) == pytest.approx(COPIED_BITS[name], abs=0.08)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", WITH_CRITIC)
def test_independent_bits_are_near_zero_and_copied_ones_are_not(name: str) -> None:
    """Seeded; a bound trained to noise on 400 batches stays below 0.05 with many standard errors to spare."""
    assert abs(trained(name, copied=False)) < 0.05
    if name == "reverse_kl":  # infinite in the population: it climbs for as long as it is trained
        assert trained(name, copied=True) > 1.0


@pytest.mark.parametrize("name", ["kl", "f", "squared_hellinger"])
def test_a_separable_critic_finds_them_without_broken_pairs(name: str) -> None:
    assert trained(name, copied=True, critic="separable") == pytest.approx(COPIED_BITS[name], abs=0.08)


def views_of(name: str, n: int, *, requires_grad: bool = False) -> dict[str, Tensor]:
    generator, dims = torch.Generator().manual_seed(7), fitting_dims(name, DIMS)
    return {view: torch.randn(n, dim, generator=generator).requires_grad_(requires_grad) for view, dim in dims.items()}


@pytest.mark.parametrize("critic", ["joint", "separable"])
@pytest.mark.parametrize("name", WITH_CRITIC)
def test_gradients_reach_every_view_and_the_critic(name: str, critic: str) -> None:
    measure, views = (
        build_measure(name, dims=fitting_dims(name, DIMS), critic=critic),
        views_of(name, 12, requires_grad=True),
    )
    measure.value(views).backward()
    assert all(view.grad is not None and bool(view.grad.any()) for view in views.values())
    assert all(parameter.grad is not None for parameter in measure.critic.parameters())


@pytest.mark.parametrize("name", LEARNT)
def test_the_loss_of_its_own_parameters_reaches_no_view(name: str) -> None:
    measure, views = build_measure(name, dims=fitting_dims(name, DIMS)), views_of(name, 12, requires_grad=True)
    loss = measure.learn(views)
    assert loss is not None
    loss.backward()
    assert all(view.grad is None for view in views.values())
    assert all(parameter.grad is not None for parameter in measure.parameters())


@pytest.mark.parametrize("name", EVERY)
def test_the_encoders_gradient_climbs_the_value(name: str) -> None:
    """The opposite direction lowers it."""
    measure = build_measure(name, dims=fitting_dims(name, DIMS)).double().eval()
    views = {view: points.double().requires_grad_() for view, points in views_of(name, 12).items()}
    value = measure.value(views)
    gradients = torch.autograd.grad(value, list(views.values()))
    with torch.no_grad():
        moved = [
            [view + sign * 1e-2 * step for view, step in zip(views.values(), gradients, strict=True)]
            for sign in (1, -1)
        ]
        assert measure.value(moved[0]) > value > measure.value(moved[1])


@pytest.mark.parametrize("name", sorted(set(EVERY) - {"mine", "smile"}))
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    measure = (
        build_measure(name, dims=fitting_dims(name, DIMS)).double().eval()
    )  # in evaluation the pairing is always the same
    views = [view.double().requires_grad_() for view in views_of(name, 6).values()]
    assert torch.autograd.gradcheck(lambda *given: measure.value(given), views, eps=1e-7)


def test_the_gradient_of_mine_is_not_that_of_its_value() -> None:
    measure = build_measure("mine", dims=DIMS).double().eval()
    views = [view.double().requires_grad_() for view in views_of("mine", 6).values()]
    assert torch.autograd.gradcheck(lambda *given: measure.value(given), views, eps=1e-7)  # no past yet: the same
    measure.log_average.fill_(3.0)
    assert not torch.autograd.gradcheck(lambda *given: measure.value(given), views, eps=1e-7, raise_exception=False)


NORMALISED = [(name, {"normalize": each}) for name in WITH_CRITIC for each in ("layer", "sphere")]
WITHOUT_CRITIC: list[tuple[str, dict[str, str]]] = [(name, {}) for name in OTHERS]


def change_by_scale(name: str, options: dict[str, str]) -> float:
    measure, views = build_measure(name, dims=fitting_dims(name, DIMS), **options).eval(), views_of(name, 40)
    scaled = {key: 50.0 * view for key, view in views.items()}
    with torch.no_grad():
        return abs(float(measure.value(scaled) - measure.value(views)))


@pytest.mark.parametrize(("name", "options"), [*NORMALISED, *(each for each in WITHOUT_CRITIC if each[0] != "vicreg")])
def test_scale_alone_changes_nothing(name: str, options: dict[str, str]) -> None:
    assert change_by_scale(name, options) < 1e-4


@pytest.mark.parametrize("name", sorted(set(WITH_CRITIC) - {"wasserstein"}))
def test_without_normalisation_scale_changes_the_value(name: str) -> None:
    assert change_by_scale(name, {"normalize": "none"}) > 1e-2


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_modalities_given_does_not_matter(name: str) -> None:
    measure, views = build_measure(name, dims=fitting_dims(name, DIMS)).eval(), views_of(name, 12)
    backwards = dict(reversed(views.items()))
    assert torch.equal(measure.value(views), measure.value(backwards))
    scores, again = measure.pointwise(views), measure.pointwise(backwards)
    assert (scores is None) == (again is None) == (measure.facts.pointwise is None)
    assert scores is None or again is None or torch.equal(scores, again)


@pytest.mark.parametrize("name", ["kl", "mine", "f", "squared_hellinger"])
def test_the_order_of_samples_does_not_matter_where_no_pairing_is_drawn(name: str) -> None:
    separable = build_measure(name, dims=fitting_dims(name, DIMS), critic="separable").eval()
    drawn, views, order = (
        build_measure(name, dims=fitting_dims(name, DIMS), critic="joint").eval(),
        views_of(name, 12),
        torch.randperm(12),
    )
    shuffled = {key: view[order] for key, view in views.items()}
    torch.testing.assert_close(separable.value(views), separable.value(shuffled))
    assert not torch.isclose(drawn.value(views), drawn.value(shuffled), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_two_views_are_enough_and_as_many_rows_as_views(name: str) -> None:
    dims = list(fitting_dims(name, {"text": 4, "audio": 5}).values())
    measure = build_measure(name, dims=dims)
    assert measure.value([torch.randn(2, dim) for dim in dims]).isfinite()
    with refused("out_of_range", 1, 2):
        measure.value([torch.randn(1, dim) for dim in dims])


@pytest.mark.parametrize(("name", "options"), [*NORMALISED, *WITHOUT_CRITIC])
def test_heavy_tails_and_constant_views_give_finite_values_and_gradients(name: str, options: dict[str, str]) -> None:
    measure, drawn = build_measure(name, dims=fitting_dims(name, DIMS), **options), views_of(name, 16)
    heavy = {key: view / torch.rand_like(view).pow(4) for key, view in drawn.items()}
    constant = {key: torch.zeros_like(view) for key, view in drawn.items()}
    one = drawn | {"audio": torch.ones_like(drawn["audio"])}
    for given in (constant, one) if name == "vicreg" else (heavy, constant, one):  # its squares of raw values overflow
        views = {key: view.requires_grad_() for key, view in given.items()}
        value = measure.value(views)
        gradients = torch.autograd.grad(value, list(views.values()))
        assert all(bool(part.isfinite().all()) for part in (value, *gradients))
        loss = measure.learn(views)
        assert loss is None or loss.isfinite()


@pytest.mark.parametrize("name", OTHERS)
def test_without_a_critic_a_gradient_reaches_every_view(name: str) -> None:
    measure, views = build_measure(name, dims=fitting_dims(name, DIMS)), views_of(name, 12, requires_grad=True)
    measure.value(views).backward()
    assert all(view.grad is not None and bool(view.grad.any()) for view in views.values())


@pytest.mark.parametrize("name", sorted(set(OTHERS) - {"symile"}))
def test_the_order_of_samples_does_not_matter_to_what_draws_nothing(name: str) -> None:
    measure, views = build_measure(name, dims=fitting_dims(name, DIMS)).eval(), views_of(name, 12)
    order = torch.randperm(12)
    torch.testing.assert_close(measure.value({key: view[order] for key, view in views.items()}), measure.value(views))


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_critic_to_fit_says_so(name: str) -> None:
    with refused("unsupported", name, "kl"):
        _ = MEASURES[name].bound


@pytest.mark.parametrize("name", WITH_CRITIC)
def test_facts_are_declared(name: str) -> None:
    measure = build_measure(name, dims=fitting_dims(name, DIMS))
    assert measure.facts == MEASURES[name].facts
    assert measure.bound is MEASURES[name].bound
    assert measure.bound.unit == {
        "wasserstein": "distance",
        "pearson": "divergence",
        "squared_hellinger": "divergence",
    }.get(name, "nats")
    assert (measure.lipschitz is not None) == measure.bound.needs_lipschitz == (name == "wasserstein")
    assert isinstance(build_measure(name, dims=fitting_dims(name, DIMS), critic="separable").critic, SeparableCritic)


@pytest.mark.parametrize("name", WITH_CRITIC)
def test_more_pairings_lower_the_variance(name: str) -> None:
    def spread(pairings: int) -> float:
        measure = build_measure(name, dims=fitting_dims(name, DIMS), critic="joint", pairings=pairings)
        views = views_of(name, 12)
        for parameter in measure.critic.parameters():
            parameter.data.mul_(2.0)
        return float(torch.stack([measure.value(views).detach() for _ in range(60)]).std())

    assert spread(16) < 0.5 * spread(1)
