from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from torch import Tensor

from comodal.contracts.errors import Code
from comodal.resampling import cyclic_order


def shares_a_sample(order: Tensor) -> bool:
    return any(bool((one == other).any()) for one, other in itertools.combinations(order, 2))


def uses_each_once(order: Tensor, n: int) -> bool:
    pairings = order.reshape(order.shape[0], -1, n).sort(dim=2).values
    return bool((pairings == torch.arange(n)).all())


@settings(max_examples=150, deadline=None)
@given(views=st.integers(2, 7), spare=st.integers(0, 40), pairings=st.integers(1, 4), seed=st.integers(0, 10_000))
def test_no_tuple_is_aligned_and_each_sample_is_used_once(views: int, spare: int, pairings: int, seed: int) -> None:
    n = views + spare
    order = cyclic_order(n, views, pairings=pairings, generator=torch.Generator().manual_seed(seed))
    assert order.shape == (views, pairings * n)
    assert not shares_a_sample(order)
    assert uses_each_once(order, n)


def test_independent_permutations_fail_the_first_check_and_draws_with_replacement_the_second() -> None:
    permutations = torch.stack([torch.randperm(32) for _ in range(3)])
    assert shares_a_sample(permutations)
    assert not uses_each_once(torch.randint(32, (3, 32)), 32)


def test_every_tuple_of_distinct_samples_is_as_likely_as_any_other() -> None:
    """Statistical, seeded: 24 tuples of 4 x 3; chi-squared with 23 degrees of freedom above 58.6 has p < 6e-5."""
    draws, expected = 6000, 6000 / 24
    order = cyclic_order(4, 3, pairings=draws // 4, generator=torch.Generator().manual_seed(1))
    codes = (order * torch.tensor([[16], [4], [1]])).sum(dim=0)
    counts = torch.bincount(codes, minlength=64)
    assert int((counts > 0).sum()) == 24
    assert float(((counts[counts > 0] - expected) ** 2 / expected).sum()) < 58.6


def test_rounds_are_independent_and_seeds_repeat() -> None:
    order = cyclic_order(64, 2, pairings=2, generator=torch.Generator().manual_seed(3))
    assert not torch.equal(order[:, :64], order[:, 64:])
    assert torch.equal(order, cyclic_order(64, 2, pairings=2, generator=torch.Generator().manual_seed(3)))
    assert not torch.equal(order, cyclic_order(64, 2, pairings=2, generator=torch.Generator().manual_seed(4)))


def test_a_given_generator_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    cyclic_order(8, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())
    cyclic_order(8, 2)
    assert not torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("n", "views", "pairings", "code", "named"),
    [
        (2, 3, 1, "out_of_range", [2, 3]),
        (0, 2, 1, "out_of_range", [0]),
        (5, 1, 1, "missing", [1]),
        (5, 2, 0, "out_of_range", ["pairings=0"]),
    ],
)
def test_impossible_pairings_are_refused(n: int, views: int, pairings: int, code: Code, named: list[object]) -> None:
    with refused(code, *named):
        cyclic_order(n, views, pairings=pairings)
