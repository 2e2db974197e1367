"""MINE's correction of the Donsker-Varadhan gradient: the partition term is a moving average over batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.exponentials import guarded_exp, log_mean_exp, mean_score

__all__ = ["mine_surrogate", "moving_log_partition"]


def moving_log_partition(previous: Tensor, marginal: Tensor, *, ema_rate: float) -> Tensor:
    """Return the exponential moving average of ``E_Q[exp T]``, as a logarithm.

    ``log((1 - ema_rate) * exp(previous) + ema_rate * mean exp T)``.

    Args:
        previous: scalar, logarithm of the average so far; ``-inf`` before the first batch, which is then taken whole.
        marginal: ``(m,)`` scores of tuples with broken pairing, or the scalar ``log E_Q[exp T]`` where it is known.
        ema_rate: weight of the new batch, in (0, 1].

    Returns:
        Scalar, detached from any graph.

    Raises:
        InputError: a ema_rate outside (0, 1].

    Source: Belghazi et al. 2018 (MINE), section 3.2.

    Example:
        >>> import torch
        >>> moving_log_partition(torch.tensor(0.0), torch.full((4,), 2.0), ema_rate=0.5).exp()     # (1 + e**2) / 2
        tensor(4.1945)
    """
    if not 0.0 < ema_rate <= 1.0:
        raise InputError(
            f"ema_rate={ema_rate}: the weight of a new batch in a moving average lies in (0, 1]", code="out_of_range"
        )
    batch = (marginal if marginal.ndim == 0 else log_mean_exp(marginal)).detach()
    kept = previous + (math.log1p(-ema_rate) if ema_rate < 1.0 else -math.inf)
    return torch.where(torch.isneginf(previous), batch, torch.logaddexp(kept, batch + math.log(ema_rate)))


def mine_surrogate(joint: Tensor, marginal: Tensor, log_average: Tensor) -> Tensor:
    """Return an objective whose gradient is MINE's: Donsker-Varadhan with the partition replaced by a moving average.

    ``E_J[T] - E_Q[exp T] / a``, ``a`` a moving average that gets no gradient. Only the gradient has a meaning; the
    value to report is :func:`~comodal.dependency.bounds.donsker_varadhan`.

    Args:
        joint: ``(n,)`` scores T of aligned tuples.
        marginal: ``(m,)`` scores of tuples with broken pairing, or the scalar ``log E_Q[exp T]`` where it is known.
        log_average: scalar, logarithm of ``a`` from :func:`moving_log_partition`, this batch included.

    Returns:
        Scalar without a unit.

    Raises:
        InputError: scores that are not non-empty vectors.

    Source: Belghazi et al. 2018 (MINE), eq. 12.

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.0, 1.0], requires_grad=True)
        >>> average = moving_log_partition(torch.tensor(-torch.inf), scores, ema_rate=0.01)
        >>> mine_surrogate(torch.ones(2), scores, average).backward()
        >>> scores.grad                                # with no past, the gradient is that of Donsker-Varadhan
        tensor([-0.2689, -0.7311])
    """
    log_partition = marginal if marginal.ndim == 0 else log_mean_exp(marginal)
    return mean_score(joint) - guarded_exp(log_partition - log_average.detach())
