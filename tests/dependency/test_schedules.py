from __future__ import annotations

import itertools

import pytest
from refusals import refused

from comodal.dependency.schedules import ConstantWeight, CosineWarmup, LinearWarmup


@pytest.mark.parametrize("schedule", [ConstantWeight(), LinearWarmup(10), CosineWarmup(10)])
def test_shares_grow_from_above_zero_to_one(schedule: ConstantWeight | LinearWarmup | CosineWarmup) -> None:
    shares = [schedule(step) for step in range(30)]
    assert 0.0 < shares[0] <= 1.0
    assert all(later >= earlier for earlier, later in itertools.pairwise(shares))
    assert shares[9:] == pytest.approx([1.0] * 21)
    assert (shares[8] < 1.0) == (schedule != ConstantWeight())


def test_the_shapes_differ() -> None:
    assert LinearWarmup(10)(1) == pytest.approx(0.2)
    assert CosineWarmup(10)(1) == pytest.approx(0.0955, abs=1e-4)


@pytest.mark.parametrize("family", [LinearWarmup, CosineWarmup])
def test_no_steps_are_refused(family: type[LinearWarmup | CosineWarmup]) -> None:
    with refused("out_of_range", 0):
        family(0)
