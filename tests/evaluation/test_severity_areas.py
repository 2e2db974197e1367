"""Areas below severity curves, against trapezoids by hand and by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy.integrate import trapezoid

from comodal.evaluation.groups import Grouping
from comodal.evaluation.paired import ArmMetrics
from comodal.evaluation.severity_areas import area_weights, effective_area, relative_area

GROUPS = Grouping(np.array([0, 1, 2]), np.array([1, 1, 1]))
SEVERITIES = [0.0, 0.25, 1.0]


def arm(values: list[float], left_out: float = 0.0) -> ArmMetrics:
    """Two seeds; three groups, each of which moves the metric by so much."""
    seeds = np.array(values)
    return ArmMetrics({"acc": seeds}, {"acc": seeds + left_out * np.array([[-1.0], [0.0], [1.0]])}, GROUPS)


def test_any_curve_is_numpys_trapezoid() -> None:
    rng = np.random.default_rng(0)
    severities = np.sort(rng.uniform(size=9))
    values = rng.normal(size=9)
    expected = trapezoid(values, severities) / np.ptp(severities)
    assert area_weights(severities) @ values == pytest.approx(expected)
    assert area_weights(severities).sum() == pytest.approx(1.0)


def test_relative_area_of_every_seed_and_every_left_out_group() -> None:
    points = [arm([80.0, 82.0], 1.0), arm([60.0, 70.0], 2.0), arm([20.0, 30.0], 4.0)]
    found = relative_area(points, SEVERITIES)
    # By hand, 80 -> 60 over a quarter: 17.5; 60 -> 20 over three quarters: 30.
    assert found.values["acc"] == pytest.approx([47.5, 0.25 * 76 + 0.75 * 50])
    for group, sign in enumerate((-1.0, 0.0, 1.0)):
        moved = [80 + sign, 60 + 2 * sign, 20 + 4 * sign]
        assert found.left_out["acc"][group, 0] == pytest.approx(trapezoid(moved, SEVERITIES))


def test_effective_area_is_what_lies_above_the_moved_baseline() -> None:
    points = [arm([80.0, 80.0]), arm([70.0, 80.0]), arm([60.0, 80.0])]
    baseline = [arm([75.0, 60.0]), arm([60.0, 50.0]), arm([35.0, 40.0])]
    found = effective_area(points, baseline, SEVERITIES)
    moved = [[80.0, 65.0, 40.0], [80.0, 70.0, 60.0]]  # the baseline's curves, begun at 80
    ours = [[80.0, 70.0, 60.0], [80.0, 80.0, 80.0]]
    gap = np.array(ours) - np.array(moved)
    assert found.values["acc"] == pytest.approx(trapezoid(gap, SEVERITIES, axis=1))
    assert (found.values["acc"] > 0).all()
    assert effective_area(baseline, baseline, SEVERITIES).values["acc"] == pytest.approx([0.0, 0.0])


def test_better_clean_performance_alone_is_no_effective_robustness() -> None:
    baseline = [arm([75.0, 60.0]), arm([60.0, 50.0]), arm([35.0, 40.0])]
    better = [ArmMetrics({"acc": p.values["acc"] + 5}, {"acc": p.left_out["acc"] + 5}, GROUPS) for p in baseline]
    assert effective_area(better, baseline, SEVERITIES).values["acc"] == pytest.approx([0.0, 0.0])
    assert relative_area(better, SEVERITIES).values["acc"] == pytest.approx(
        relative_area(baseline, SEVERITIES).values["acc"] + 5
    )


def test_what_has_no_area_is_refused() -> None:
    for severities in ([0.5], [0.0, 0.0], [1.0, 0.0], []):
        with refused("invalid", severities):
            area_weights(severities)
    with refused("mismatch", 2, 3):
        relative_area([arm([1.0, 1.0])] * 2, SEVERITIES)
