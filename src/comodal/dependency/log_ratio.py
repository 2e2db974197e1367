"""Every f-divergence bound as a function of an estimate of the log density ratio.

The best critic of each bound is an increasing function of the log density ratio s of joint to product of marginals. So
one network that estimates s serves every bound: ``score`` turns s into the bound's critic, ``constant`` is the shift of
s at which the bound is highest, and ``profile`` is the objective of the fit: an increasing function of the bound at
that shift, or another bound with the same best s whose gradients do not overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.bound import Bound
from comodal.dependency.bounds import donsker_varadhan, jensen_shannon, kantorovich_rubinstein
from comodal.dependency.exponentials import guarded_exp, log_mean_exp

__all__ = ["LOG_RATIO_FORMS", "LogRatioForm", "log_ratio_form"]

_OfScores = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LogRatioForm:
    """A bound in terms of the log density ratio s.

    Attributes:
        score: s to the scores the bound is defined on.
        profile: ``(s on J (n,), s on Q (m,)) -> scalar`` to maximise when fitting.
        constant: ``(s on J, s on Q) -> scalar`` to add to s for the highest value of the bound.
        sign: +1 where a bound falls exponentially as s on Q rises, -1 where it does as s on J falls.
    """

    score: Callable[[Tensor], Tensor]
    profile: _OfScores
    constant: _OfScores
    sign: int = 1


def _no_constant(joint: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001 - one signature for all forms
    return torch.zeros((), dtype=joint.dtype)


def _partition(joint: Tensor, marginal: Tensor) -> Tensor:  # noqa: ARG001
    return -log_mean_exp(marginal)


LOG_RATIO_FORMS: dict[str, LogRatioForm] = {
    "donsker_varadhan": LogRatioForm(lambda s: s, donsker_varadhan, _partition),
    "nwj": LogRatioForm(lambda s: s + 1, donsker_varadhan, _partition),
    "reverse_kl": LogRatioForm(
        score=lambda s: s,
        profile=lambda joint, marginal: -marginal.mean() - log_mean_exp(-joint),
        constant=lambda joint, marginal: log_mean_exp(-joint),  # noqa: ARG005
        sign=-1,
    ),
    "pearson": LogRatioForm(
        score=lambda s: 2 * guarded_exp(s) - 2,
        profile=donsker_varadhan,  # its own, 2 log E_J[r] - log E_Q[r^2], depends on a few samples
        constant=lambda joint, marginal: log_mean_exp(joint) - log_mean_exp(2 * marginal),
    ),
    "squared_hellinger": LogRatioForm(
        score=lambda s: s / 2,
        profile=lambda joint, marginal: -log_mean_exp(-joint / 2) - log_mean_exp(marginal / 2),
        constant=lambda joint, marginal: log_mean_exp(-joint / 2) - log_mean_exp(marginal / 2),
    ),
    "smile": LogRatioForm(lambda s: s, jensen_shannon, _no_constant),
    "jensen_shannon": LogRatioForm(lambda s: s, jensen_shannon, _no_constant),
    # Not a ratio but the critic's score, so that one procedure fits all.
    "kantorovich_rubinstein": LogRatioForm(lambda s: s, kantorovich_rubinstein, _no_constant),
}
"""Bound name to form."""


def log_ratio_form(bound: Bound) -> LogRatioForm:
    """Return the form in which a critic is fitted to a bound.

    Raises:
        InputError: a bound without one, which a penalty can use and an estimate cannot.
    """
    if bound.name not in LOG_RATIO_FORMS:
        raise InputError(
            f"{bound.name} has no form in terms of the log density ratio to fit: use it in a penalty, "
            f"or estimate one of {', '.join(LOG_RATIO_FORMS)}",
            code="unsupported",
        )
    return LOG_RATIO_FORMS[bound.name]
