from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from refusals import refused
from scipy import optimize, stats

from comodal.distributions import CopiedBits, GaussianViews, HalfCube, Independent, StudentT, XorBits

LN2 = math.log(2)
ALL = {
    "two copied bits": CopiedBits(2),
    "three copied bits": CopiedBits(3),
    "xor": XorBits(),
    "half cube": HalfCube(),
    "gaussian": GaussianViews.with_total_correlation(1.5, views=3, dim=2, rotation_seed=0),
    "student": StudentT(GaussianViews.with_total_correlation(0.5, views=2, dim=1), df=3.0),
    "independent": Independent(3, 2),
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def joint_table(distribution):
    """Probabilities of the bit strings under the joint, from its own definition."""
    views = 3 if isinstance(distribution, XorBits) else distribution.copies
    strings = list(product((0, 1), repeat=views))
    if isinstance(distribution, XorBits):
        return strings, np.array([0.25 if sum(s) % 2 == 0 else 0.0 for s in strings])
    return strings, np.array([0.5 if len(set(s)) == 1 else 0.0 for s in strings])


def transport_cost(strings, p, q):
    """Wasserstein-1 by linear programming over couplings."""
    k = len(strings)
    points = np.array(strings, dtype=float)
    cost = np.linalg.norm(points[:, None] - points[None], axis=2).ravel()
    rows = np.kron(np.eye(k), np.ones(k))
    columns = np.kron(np.ones(k), np.eye(k))
    solution = optimize.linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([p, q]))
    return solution.fun


@pytest.mark.parametrize("distribution", [CopiedBits(2), CopiedBits(3), CopiedBits(4), XorBits()])
def test_discrete_truths_equal_enumeration_and_linear_programming(distribution):
    strings, p = joint_table(distribution)
    q = np.full(len(strings), 1 / len(strings))
    mixture = (p + q) / 2
    assert distribution.total_correlation == pytest.approx(stats.entropy(p, q))
    assert distribution.truth("kl") == pytest.approx(stats.entropy(p, q))
    assert distribution.truth("jensen_shannon") == pytest.approx(
        (stats.entropy(p, mixture) + stats.entropy(q, mixture)) / 2
    )
    assert distribution.truth("pearson") == pytest.approx(((p - q) ** 2 / q).sum())
    assert distribution.truth("squared_hellinger") == pytest.approx(((np.sqrt(p) - np.sqrt(q)) ** 2).sum())
    assert distribution.truth("reverse_kl") == math.inf
    assert distribution.truth("wasserstein") == pytest.approx(transport_cost(strings, p, q))


def test_the_enumeration_can_tell_a_wrong_joint():
    strings, p = joint_table(CopiedBits(2))
    assert stats.entropy(np.roll(p, 1) * 0.5 + p * 0.5, np.full(len(strings), 0.25)) != pytest.approx(LN2)


@pytest.mark.parametrize(
    ("distribution", "kl", "js", "w1"),
    [(CopiedBits(2), 0.6931, 0.2158, 0.5), (CopiedBits(3), 1.3863, 0.3804, 0.75), (XorBits(), 0.6931, 0.2158, 0.5)],
)
def test_published_values(distribution, kl, js, w1):
    assert distribution.total_correlation == pytest.approx(kl, abs=5e-5)
    assert distribution.truth("jensen_shannon") == pytest.approx(js, abs=5e-5)
    assert distribution.truth("wasserstein") == pytest.approx(w1)


@pytest.mark.parametrize("distribution", [XorBits(), HalfCube()])
def test_parity_is_invisible_to_pairs(distribution):
    a, b, c = (view.squeeze(1) for view in distribution.sample(4000, generator()).values())
    signs = [torch.where(view > 0, 1.0, -1.0) for view in (a, b, c)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert abs(float((signs[first] * signs[second]).mean())) < 5 / math.sqrt(4000)
    assert float((signs[0] * signs[1] * signs[2]).mean().abs()) == 1.0
    assert all(distribution.mutual_information(*pair) == 0 for pair in ("ab", "ac", "bc"))


@pytest.mark.parametrize("rotation_seed", [None, 3])
@pytest.mark.parametrize("tc", [0.0, 0.5, 5.0])
def test_gaussian_has_the_total_correlation_asked_for(tc, rotation_seed):
    views = GaussianViews.with_total_correlation(tc, views=3, dim=4, rotation_seed=rotation_seed)
    r = views.covariance.numpy()
    blocks = sum(np.linalg.slogdet(r[k : k + 4, k : k + 4])[1] for k in (0, 4, 8))
    assert (blocks - np.linalg.slogdet(r)[1]) / 2 == pytest.approx(tc, abs=1e-9)
    assert views.total_correlation == pytest.approx(tc, abs=1e-9)


def test_rotations_move_correlations_off_the_diagonal_and_change_no_truth():
    plain = GaussianViews.with_total_correlation(2.0, views=3, dim=4)
    turned = GaussianViews.with_total_correlation(2.0, views=3, dim=4, rotation_seed=1)
    assert not torch.allclose(plain.covariance, turned.covariance, atol=1e-2)
    for measure in ("kl", "reverse_kl", "squared_hellinger", "pearson"):
        assert turned.truth(measure) == pytest.approx(plain.truth(measure))
    assert turned.mutual_information("a", "c") == pytest.approx(plain.mutual_information("a", "c"))


def test_bivariate_gaussian_truths_equal_numerical_integration():
    rho = 0.5
    views = GaussianViews((1, 1), torch.tensor([[1.0, rho], [rho, 1.0]]))
    grid = np.linspace(-9, 9, 721)
    x, y = np.meshgrid(grid, grid)
    area = (grid[1] - grid[0]) ** 2
    p = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).pdf(np.dstack([x, y]))
    q = stats.norm.pdf(x) * stats.norm.pdf(y)
    log_ratio = np.log(p) - np.log(q)
    assert views.mutual_information("a", "b") == pytest.approx(-math.log(1 - rho**2) / 2)
    assert views.truth("kl") == pytest.approx((p * log_ratio).sum() * area, abs=1e-6)
    assert views.truth("reverse_kl") == pytest.approx(-(q * log_ratio).sum() * area, abs=1e-6)
    assert views.truth("pearson") == pytest.approx(((p - q) ** 2 / q).sum() * area, abs=1e-5)
    assert views.truth("squared_hellinger") == pytest.approx(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() * area, abs=1e-6)
    points = torch.tensor(np.stack([x[::90, ::90].ravel(), y[::90, ::90].ravel()], axis=1), dtype=torch.float32)
    got = views.pointwise({"a": points[:, :1], "b": points[:, 1:]})
    np.testing.assert_allclose(got, log_ratio[::90, ::90].ravel(), rtol=1e-4, atol=1e-4)


def test_pearson_of_strong_gaussian_dependency_is_infinite():
    assert GaussianViews.with_total_correlation(5.0, views=3, dim=10).truth("pearson") == math.inf


def test_samples_have_the_covariance():
    views = GaussianViews.with_total_correlation(1.0, views=2, dim=2, rotation_seed=2)
    x = torch.cat(list(views.sample(200_000, generator()).values()), dim=1)
    assert torch.allclose(torch.cov(x.T).double(), views.covariance, atol=0.02)


@pytest.mark.parametrize("df", [1.0, 4.0])
def test_student_density_ratio_equals_scipy(df):
    shape = GaussianViews.with_total_correlation(0.8, views=2, dim=2, rotation_seed=5)
    views = StudentT(shape, df)
    sample = views.sample(50, generator())
    covariance = shape.covariance.numpy()
    joint = stats.multivariate_t(shape=covariance, df=df).logpdf(torch.cat(list(sample.values()), dim=1).numpy())
    parts = [
        stats.multivariate_t(shape=covariance[i : i + 2, i : i + 2], df=df).logpdf(view.numpy())
        for i, view in zip((0, 2), sample.values(), strict=True)
    ]
    np.testing.assert_allclose(views.pointwise(sample), joint - sum(parts), rtol=1e-3, atol=1e-3)


def test_student_total_correlation_equals_entropies_of_scipy():
    shape = GaussianViews.with_total_correlation(0.8, views=3, dim=1)
    joint = stats.multivariate_t(shape=shape.covariance.numpy(), df=2.0).entropy()
    assert StudentT(shape, 2.0).total_correlation == pytest.approx(3 * stats.t(df=2.0).entropy() - joint, abs=1e-6)


def test_student_tends_to_the_gaussian():
    shape = GaussianViews.with_total_correlation(0.8, views=3, dim=2)
    assert StudentT(shape, 1e6).total_correlation == pytest.approx(0.8, abs=1e-4)
    assert StudentT(shape, 1.0).total_correlation > 0.9


@pytest.mark.statistical
@pytest.mark.parametrize("name", ALL)
def test_mean_log_ratio_is_the_total_correlation(name):
    """Within 5 standard errors at a fixed seed; false-alarm rate below 1e-5 over all cases."""
    ratio = ALL[name].pointwise(ALL[name].sample(20_000, generator(1))).double()
    error = float(ratio.std()) / math.sqrt(20_000)
    assert abs(float(ratio.mean()) - ALL[name].total_correlation) <= 5 * error + 1e-6


@pytest.mark.parametrize("name", ALL)
def test_samples_repeat_with_the_seed_and_only_with_it(name):
    first, again, other = (ALL[name].sample(64, generator(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(first[view], again[view]) for view in first)
    assert not torch.equal(first["a"], other["a"])
    assert all(view.dtype == torch.float32 and len(view) == 64 for view in first.values())


def test_nothing_is_drawn_from_the_global_generator():
    before = torch.get_rng_state()
    for distribution in ALL.values():
        distribution.sample(8, generator())
    GaussianViews.with_total_correlation(1.0, rotation_seed=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("make", "code", "named"),
    [
        (lambda: GaussianViews((1, 1), torch.tensor([[1.0, 2.0], [2.0, 1.0]])), "invalid", "covariance"),
        (lambda: GaussianViews((1, 1), torch.tensor([[1.0, 0.5], [0.1, 1.0]])), "invalid", "covariance"),
        (lambda: GaussianViews((1, 2), torch.eye(2)), "wrong_shape", (1, 2)),
        (lambda: GaussianViews.with_total_correlation(-1.0), "out_of_range", -1.0),
        (lambda: GaussianViews.with_total_correlation(math.nan), "out_of_range", math.nan),
        (lambda: CopiedBits(1).sample(3, generator()), "out_of_range", 1),
        (lambda: StudentT(ALL["gaussian"], df=0.0).sample(3, generator()), "out_of_range", 0.0),
    ],
)
def test_impossible_distributions_are_refused(make, code, named):
    with refused(code, named):
        make()
