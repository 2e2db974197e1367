"""The parts an estimate is made of: scaling, starting critic, ratio forms, calibration, influence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused
from scipy import stats

from comodal.dependency.bound import BOUNDS
from comodal.dependency.calibration import Calibration, calibrate, influences, standard_error
from comodal.dependency.critics import Critic, QuadraticCritic
from comodal.dependency.fitted_critic import CorrectedGaussianCritic, OrthogonalCritic, gaussian_log_ratio
from comodal.dependency.fitting import FitConfig, fit_critic
from comodal.dependency.samples import SCALINGS, normal_scores, standard
from comodal.distributions import GaussianViews
from comodal.resampling import cyclic_order

F_BOUNDS = [name for name in BOUNDS if name != "kantorovich_rubinstein"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class FixedCritic(Critic):
    """Scores by a function of its views."""

    def __init__(self, dims, function):
        super().__init__(dims)
        self.function = function

    def forward(self, views):
        return self.function(views)


# Scaling


@pytest.mark.parametrize("scaling", ["normal_scores", "standard"])
def test_scaled_reference_has_unit_variance_and_constant_coordinates_are_zero(scaling):
    reference = torch.stack([torch.randn(500, generator=generator()) * 7 + 3, torch.full((500,), 2.0)], dim=1).double()
    scaled = SCALINGS[scaling](reference)(reference)
    assert scaled.dtype == torch.float32
    assert float(scaled[:, 0].std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    assert not scaled[:, 1].any()


def test_normal_scores_equal_quantiles_of_ranks():
    reference = torch.tensor([3.0, 1.0, 2.0, 2.0]).reshape(-1, 1)
    ranks = stats.rankdata(reference.squeeze().numpy())
    want = stats.norm.ppf((ranks - 0.5) / 4)
    got = normal_scores(reference)(reference).squeeze().numpy()
    np.testing.assert_allclose(got, (want - want.mean()) / want.std(), rtol=1e-6, atol=1e-7)


def test_normal_scores_of_new_values_are_monotone_and_stop_at_the_ends():
    transform = normal_scores(torch.randn(100, 1, generator=generator()).double())
    new = transform(torch.linspace(-50, 50, 1001, dtype=torch.float64).unsqueeze(1)).squeeze()
    assert (new.diff() >= 0).all()
    assert new[0] == new[1]
    assert new.abs().max() < 3.5


def test_standard_cuts_outliers_but_keeps_rare_values_of_a_flag():
    view = torch.randn(5000, 1, generator=generator()).double()
    view[0] = 1e12
    assert standard(view)(view).abs().max() < 10
    flag = torch.zeros(5000, 1).double()
    flag[:2] = 1.0
    assert standard(flag)(flag).unique().numel() == 2


# Critics


def test_gaussian_start_tends_to_the_true_log_ratio():
    views = GaussianViews.with_total_correlation(1.0, views=3, dim=2, rotation_seed=1)
    critic = gaussian_log_ratio(list(views.sample(50_000, generator()).values()))
    fresh = views.sample(500, generator(1))
    got, want = critic(list(fresh.values())).detach(), views.pointwise(fresh)
    assert float((got - want).abs().mean()) < 0.05
    assert float((got - want.roll(1)).abs().mean()) > 0.5


def test_full_shrinkage_knows_nothing():
    views = list(GaussianViews.with_total_correlation(1.0, views=2, dim=2).sample(100, generator()).values())
    assert float(gaussian_log_ratio(views, shrinkage=1.0)(views).detach().abs().max()) < 1e-5


def test_degenerate_covariances_give_finite_scores():
    x = torch.randn(20, 30, generator=generator())
    views = [x, x, torch.zeros(20, 2)]
    assert gaussian_log_ratio(views)(views).isfinite().all()


def test_corrected_critic_starts_as_its_quadratic_part():
    start = QuadraticCritic([2, 3])
    torch.nn.init.normal_(start.form)
    views = [torch.randn(9, 2), torch.randn(9, 3)]
    critic = CorrectedGaussianCritic(start, hidden=(8,))
    assert torch.equal(critic(views), start(views))
    torch.nn.init.ones_(critic.network[-1].bias)
    assert not torch.equal(critic(views), start(views))


def test_orthogonal_critic_never_exceeds_slope_one_and_comes_near_it_when_fitted():
    torch.manual_seed(0)
    x = torch.randn(400, 2, generator=generator())
    views = [x, torch.randn(400, 2, generator=generator(1))]
    critic = OrthogonalCritic([2, 2], hidden=(16, 16))
    fit_critic(
        critic,
        lambda joint, marginal: joint.mean() - marginal.mean(),
        train=[x, x],
        validation=[x, x],
        validation_order=cyclic_order(400, 2, generator=generator()),
        config=FitConfig(hidden=(16, 16), steps=200),
        generator=generator(),
    )
    points = torch.cat([view * 3 for view in views], dim=1)
    slopes = critic.input_gradient(points).detach().norm(dim=1)
    assert float(slopes.max()) <= 1 + 1e-4
    assert float(slopes.median()) > 0.85
    other = points.roll(1, 0)
    gap = (critic(points.split(2, 1)) - critic(other.split(2, 1))).abs()
    assert bool((gap <= (points - other).norm(dim=1) + 1e-4).all())


# Ratio forms


@pytest.mark.parametrize("name", F_BOUNDS)
def test_the_true_ratio_gives_each_bound_its_known_value(name):
    views = GaussianViews((1, 1), torch.tensor([[1.0, 0.4], [0.4, 1.0]]))
    joint = views.pointwise(views.sample(400_000, generator())).double()
    apart = views.sample(400_000, generator(1))
    marginal = views.pointwise({"a": apart["a"], "b": apart["b"].roll(1, 0)}).double()
    form = BOUNDS[name].required_form()
    measure = {"donsker_varadhan": "kl", "nwj": "kl"}.get(name, name)
    truth = views.truth(measure)
    if truth is None:  # Jensen-Shannon of Gaussians: by the definition, from the same samples
        mixture = [torch.nn.functional.softplus(s) - math.log(2) for s in (joint, marginal)]
        truth = float((joint - mixture[0]).mean() - mixture[1].mean()) / 2
    got = float(BOUNDS[name](form.score(joint), form.score(marginal)))
    assert got == pytest.approx(truth, abs=0.005)
    assert float(BOUNDS[name](form.score(2 * joint), form.score(2 * marginal))) < got


@pytest.mark.parametrize("name", [n for n in F_BOUNDS if n not in {"jensen_shannon", "smile"}])
def test_the_constant_is_the_best_one(name):
    joint, marginal = torch.randn(2, 500, generator=generator()).double()
    form, bound = BOUNDS[name].required_form(), BOUNDS[name]

    def value(shift):
        return float(bound(form.score(joint + shift), form.score(marginal + shift)))

    best = float(form.constant(joint, marginal))
    assert all(value(best) >= value(best + step) - 1e-12 for step in (-0.5, -0.01, 0.01, 0.5))
    if name != "donsker_varadhan":
        assert value(best) > value(best + 0.5)


def test_a_bound_without_a_form_cannot_be_fitted() -> None:
    with refused("unsupported", "nwj", "penalty", "jensen_shannon"):
        replace(BOUNDS["nwj"], form=None).required_form()


# Calibration


def test_calibration_cools_an_overconfident_critic_and_leaves_an_honest_one():
    views = GaussianViews.with_total_correlation(1.0, views=2, dim=1)
    sample = list(views.sample(3000, generator()).values())
    order = cyclic_order(3000, 2, pairings=20, generator=generator())

    def of_factor(factor):
        critic = FixedCritic([1, 1], lambda v: factor * views.pointwise({"a": v[0], "b": v[1]}))
        return calibrate(BOUNDS["donsker_varadhan"], critic, sample, order)

    assert of_factor(1.0).temperature >= 0.9
    assert of_factor(2.0).temperature <= 0.65


@pytest.mark.parametrize("name", BOUNDS)
def test_calibration_rejects_a_critic_of_noise(name):
    sample = list(torch.randn(2, 500, 1, generator=generator()))
    critic = FixedCritic([1, 1], lambda v: 3 * torch.sin(100 * v[0] * v[1]).squeeze(1))
    order = cyclic_order(500, 2, pairings=20, generator=generator())
    calibration = calibrate(BOUNDS[name], critic, sample, order)
    form = BOUNDS[name].required_form()
    scores = [form.score(calibration(torch.randn(50))) for _ in range(2)]
    assert calibration.temperature == 0
    assert float(BOUNDS[name](*scores)) == pytest.approx(0.0, abs=1e-6)


def test_cut_acts_on_the_exponential_side_only():
    scores = torch.tensor([-9.0, 0.0, 9.0])
    assert Calibration(1.0, 0.0, 2.0, 1)(scores).tolist() == [-9.0, 0.0, 2.0]
    assert Calibration(1.0, 0.0, 2.0, -1)(scores).tolist() == [-2.0, 0.0, 9.0]


# Influence and intervals


def correlated_scores(n, seed):
    """A fixed, wrong critic of correlated Gaussians: scores and the pairing."""
    views = GaussianViews.with_total_correlation(0.4, views=3, dim=1).sample(n, generator(seed))
    a, b, c = (view.squeeze(1).double() for view in views.values())
    order = cyclic_order(n, 3, pairings=10, generator=generator(seed + 10_000))

    def critic(x, y, z):
        return 0.2 * (x * y + y * z + x * z) + 0.2 * x

    return critic(a, b, c), critic(a[order[0]], b[order[1]], c[order[2]]), order


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("name", BOUNDS)
def test_intervals_at_a_fixed_critic_cover_at_the_stated_rate(name):
    """400 intervals of nominal 95 %: accepted between 90.5 % and 98.5 %, false-alarm rate about 1e-4 a bound."""
    bound = BOUNDS[name]
    runs = [correlated_scores(300, seed) for seed in range(400)]
    values = np.array([float(bound(joint, marginal)) for joint, marginal, _ in runs])
    errors = np.array([standard_error(bound, *run) for run in runs])
    truth = np.mean([float(bound(*correlated_scores(30_000, 500 + seed)[:2])) for seed in range(8)])
    covered = np.mean(np.abs(values - truth) <= 1.96 * errors)
    assert 0.905 <= covered <= 0.985
    assert np.mean(np.abs(values - truth) <= 0.5 * errors) < 0.905


def test_influence_is_the_derivative_by_the_weight_of_a_sample():
    joint, marginal, order = correlated_scores(40, 0)
    got = influences(BOUNDS["donsker_varadhan"], joint, marginal, order)
    rate, want = 1e-6, []
    for i in range(40):
        weight = torch.ones(40, dtype=torch.float64)
        weight[i] += rate * 40
        weight /= weight.mean()
        tuples = weight[order].prod(dim=0)
        value = (weight * joint).mean() - (tuples * marginal.exp()).mean().log()
        want.append(value)
    plain = joint.mean() - marginal.exp().mean().log()
    want = (torch.stack(want) - plain) / rate
    np.testing.assert_allclose(got, want - want.mean(), rtol=1e-3, atol=1e-3)
    assert not np.allclose(got, (joint - joint.mean()), atol=1e-2)


def test_standard_error_falls_with_the_square_root_of_the_sample():
    small, large = (standard_error(BOUNDS["nwj"], *correlated_scores(n, 1)) for n in (500, 8000))
    assert small / large == pytest.approx(4.0, rel=0.3)
