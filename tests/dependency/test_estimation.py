from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.dependency import BOUNDS, MEASURES, Bound, fitting, held_out_rows
from comodal.dependency.estimation import EstimationConfig, estimate_dependency
from comodal.dependency.fitting import FitConfig
from comodal.distributions import CopiedBits, GaussianViews, StudentT

QUICK = EstimationConfig(eval_tuples=20_000, validation_tuples=5_000, fit=FitConfig(steps=60, checks=6))
GAUSSIAN = GaussianViews.with_total_correlation(1.0, views=3, dim=2, rotation_seed=0)

WITH_CRITIC = [name for name, spec in MEASURES.items() if isinstance(spec.core, Bound)]


def sample(distribution, n, seed=0):
    return distribution.sample(n, torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.parametrize("measure", WITH_CRITIC)
def test_every_measure_reports_its_facts_and_the_known_value_for_copied_bits(measure):
    config = EstimationConfig(
        scaling="none", eval_tuples=50_000, validation_tuples=5_000, fit=FitConfig(steps=400, checks=8)
    )
    bits = CopiedBits(2)
    estimate = estimate_dependency(sample(bits, 2000), measure=measure, config=config)
    bound = MEASURES[measure].bound
    assert (estimate.measure, estimate.unit, estimate.n_fit, estimate.n_eval) == (measure, bound.unit, 1000, 1000)
    assert estimate.is_lower_bound == (measure != "smile")
    assert estimate.pointwise.shape == (1000,)
    assert estimate.pointwise.dtype == np.float32
    truth = bits.truth(measure)
    if math.isfinite(truth):
        assert estimate.value == pytest.approx(truth, abs=0.04 * max(1.0, truth))
    else:
        assert 1.0 < estimate.value < math.inf


def test_pointwise_is_the_log_density_ratio_of_the_held_out_rows_in_order():
    views = sample(GAUSSIAN, 4000)
    estimate = estimate_dependency(views, config=QUICK, seed=3)
    rows = torch.from_numpy(held_out_rows(4000, seed=3))
    truth = GAUSSIAN.pointwise({name: view[rows] for name, view in views.items()}).numpy()
    assert np.corrcoef(estimate.pointwise, truth)[0, 1] > 0.97
    assert np.abs(estimate.pointwise - truth).mean() < 0.25
    assert np.corrcoef(estimate.pointwise, np.roll(truth, 1))[0, 1] < 0.2


def test_same_seed_same_estimate_and_the_global_generator_is_left_alone():
    views = sample(GAUSSIAN, 400)
    before = torch.get_rng_state()
    first, again, other = (estimate_dependency(views, config=QUICK, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert first.value == again.value
    np.testing.assert_array_equal(first.pointwise, again.pointwise)
    assert first.value != other.value


def test_names_containers_and_shapes_do_not_matter():
    bit = np.random.default_rng(0).integers(2, size=200)
    want = estimate_dependency({"x": bit, "y": 1 - bit}, config=QUICK).value
    for views in (
        [bit, 1 - bit],
        (torch.tensor(bit), torch.tensor(1 - bit)[:, None].bfloat16()),
        [list(bit), 1.0 - bit],
    ):
        assert estimate_dependency(views, config=QUICK).value == want


def test_monotone_transforms_of_coordinates_change_nothing():
    views = {name: view.double() for name, view in sample(GAUSSIAN, 600).items()}
    bent = {"a": views["a"].exp(), "b": views["b"] ** 3, "c": 1e6 + 1e9 * views["c"]}
    first, second = (estimate_dependency(v, config=QUICK).value for v in (views, bent))
    assert second == first
    assert estimate_dependency({**views, "c": -views["c"].abs()}, config=QUICK).value != first


def test_the_value_does_not_depend_on_how_many_tuples_are_scored_at_once(monkeypatch):
    views = sample(GAUSSIAN, 400)
    whole = estimate_dependency(views, config=QUICK).value
    monkeypatch.setattr(fitting, "CHUNK", 97)
    assert estimate_dependency(views, config=QUICK).value == pytest.approx(whole, abs=2e-4)


def test_held_out_rows_are_half_of_all_and_each_once():
    rows = held_out_rows(101, seed=5)
    assert len(rows) == 50
    assert (np.diff(rows) > 0).all()
    assert rows.min() >= 0
    assert rows.max() < 101
    assert not np.array_equal(rows, held_out_rows(101, seed=6))


def test_held_out_samples_have_no_say_in_the_fit():
    views = sample(GAUSSIAN, 400)
    rows = held_out_rows(400)
    spoilt = {name: view.clone() for name, view in views.items()}
    spoilt["a"][rows] = sample(GAUSSIAN, len(rows), seed=9)["a"]
    honest, broken = (estimate_dependency(v, config=QUICK, seed=0) for v in (views, spoilt))
    assert broken.ci_high < honest.ci_low


@pytest.mark.parametrize("measure", WITH_CRITIC)
@pytest.mark.parametrize("scaling", ["normal_scores", "standard"])
def test_heavy_tails_and_outliers_stay_finite(measure, scaling):
    config = EstimationConfig(scaling=scaling, eval_tuples=5_000, validation_tuples=2_000, fit=FitConfig(steps=20))
    shape = GaussianViews.with_total_correlation(1.0, views=2, dim=3)
    views = {name: view.double() for name, view in sample(StudentT(shape, df=1.0), 300).items()}
    views["a"][7] = 1e300
    estimate = estimate_dependency(views, measure=measure, config=config)
    assert all(map(math.isfinite, (estimate.value, estimate.ci_low, estimate.ci_high)))
    assert np.isfinite(estimate.pointwise).all()


@pytest.mark.parametrize("n", [40, 60])
def test_few_samples_in_many_dimensions_give_no_nonsense(n):
    noise = np.random.default_rng(0).normal(size=(2, n, 50))
    estimate = estimate_dependency(list(noise), config=QUICK)
    assert math.isfinite(estimate.value)
    assert estimate.value < 1.0


def test_independent_views_report_nothing_and_say_so():
    estimate = estimate_dependency(list(np.random.default_rng(1).normal(size=(3, 500, 2))), config=QUICK)
    assert estimate.value == pytest.approx(0.0, abs=0.05)
    if estimate.value == 0:
        assert "no dependency" in estimate.warnings[0]


def test_a_value_near_the_logarithm_of_the_sample_size_is_flagged():
    x = np.random.default_rng(0).normal(size=400)
    strong = estimate_dependency([x, x, x], config=QUICK)
    weak = estimate_dependency(sample(GAUSSIAN, 400), config=QUICK)
    assert any("log(200)" in warning for warning in strong.warnings)
    assert not weak.warnings


RANDOM = np.random.default_rng(0).normal(size=(100, 2))
HOLED = np.where(np.arange(200).reshape(100, 2) % 60 == 14, np.nan, RANDOM)


@pytest.mark.parametrize(
    ("views", "code", "named"),
    [
        ({"a": RANDOM}, "missing", [1]),
        ({"a": RANDOM, "b": RANDOM[:99]}, "mismatch", ["'b'", 99, "'a'", 100]),
        ({"a": RANDOM, "b": HOLED}, "not_finite", ["'b'", 4, 7]),
        ({"a": RANDOM, "b": np.full((100, 2), np.inf)}, "not_finite", [100]),
        ({"a": RANDOM, "b": np.ones((100, 2))}, "invalid", ["'b'"]),
        ({"a": RANDOM[:20], "b": RANDOM[:20]}, "out_of_range", [20, 40]),
        ({"a": RANDOM, "b": RANDOM.reshape(100, 2, 1)}, "wrong_shape", ["'b'", (100, 2, 1)]),
        ({"a": RANDOM, "b": np.zeros((100, 0))}, "wrong_shape", ["'b'", (100, 0)]),
        ({"a": RANDOM, "b": ["x"] * 100}, "wrong_type", ["'b'"]),
        ({"a": RANDOM, "b": RANDOM * 1j}, "wrong_type", ["'b'"]),
    ],
)
def test_views_that_cannot_be_estimated_are_refused_in_one_line(views, code, named):
    with refused(code, *named):
        estimate_dependency(views)


def test_an_unknown_measure_offers_the_nearest():
    with refused("unknown_name", "wassersten", "'wasserstein'"):
        estimate_dependency([RANDOM, RANDOM], measure="wassersten")


@pytest.mark.parametrize(
    ("make", "code", "named"),
    [
        (lambda: EstimationConfig(eval_share=1.0), "out_of_range", "eval_share=1.0"),
        (lambda: EstimationConfig(scaling="normal"), "unknown_name", "normal_scores"),
        (lambda: EstimationConfig(eval_tuples=0), "out_of_range", "eval_tuples"),
        (lambda: FitConfig(steps=0), "out_of_range", "steps=0"),
        (lambda: FitConfig(hidden=(7,)), "out_of_range", (7,)),
        (lambda: FitConfig(learning_rate=0.0), "out_of_range", "learning_rate"),
        (
            lambda: estimate_dependency([RANDOM, -RANDOM], config=EstimationConfig(eval_share=0.99)),
            "out_of_range",
            "eval_share",
        ),
    ],
)
def test_impossible_settings_are_refused(make, code, named):
    with refused(code, named):
        make()


def test_a_measure_without_a_critic_is_refused():
    with refused("unsupported", "dhsic", "kl"):
        estimate_dependency([np.arange(50.0), np.arange(50.0) ** 2], measure="dhsic")


def test_a_bound_that_is_registered_without_a_form_to_fit_is_refused(monkeypatch):
    bound = replace(BOUNDS["nwj"], name="strange", form=None)
    monkeypatch.setitem(MEASURES, "strange", replace(MEASURES["f"], name="strange", core=bound))
    with refused("unsupported", "strange", "nwj"):
        estimate_dependency([np.arange(50.0), np.arange(50.0) ** 2], measure="strange")
