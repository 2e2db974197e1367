"""A bound as a function of an estimate of the log density ratio, so that one network can be fitted to every bound.

The best critic of each f-divergence bound is an increasing function of the log density ratio s of joint to product of
marginals. So one network that estimates s serves every bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from comodal.dependency.exponentials import guarded_exp, log_mean_exp

__all__ = ["LogRatioForm"]

_OfScores = Callable[[Tensor, Tensor], Tensor]


# Named functions rather than lambdas, so that a penalty can be pickled.
def as_score(log_ratio: Tensor) -> Tensor:
    return log_ratio


def no_constant(joint: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all forms
    return torch.zeros((), dtype=joint.dtype)


@dataclass(frozen=True)
class LogRatioForm:
    """A bound in terms of the log density ratio s.

    Attributes:
        profile: ``(s on J (n,), s on Q (m,)) -> scalar`` to maximise when fitting: an increasing function of the bound
            at its best constant, or another bound with the same best s whose gradients do not overflow.
        score: s to the scores the bound is defined on.
        constant: ``(s on J, s on Q) -> scalar`` to add to s for the highest value of the bound.
        sign: +1 where a bound falls exponentially as s on Q rises, -1 where it does as s on J falls.
    """

    profile: _OfScores
    score: Callable[[Tensor], Tensor] = as_score
    constant: _OfScores = no_constant
    sign: int = 1


def one_more(log_ratio: Tensor) -> Tensor:
    return log_ratio + 1


def half(log_ratio: Tensor) -> Tensor:
    return log_ratio / 2


def twice_excess(log_ratio: Tensor) -> Tensor:
    return 2 * guarded_exp(log_ratio) - 2


def minus_log_partition(joint: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return -log_mean_exp(marginal)


def reverse_profile(joint: Tensor, marginal: Tensor) -> Tensor:
    return -marginal.mean() - log_mean_exp(-joint)


def reverse_constant(joint: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return log_mean_exp(-joint)


def pearson_constant(joint: Tensor, marginal: Tensor) -> Tensor:
    return log_mean_exp(joint) - log_mean_exp(2 * marginal)


def hellinger_profile(joint: Tensor, marginal: Tensor) -> Tensor:
    return -log_mean_exp(-joint / 2) - log_mean_exp(marginal / 2)


def hellinger_constant(joint: Tensor, marginal: Tensor) -> Tensor:
    return log_mean_exp(-joint / 2) - log_mean_exp(marginal / 2)
