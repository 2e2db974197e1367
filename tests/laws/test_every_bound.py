"""Laws that every bound keeps, on joint distributions that can be enumerated, each with an impostor that breaks it.

A 2 x 2 or 3 x 3 table of whole counts is a joint distribution; repeating rows by their counts makes means over samples
exact population values. The truth is the definition of each divergence, ``E_Q[f(r)]``, not its variational form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.dependency.bound import BOUNDS, Bound

Value = Callable[[Tensor, Tensor], Tensor]

F_OF_RATIO: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "donsker_varadhan": lambda r: r * np.log(r),
    "nwj": lambda r: r * np.log(r),
    "reverse_kl": lambda r: -np.log(r),
    "pearson": lambda r: (r - 1) ** 2,
    "squared_hellinger": lambda r: (np.sqrt(r) - 1) ** 2,
    "jensen_shannon": lambda r: 0.5 * (r * np.log(2 * r / (1 + r)) + np.log(2 / (1 + r))),
}
BEST_CRITIC: dict[str, Callable[[Tensor], Tensor]] = {
    "donsker_varadhan": lambda r: r.log() + 3.0,
    "nwj": lambda r: r.log() + 1.0,
    "reverse_kl": lambda r: r.log(),
    "pearson": lambda r: 2.0 * (r - 1.0),
    "squared_hellinger": lambda r: 0.5 * r.log(),
    "jensen_shannon": lambda r: r.log(),
}
DIVERGENCES = sorted(F_OF_RATIO)
EVERY = sorted(BOUNDS)


@dataclass(frozen=True)
class Table:
    """A joint distribution of whole counts, and its exact density ratio."""

    counts: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        joint = self.counts / self.counts.sum()
        return joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))

    @property
    def marginal_counts(self) -> np.ndarray:
        return np.outer(self.counts.sum(axis=1), self.counts.sum(axis=0))

    def truth(self, name: str) -> float:
        weights = self.marginal_counts / self.marginal_counts.sum()
        return float((weights * F_OF_RATIO[name](self.ratio)).sum())

    def samples(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of every joint and every marginal sample, cells repeated by their counts."""
        flat = scores.flatten()
        return (
            flat.repeat_interleave(torch.as_tensor(self.counts.flatten())),
            flat.repeat_interleave(torch.as_tensor(self.marginal_counts.flatten())),
        )


TABLES = [
    Table(np.array([[4, 1], [1, 4]])),
    Table(np.array([[1, 5], [3, 2]])),
    Table(np.array([[3, 1, 2], [1, 6, 1], [2, 2, 5]])),
]
INDEPENDENT = Table(np.array([[2, 4], [3, 6]]))


def never_exceeds(bound: Value, name: str) -> bool:
    generator = torch.Generator().manual_seed(0)
    for table in TABLES:
        for scale in (0.1, 1.0, 5.0, 60.0):
            scores = scale * torch.randn(table.counts.shape, generator=generator, dtype=torch.float64)
            if float(bound(*table.samples(scores))) > table.truth(name) + 1e-9:
                return False
    return True


@pytest.mark.parametrize("name", DIVERGENCES)
def test_no_critic_exceeds_the_divergence(name: str) -> None:
    assert BOUNDS[name].is_lower_bound
    assert never_exceeds(BOUNDS[name], name)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_an_impostor_without_its_conjugate_exceeds_it(name: str) -> None:
    assert not never_exceeds(lambda joint, marginal: joint.mean() - marginal.mean(), name)


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("table", [*TABLES, INDEPENDENT], ids=str)
def test_the_best_critic_attains_the_divergence(name: str, table: Table) -> None:
    ratio = torch.as_tensor(table.ratio)
    value = BOUNDS[name](*table.samples(BEST_CRITIC[name](ratio)))
    assert float(value) == pytest.approx(table.truth(name), abs=1e-9)
    worse = BOUNDS[name](
        *table.samples(BEST_CRITIC[name](ratio) + torch.linspace(0, 0.5, ratio.numel()).view_as(ratio))
    )
    assert float(worse) < table.truth(name) - 1e-6


@pytest.mark.parametrize("name", DIVERGENCES)
def test_independence_is_zero(name: str) -> None:
    assert INDEPENDENT.truth(name) == pytest.approx(0.0, abs=1e-12)
    assert TABLES[0].truth(name) > 0.01


@pytest.mark.parametrize("name", DIVERGENCES)
def test_scores_of_the_best_critic_become_log_ratios(name: str) -> None:
    ratio = torch.as_tensor(TABLES[2].ratio)
    scores = BEST_CRITIC[name](ratio)
    _, marginal = TABLES[2].samples(scores)
    log_ratio = BOUNDS[name].log_ratio
    assert log_ratio is not None
    torch.testing.assert_close(log_ratio(scores.flatten(), marginal), ratio.log().flatten(), atol=1e-9, rtol=0)


def test_wasserstein_scores_have_no_log_ratio() -> None:
    assert BOUNDS["kantorovich_rubinstein"].log_ratio is None


def is_shift_invariant(bound: Value) -> bool:
    joint, marginal = torch.randn(50, dtype=torch.float64), torch.randn(70, dtype=torch.float64)
    return all(bool(torch.isclose(bound(joint + c, marginal + c), bound(joint, marginal))) for c in (-3.0, 0.7, 20.0))


@pytest.mark.parametrize("name", EVERY)
def test_a_constant_is_free_in_donsker_varadhan_and_kantorovich_rubinstein_only(name: str) -> None:
    assert is_shift_invariant(BOUNDS[name]) == (name in {"donsker_varadhan", "kantorovich_rubinstein"})


def test_nwj_is_never_above_donsker_varadhan_and_equal_at_the_best_constant() -> None:
    for scale in (0.1, 1.0, 10.0, 1e3):
        joint, marginal = scale * torch.randn(40, dtype=torch.float64), scale * torch.randn(60, dtype=torch.float64)
        dv = BOUNDS["donsker_varadhan"](joint, marginal)
        assert BOUNDS["nwj"](joint, marginal) <= dv + 1e-9
        best = 1.0 - torch.logsumexp(marginal, 0) + math.log(60)
        if scale <= 10.0:  # beyond, the exponent limit saturates the joint term
            torch.testing.assert_close(BOUNDS["nwj"](joint + best, marginal + best), dv)
        assert BOUNDS["nwj"](joint + best + 0.5, marginal + best + 0.5) < dv


def is_order_invariant(bound: Value) -> bool:
    joint, marginal = torch.randn(50, dtype=torch.float64), torch.randn(70, dtype=torch.float64)
    return bool(torch.isclose(bound(joint.flip(0), marginal[torch.randperm(70)]), bound(joint, marginal)))


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_samples_does_not_matter(name: str) -> None:
    assert is_order_invariant(BOUNDS[name])


def test_an_impostor_that_reads_the_first_sample_depends_on_order() -> None:
    assert not is_order_invariant(lambda joint, marginal: joint[0] - marginal.mean())


def averages_over_batches(bound: Value) -> bool:
    joint, marginal = torch.randn(40, dtype=torch.float64), torch.randn(40, dtype=torch.float64)
    parts = [bound(j, m) for j, m in zip(joint.split(10), marginal.split(10), strict=True)]
    return bool(torch.isclose(torch.stack(parts).mean(), bound(joint, marginal)))


@pytest.mark.parametrize("name", EVERY)
def test_which_bounds_may_be_averaged_is_declared(name: str) -> None:
    assert averages_over_batches(BOUNDS[name]) == BOUNDS[name].averages_over_batches


@pytest.mark.parametrize("name", EVERY)
def test_where_one_number_of_the_marginals_is_enough_it_gives_the_same(name: str) -> None:
    joint, marginal = torch.randn(40, dtype=torch.float64), torch.randn(60, dtype=torch.float64)
    short = BOUNDS[name].of_log_partition
    if short is not None:
        log_partition = torch.logsumexp(marginal, 0) - math.log(60)
        torch.testing.assert_close(short(joint, log_partition), BOUNDS[name](joint, marginal))
    assert (short is not None) == (name in {"donsker_varadhan", "nwj", "squared_hellinger"})


def is_finite(bound: Value, scale: float) -> bool:
    patterns = [torch.full((8,), scale), torch.full((8,), -scale), torch.linspace(-scale, scale, 8), torch.zeros(8)]
    for joint in patterns:
        for marginal in patterns:
            scores = [joint.clone().requires_grad_(), marginal.clone().requires_grad_()]
            value = bound(*scores)
            gradients = torch.autograd.grad(value, scores)
            if not all(bool(part.isfinite().all()) for part in (value, *gradients)):
                return False
    return True


@pytest.mark.parametrize("scale", [1.0, 50.0, 100.0, 1e4, 1e8, 1e15])
@pytest.mark.parametrize("name", EVERY)
def test_values_and_gradients_are_finite(name: str, scale: float) -> None:
    assert is_finite(BOUNDS[name], scale)


def test_a_plain_exponential_is_not_finite() -> None:
    assert not is_finite(lambda joint, marginal: joint.mean() - marginal.exp().mean().log(), 100.0)


def points_back(bound: Value, scale: float) -> bool:
    """A critic far too high on independent tuples and far too low on joint ones is told so."""
    joint, marginal = torch.full((4,), -scale, requires_grad=True), torch.full((4,), scale, requires_grad=True)
    up, down = torch.autograd.grad(bound(joint, marginal), [joint, marginal])
    return bool((up > 0).all() and (down < 0).all())


@pytest.mark.parametrize("name", EVERY)
def test_gradients_point_back_from_absurd_scores(name: str) -> None:
    assert points_back(BOUNDS[name].surrogate or BOUNDS[name], 1e4)


def test_clamping_scores_would_leave_no_gradient() -> None:
    assert not points_back(lambda joint, marginal: joint.clamp(-9, 9).mean() - marginal.clamp(-9, 9).exp().mean(), 1e4)


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_those_of_the_value(name: str) -> None:
    joint, marginal = torch.randn(6, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    assert torch.autograd.gradcheck(BOUNDS[name], (joint.requires_grad_(), marginal.requires_grad_()))


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(0,), (), (3, 1)])
def test_scores_of_another_shape_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with refused("wrong_shape", shape):
        BOUNDS[name](torch.zeros(shape), torch.zeros(4))
    with refused("wrong_shape", shape):
        BOUNDS[name](torch.zeros(4), torch.zeros(shape))


@pytest.mark.parametrize("name", EVERY)
def test_half_precision_scores_are_evaluated_in_single(name: str) -> None:
    joint, marginal = torch.randn(50), torch.randn(50)
    value = BOUNDS[name](joint.bfloat16(), marginal.bfloat16())
    assert value.dtype == torch.float32
    torch.testing.assert_close(
        value, BOUNDS[name](joint.bfloat16().float(), marginal.bfloat16().float()), rtol=1e-2, atol=1e-2
    )


def test_smile_is_no_bound_and_donsker_varadhan_where_nothing_is_clipped() -> None:
    joint, marginal = torch.randn(40), torch.randn(60)
    torch.testing.assert_close(BOUNDS["smile"](joint, marginal), BOUNDS["donsker_varadhan"](joint, marginal))
    assert not BOUNDS["smile"].is_lower_bound
    above = TABLES[0].samples(torch.full((2, 2), 50.0, dtype=torch.float64))
    assert float(BOUNDS["smile"](*above)) > TABLES[0].truth("donsker_varadhan") + 1.0


def test_the_registry_is_keyed_by_name() -> None:
    assert all(isinstance(bound, Bound) and bound.name == name for name, bound in BOUNDS.items())
    assert {bound.unit for bound in BOUNDS.values()} == {"nats", "divergence", "distance"}
    assert [name for name, bound in BOUNDS.items() if bound.needs_lipschitz] == ["kantorovich_rubinstein"]
