"""MINE's correction of the Donsker-Varadhan gradient: the partition term is a moving average over batches.

Source: Belghazi et al. 2018 (MINE), section 3.2 and eq. 12.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comodal.dependency.exponentials import guarded_exp, mean_score

__all__ = ["mine_surrogate", "moving_log_partition"]


def moving_log_partition(previous: Tensor, log_partition: Tensor, *, ema_rate: float) -> Tensor:
    """Return the exponential moving average of ``E_Q[exp T]``, as a logarithm and detached.

    ``log((1 - ema_rate) * exp(previous) + ema_rate * exp(log_partition))``; a ``previous`` of ``-inf`` is that before
    the first batch, which is taken whole.
    """
    batch = log_partition.detach()
    kept = previous + (math.log1p(-ema_rate) if ema_rate < 1.0 else -math.inf)
    return torch.where(torch.isneginf(previous), batch, torch.logaddexp(kept, batch + math.log(ema_rate)))


def mine_surrogate(joint: Tensor, log_partition: Tensor, log_average: Tensor) -> Tensor:
    """Return an objective whose gradient is MINE's; its value has no meaning.

    ``E_J[T] - E_Q[exp T] / a``: Donsker-Varadhan with the partition replaced by a moving average ``a``, this batch
    included, that gets no gradient.
    """
    return mean_score(joint) - guarded_exp(log_partition - log_average.detach())
