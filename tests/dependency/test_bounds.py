"""Known answers of the bounds: distributions of a few bits, enumerated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

from comodal.dependency.bounds import (
    donsker_varadhan,
    jensen_shannon,
    kantorovich_rubinstein,
    nwj,
    pearson,
    squared_hellinger,
)

NEVER = -40.0  # log ratio of what cannot happen jointly


def copied_bits(views: int) -> tuple[Tensor, Tensor]:
    """Log ratios of all joint and of all independent outcomes of one fair bit copied to every view."""
    inside = (views - 1) * math.log(2)
    outcomes = list(itertools.product((0, 1), repeat=views))
    marginal = [inside if len(set(bits)) == 1 else NEVER for bits in outcomes]
    return torch.full((2,), inside), torch.tensor(marginal)


@pytest.mark.parametrize(("views", "kl", "js"), [(2, 0.6931, 0.2158), (3, 1.3863, 0.3804)])
def test_copied_bits(views: int, kl: float, js: float) -> None:
    joint, marginal = copied_bits(views)
    assert float(donsker_varadhan(joint, marginal)) == pytest.approx(kl, abs=5e-5)
    assert float(nwj(joint + 1, marginal + 1)) == pytest.approx(kl, abs=5e-5)
    assert float(jensen_shannon(joint, marginal)) == pytest.approx(js, abs=5e-5)


def test_copied_bits_by_hand_for_the_other_divergences() -> None:
    joint, marginal = copied_bits(2)
    assert float(pearson(torch.full((2,), 2.0), torch.tensor([2.0, -2.0, -2.0, 2.0]))) == pytest.approx(1.0)
    by_hand = 0.5 * (math.sqrt(2) - 1) ** 2 + 0.5
    assert float(squared_hellinger(joint / 2, marginal / 2)) == pytest.approx(by_hand, abs=1e-5)


def test_xor_has_total_correlation_without_any_pairwise_information() -> None:
    triples = [(a, b, a ^ b) for a in (0, 1) for b in (0, 1)]
    score = {bits: math.log(2) if bits in triples else NEVER for bits in itertools.product((0, 1), repeat=3)}
    joint = torch.tensor([score[bits] for bits in triples])
    marginal = torch.tensor(list(score.values()))
    assert float(donsker_varadhan(joint, marginal)) == pytest.approx(math.log(2), abs=1e-5)
    pairs = torch.zeros(4)  # every pair is uniform on its four values, so the log ratio is 0 everywhere
    assert float(donsker_varadhan(pairs, pairs)) == 0.0


def earth_mover(support: np.ndarray, joint: np.ndarray, marginal: np.ndarray) -> tuple[float, np.ndarray]:
    """The best 1-Lipschitz critic on a finite support, by linear programming: value and scores."""
    differences, distances = [], []
    for i, j in itertools.permutations(range(len(support)), 2):
        row = np.zeros(len(support))
        row[i], row[j] = 1.0, -1.0
        differences.append(row)
        distances.append(np.linalg.norm(support[i] - support[j]))
    solved = linprog(marginal - joint, A_ub=np.array(differences), b_ub=distances, bounds=(-10, 10))
    return -solved.fun, solved.x


@pytest.mark.parametrize(("views", "w1"), [(2, 0.5), (3, 0.75)])
def test_wasserstein_of_copied_bits_at_the_best_critic(views: int, w1: float) -> None:
    support = np.array(list(itertools.product((0, 1), repeat=views)), dtype=float)
    equal = np.all(support == support[:, :1], axis=1)
    value, scores = earth_mover(support, equal / 2, np.full(len(support), 1 / len(support)))
    assert value == pytest.approx(w1, abs=1e-9)
    bound = kantorovich_rubinstein(torch.as_tensor(scores[equal]), torch.as_tensor(scores))
    assert float(bound) == pytest.approx(w1, abs=1e-9)


def test_wasserstein_scales_with_its_critic() -> None:
    joint, marginal = torch.randn(10), torch.randn(12)
    torch.testing.assert_close(
        kantorovich_rubinstein(3 * joint, 3 * marginal), 3 * kantorovich_rubinstein(joint, marginal)
    )


def test_inside_the_exponent_limit_nwj_is_its_formula_and_beyond_it_is_smaller() -> None:
    joint, marginal = torch.tensor([5.0, 20.0], dtype=torch.float64), torch.tensor([28.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(nwj(joint, marginal), joint.mean() - (marginal - 1).exp().mean())
    far = torch.tensor([90.0], dtype=torch.float64)
    assert float(nwj(far, torch.zeros(1, dtype=torch.float64))) == pytest.approx(31.0 - math.exp(-1))
