"""Influence of each held-out sample on a bound, and its standard error.

Axis legend: n samples, M views, R pairings (``R * n`` tuples of the product of marginals).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comodal.dependency.bounds import BOUNDS, Bound
from comodal.dependency.exponentials import log_mean_exp

__all__ = ["influences", "standard_error"]


def _contributions(bound: Bound, joint: Tensor, marginal: Tensor) -> tuple[Tensor, Tensor]:
    """Return terms per tuple; the difference of their means is the bound, to first order and up to a constant."""
    if not bound.averages_over_batches:  # log E_Q[exp T] has the tangent of NWJ's term at the best constant
        shift = 1 - log_mean_exp(marginal)
        return _contributions(BOUNDS["nwj"], joint + shift, marginal + shift)
    zero = joint.new_zeros(1)
    of_joint = torch.vmap(lambda score: bound(score.unsqueeze(0), zero))
    of_marginal = torch.vmap(lambda score: -bound(zero, score.unsqueeze(0)))
    return of_joint(joint), of_marginal(marginal)


def influences(bound: Bound, joint: Tensor, marginal: Tensor, order: Tensor) -> Tensor:
    """Return the first-order effect of every sample on the bound, through all tuples that contain its views.

    ``h(T_i) - sum_m (mean of phi(T) over the tuples whose view m is sample i)``, centred.

    Args:
        bound: the bound that is evaluated.
        joint: ``(n,)`` scores.
        marginal: ``(R * n,)`` scores.
        order: ``(M, R * n)`` row of each view of each tuple, as of :func:`comodal.resampling.cyclic_order`.

    Returns:
        ``(n,)``, mean 0, in the unit of the bound.

    Example:
        >>> import torch
        >>> order = torch.tensor([[0, 1], [1, 0]])
        >>> influences(BOUNDS["kantorovich_rubinstein"], torch.tensor([1.0, 3.0]), torch.zeros(2), order)
        tensor([-1.,  1.])
    """
    of_joint, of_marginal = _contributions(bound, joint, marginal)
    pairings = len(marginal) // len(joint)
    lent = torch.zeros_like(joint)
    for rows in order:
        lent.index_add_(0, rows, of_marginal)
    total = of_joint - lent / pairings
    return total - total.mean()


def standard_error(bound: Bound, joint: Tensor, marginal: Tensor, order: Tensor) -> float:
    r"""Return the standard error of the bound at a fixed critic, over new samples and new pairings.

    A two-sample U-statistic's variance: ``var(influence) / n``, less what is counted twice. With R pairings the part
    of ``phi(T)`` that no single view explains enters every view's mean with variance ``\sigma^2 / R``, M times
    instead of once.

    Args:
        bound: the bound that is evaluated.
        joint: ``(n,)`` scores.
        marginal: ``(R * n,)`` scores.
        order: ``(M, R * n)`` row of each view of each tuple.

    Returns:
        Standard error in the unit of the bound.

    Example:
        >>> import torch
        >>> order = torch.tensor([[0, 1], [1, 0]])
        >>> standard_error(BOUNDS["kantorovich_rubinstein"], torch.tensor([1.0, 3.0]), torch.zeros(2), order)
        1.0
    """
    joint, marginal = joint.double(), marginal.double()
    n, pairings, views = len(joint), len(marginal) // len(joint), len(order)
    naive = float(influences(bound, joint, marginal, order).var()) / n
    _, terms = _contributions(bound, joint, marginal)
    spread = float(terms.var(correction=0))
    explained = 0.0
    for rows in order if pairings > 1 else ():
        means = torch.zeros_like(joint).index_add_(0, rows, terms) / pairings
        explained += max(0.0, (pairings * float(means.var(correction=0)) - spread) / (pairings - 1))
    twice = (views - 1) * max(0.0, spread - explained) / (pairings * n)
    return math.sqrt(max(naive - twice, naive / views))
