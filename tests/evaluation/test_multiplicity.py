"""Holm against statsmodels; uniformity on p-values known to be uniform or not."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from scipy.stats import kstest
from statsmodels.stats.multitest import multipletests

from comodal.evaluation.multiplicity import holm, uniformity


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_holm_agrees_with_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=rng.integers(1, 15)) ** 3
    p[rng.integers(len(p))] = p[0]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_is_not_bonferroni() -> None:
    p = np.array([0.01, 0.02, 0.03])
    assert holm(p).tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert multipletests(p, method="bonferroni")[1].tolist() == pytest.approx([0.03, 0.06, 0.09])


def test_a_comparison_that_could_not_be_made_is_not_counted() -> None:
    corrected = holm([0.01, np.nan, 0.04])
    assert np.isnan(corrected[1])
    assert corrected[[0, 2]] == pytest.approx(holm([0.01, 0.04]))
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize("bad", [[0.5, 1.5], [-0.1], [[0.5]]])
def test_what_is_not_a_p_value_is_refused(bad: list[float]) -> None:
    with refused("out_of_range"):
        holm(bad)


@pytest.mark.statistical
def test_uniformity_tells_uniform_from_too_small() -> None:
    """False-alarm rate of the first assertion: 1e-3; the seed is fixed."""
    p = np.random.default_rng(0).uniform(size=500)
    assert uniformity(p).p_value > 1e-3
    assert uniformity(p).statistic == pytest.approx(kstest(p, lambda x: x).statistic)
    too_small = uniformity(p**2)
    assert too_small.p_value < 1e-10
    assert too_small.rejected == pytest.approx((p < np.sqrt(0.05)).mean())
    assert uniformity(np.sqrt(p)).p_value < 1e-10


@pytest.mark.parametrize("bad", [[0.5], [0.5, np.nan]])
def test_uniformity_needs_values(bad: list[float]) -> None:
    with refused("invalid", len(bad)):
        uniformity(bad)
