from __future__ import annotations

import math

import pytest
import torch

from comodal.dependency.bounds import donsker_varadhan
from comodal.dependency.exponentials import log_mean_exp
from comodal.dependency.moving_average import mine_surrogate, moving_log_partition

START = torch.tensor(-torch.inf)


def test_the_average_is_the_exponential_one_in_linear_space() -> None:
    generator = torch.Generator().manual_seed(0)
    log_average, average = START, None
    for _ in range(20):
        scores = torch.randn(30, generator=generator)
        log_average = moving_log_partition(log_average, log_mean_exp(scores), ema_rate=0.1)
        batch = float(scores.exp().mean())
        average = batch if average is None else 0.9 * average + 0.1 * batch
        assert float(log_average.exp()) == pytest.approx(average, rel=1e-5)
    assert average is not None
    assert float(scores.exp().mean()) != pytest.approx(average, rel=1e-2)


def test_a_first_batch_is_taken_whole_and_a_rate_of_one_forgets() -> None:
    scores = torch.tensor([1.0, 2.0])
    batch = torch.logsumexp(scores, 0) - math.log(2)
    first = moving_log_partition(START, batch, ema_rate=0.01)
    torch.testing.assert_close(first, batch)
    torch.testing.assert_close(moving_log_partition(torch.tensor(50.0), batch, ema_rate=1.0), first)


def test_it_survives_scores_whose_exponential_overflows() -> None:
    log_average = moving_log_partition(torch.tensor(-1e4), torch.tensor(1e4), ema_rate=0.01)
    assert float(log_average) == pytest.approx(1e4 + math.log(0.01))
    scores = torch.full((4,), 1e4, requires_grad=True)
    log_partition = log_mean_exp(scores)
    average = moving_log_partition(torch.tensor(-1e4), log_partition, ema_rate=0.01)
    mine_surrogate(scores, log_partition, average).backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_the_gradient_weighs_by_the_average_where_donsker_varadhan_weighs_by_the_batch() -> None:
    marginal = torch.randn(50, dtype=torch.float64, requires_grad=True)
    joint = torch.randn(50, dtype=torch.float64)
    log_average = torch.tensor(0.7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(mine_surrogate(joint, log_mean_exp(marginal), log_average), marginal)
    torch.testing.assert_close(gradient, -(marginal.detach() - 0.7).exp() / 50)
    (plain,) = torch.autograd.grad(donsker_varadhan(joint, marginal), marginal)
    torch.testing.assert_close(plain, -torch.softmax(marginal.detach(), 0))
    assert not torch.allclose(gradient, plain)


def test_averaging_lowers_the_bias_of_the_gradient() -> None:
    """Statistical, seeded: weights of one batch of 8 are biased towards each other; the average of many is not.

    The truth is a population weight in closed form; the margins are over 10 standard errors.
    """
    generator = torch.Generator().manual_seed(0)
    log_average, batch, averaged, truth = START, 0.0, 0.0, 0.0
    for step in range(3000):
        scores = 1.5 * torch.randn(8, generator=generator, dtype=torch.float64)
        log_average = moving_log_partition(log_average.double(), log_mean_exp(scores), ema_rate=0.01)
        if step < 500:
            continue
        weight = scores.exp() * (scores > 1.5)
        batch += float(weight.mean() / scores.exp().mean()) / 2500
        averaged += float(weight.mean() / log_average.exp()) / 2500
    truth = 0.5 * (1 + math.erf((1.5 - 1.0) / math.sqrt(2)))  # P(N(1.5^2, 1.5^2) > 1.5)
    assert abs(averaged - truth) < 0.03
    assert abs(batch - truth) > 0.1
