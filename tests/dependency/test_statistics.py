"""Statistics against their formulas in plain loops, closed forms, and what each can and cannot see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from refusals import refused
from scipy.spatial.distance import cdist
from torch import Tensor

from comodal import functional
from comodal.dependency import MEASURES, Statistic, build_measure

NAMES = [name for name, spec in MEASURES.items() if isinstance(build_measure(name, dims=[2, 2]), Statistic)]
Arrays = Sequence[np.ndarray]


def dhsic_in_loops(views: Arrays) -> float:
    """Pfister et al. 2018: three sums over tuples of rows, of the kernels and of copies of each."""
    n = len(views[0])
    kernels = []
    for view in views:
        squared = [[float(((view[i] - view[j]) ** 2).sum()) for j in range(n)] for i in range(n)]
        width = sum(map(sum, squared)) / (n * (n - 1))
        kernels.append([[math.exp(-squared[i][j] / width) for j in range(n)] for i in range(n)])

    def criterion(each: list[list[list[float]]]) -> float:
        first = sum(math.prod(k[i][j] for k in each) for i in range(n) for j in range(n)) / n**2
        second = math.prod(sum(map(sum, k)) / n**2 for k in each)
        third = sum(math.prod(sum(k[i]) / n for k in each) for i in range(n)) / n
        return first + second - 2 * third

    own = [criterion([kernel] * len(views)) for kernel in kernels]
    return criterion(kernels) / math.prod(own) ** (1 / len(own))


def distance_correlation_in_loops(views: Arrays) -> float:
    """Böttcher's total multivariance as a sum over all sets of two or more views, over that of copies of each."""
    centred = []
    for view in views:
        distances = cdist(view, view)
        doubly = distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean()
        centred.append(-doubly / distances.mean())

    def total(each: list[np.ndarray]) -> float:
        sets = [chosen for size in range(2, len(each) + 1) for chosen in itertools.combinations(each, size)]
        return sum(float(np.prod(chosen, axis=0).mean()) for chosen in sets)

    own = [total([each] * len(views)) for each in centred]
    return math.sqrt(total(centred) / math.prod(own) ** (1 / len(own)))


def gaussian_by_determinants(views: Arrays) -> float:
    columns = np.concatenate(views, axis=1)
    joint = np.corrcoef(columns.T) + 0.1 * np.eye(columns.shape[1])
    ends = np.cumsum([view.shape[1] for view in views])
    blocks = [joint[a:b, a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return 0.5 * (sum(math.log(np.linalg.det(block)) for block in blocks) - math.log(np.linalg.det(joint)))


def vicreg_in_loops(views: Arrays) -> float:
    """The authors' pseudo-code, each loss by itself; the three weights are 25, 25 and 1, all over 25."""
    pairs = list(itertools.combinations(views, 2))
    near = sum(float(((a - b) ** 2).mean()) for a, b in pairs) / len(pairs)
    spread = [np.maximum(0, 1 - np.sqrt(view.var(axis=0, ddof=1) + 1e-4)).mean() for view in views]
    shared = []
    for view in views:
        covariance = np.cov(view.T)
        shared.append(
            sum(covariance[i, j] ** 2 for i in range(len(covariance)) for j in range(len(covariance)) if i != j)
            / len(covariance)
        )
    return -(25 * near + 25 * float(np.mean(spread)) + 2 * float(np.mean(shared))) / 25


def barlow_in_loops(views: Arrays) -> float:
    losses = []
    for a, b in itertools.combinations(views, 2):
        d = a.shape[1]
        corr = [[float(np.corrcoef(a[:, i], b[:, j])[0, 1]) for j in range(d)] for i in range(d)]
        on = sum((1 - corr[i][i]) ** 2 for i in range(d))
        off = sum(corr[i][j] ** 2 for i in range(d) for j in range(d) if i != j)
        losses.append((on + 0.005 * off) / d)
    return -float(np.mean(losses))


def pmrl_by_decompositions(views: Arrays) -> float:
    """The two losses of the authors' code with the temperatures of their scripts; directions oriented as ours."""
    unit = [view / np.linalg.norm(view, axis=1, keepdims=True) for view in views]
    dominant, directions = [], []
    for rows in zip(*unit, strict=True):
        left, singular, _ = np.linalg.svd(np.stack(rows, axis=1))
        dominant.append(singular[0] / 0.05 - math.log(sum(math.exp(each / 0.05) for each in singular)))
        directions.append(left[:, 0] * np.sign(left[:, 0] @ rows[0]))
    distinct = []
    for one in directions:
        scores = [float(one @ other) / 0.1 for other in directions]
        distinct.append(1 / 0.1 - math.log(sum(map(math.exp, scores))))
    return float(np.mean(dominant) + np.mean(distinct))


BY_HAND: dict[str, Callable[[Arrays], float]] = {
    "dhsic": dhsic_in_loops,
    "distance_correlation": distance_correlation_in_loops,
    "gaussian": gaussian_by_determinants,
    "pmrl": pmrl_by_decompositions,
    "vicreg": vicreg_in_loops,
    "barlow": barlow_in_loops,
}


def views_of(n: int, dims: Sequence[int], *, shared: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n)
    common = torch.randn(n, max(dims), dtype=torch.float64, generator=generator)
    return [shared * common[:, :dim] + torch.randn(n, dim, dtype=torch.float64, generator=generator) for dim in dims]


@pytest.mark.parametrize("dims", [[3, 3], [3, 3, 3], [2, 2, 2, 2]], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_statistic_is_its_formula_in_loops(name: str, dims: list[int]) -> None:
    views = views_of(9, dims)
    found = float(build_measure(name, dims=dims).value(views))
    assert found == pytest.approx(BY_HAND[name]([view.numpy() for view in views]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_function_of_that_name_is_public(name: str) -> None:
    views = views_of(8, [3, 3])
    torch.testing.assert_close(getattr(functional, name)(views), build_measure(name, dims=[3, 3]).value(views))


@pytest.mark.parametrize("name", ["dhsic", "distance_correlation"])
def test_views_with_equal_distances_have_one(name: str) -> None:
    first, *_ = views_of(20, [4, 4])
    turned, _ = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64))
    views = [first, 3.0 * first @ turned, 1.0 - first]
    assert float(build_measure(name, dims=[4, 4, 4]).value(views)) == pytest.approx(1.0, abs=1e-9)
    assert float(build_measure(name, dims=[4, 4, 4]).value(views_of(20, [4, 4, 4]))) < 0.95


def test_distance_correlation_of_two_views_is_that_of_szekely() -> None:
    """By its definition of 2007, with plain means of products of doubly centred distances."""
    one, other = (view.numpy() for view in views_of(15, [3, 5]))

    def centred(x: np.ndarray) -> np.ndarray:
        d = cdist(x, x)
        return d - d.mean(0) - d.mean(1)[:, None] + d.mean()

    a, b = centred(one), centred(other)
    expected = math.sqrt((a * b).mean() / math.sqrt((a * a).mean() * (b * b).mean()))
    found = functional.distance_correlation([torch.from_numpy(one), torch.from_numpy(other)])
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_the_gaussian_statistic_is_the_closed_form_of_gaussians(correlation: float) -> None:
    """Three equally correlated variables, whitened so that the sample has exactly that correlation."""
    truth = torch.full((3, 3), correlation, dtype=torch.float64) + (1 - correlation) * torch.eye(3, dtype=torch.float64)
    sample = torch.randn(200, 3, dtype=torch.float64)
    white, _ = torch.linalg.qr(sample - sample.mean(dim=0))
    exact = white @ torch.linalg.cholesky(truth).T
    found = functional.gaussian(list(exact.split(1, dim=1)), ridge=0.0)
    assert float(found) == pytest.approx(-0.5 * math.log(float(torch.linalg.det(truth))), abs=1e-9)


def test_a_ridge_lowers_the_gaussian_statistic_and_keeps_it_finite_with_few_rows() -> None:
    views = views_of(6, [8, 8])
    few = [float(functional.gaussian(views, ridge=ridge)) for ridge in (0.01, 0.1, 1.0)]
    assert math.isfinite(few[0])
    assert few[0] > few[1] > few[2] > 0.0


@pytest.mark.parametrize("name", sorted({*NAMES} - {"vicreg", "pmrl"}))
def test_scale_and_place_alone_change_nothing(name: str) -> None:
    views = views_of(20, [4, 4, 4])
    measure = build_measure(name, dims=[4, 4, 4])
    moved = [50.0 * view + 3.0 for view in views]
    torch.testing.assert_close(measure.value(moved), measure.value(views), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_dependent_views_have_more_than_the_same_ones_shuffled(name: str) -> None:
    views = views_of(60, [4, 4, 4], shared=2.0)
    generator = torch.Generator().manual_seed(0)
    shuffled = [view[torch.randperm(60, generator=generator)] for view in views]
    measure = build_measure(name, dims=[4, 4, 4])
    assert float(measure.value(views)) > float(measure.value(shuffled)) + 0.02


@pytest.mark.parametrize("name", ["dhsic", "distance_correlation"])
def test_independent_views_have_less_the_more_samples(name: str) -> None:
    values = [float(build_measure(name, dims=[2, 2]).value(views_of(n, [2, 2], shared=0.0))) for n in (20, 200, 1000)]
    assert values[0] > values[1] > values[2]
    assert 0.0 <= values[2] < 0.1


def test_without_its_second_part_pmrl_would_not_see_a_collapse() -> None:
    apart, same = torch.eye(6), torch.eye(6)[:1].repeat(6, 1)
    assert functional.pmrl([apart, apart, apart]) > functional.pmrl([same, same, same]) + 1.0


def test_pmrl_has_finite_gradients_for_equal_singular_values() -> None:
    views = [torch.eye(4).roll(shift, 0).requires_grad_() for shift in range(3)]
    gradients = torch.autograd.grad(functional.pmrl(views), views)
    assert all(bool(part.isfinite().all()) for part in gradients)


@pytest.mark.parametrize("name", ["pmrl", "vicreg", "barlow"])
def test_features_cannot_be_compared_across_widths(name: str) -> None:
    with refused("mismatch", name, 4, 5):
        build_measure(name, dims=[4, 5])
