from __future__ import annotations

import numpy as np
import pytest
import torch
from refusals import refused
from scipy.special import logsumexp

from comodal.dependency.exponentials import EXPONENT_LIMIT, guarded_exp, log_mean_exp, mean_score


def test_log_mean_exp_agrees_with_scipy() -> None:
    scores = np.random.default_rng(0).normal(size=100) * 50
    expected = logsumexp(scores, b=1 / 100)
    assert float(log_mean_exp(torch.as_tensor(scores))) == pytest.approx(expected)


def test_guarded_exp_is_exp_inside_and_its_tangent_outside() -> None:
    inside = torch.linspace(-50, EXPONENT_LIMIT, 20, dtype=torch.float64)
    torch.testing.assert_close(guarded_exp(inside), inside.exp())
    beyond = torch.tensor(EXPONENT_LIMIT + 5, dtype=torch.float64, requires_grad=True)
    value = guarded_exp(beyond)
    (slope,) = torch.autograd.grad(value, beyond)
    top = torch.tensor(EXPONENT_LIMIT, dtype=torch.float64).exp()
    torch.testing.assert_close(value.detach(), 6 * top)
    torch.testing.assert_close(slope, top)
    assert not torch.isclose(value, beyond.exp())


def test_empty_scores_have_no_mean() -> None:
    with refused("wrong_shape", (0,)):
        mean_score(torch.zeros(0))
