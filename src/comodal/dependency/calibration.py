"""Calibrate a fitted critic, so that its log density ratios hold on new samples.

A critic is overconfident where it saw few samples. One tuple of the product of marginals with a score of 20 outweighs
all others in ``E_Q[exp T]``, and whether a held-out set contains one is chance. Axis legend: n
joint and m marginal tuples, M views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from comodal.dependency.bounds import Bound
from comodal.dependency.critics import Critic
from comodal.dependency.fitting import score_tuples
from comodal.dependency.influence import standard_error
from comodal.dependency.log_ratio import LOG_RATIO_FORMS, LogRatioForm

__all__ = ["Calibration", "calibrate"]

TEMPERATURES = (1.0, 0.95, 0.9, 0.8, 0.65, 0.5)
CUTS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0, 17.0, 20.0, 25.0)
"""Where scores are cut, in nats beyond the median of the tuples that are exponentiated."""


@dataclass(frozen=True)
class Calibration:
    """Log density ratio of a critic's scores T: ``temperature * cut(T) + constant``.

    Attributes:
        temperature: in [0, 1]; 0 for a critic that knows nothing.
        constant: added last.
        limit: scores are cut at it, from above, or from below where ``sign`` is -1.
        sign: +1 or -1, the direction in which the bound is exponential in its scores.

    Example:
        >>> import torch
        >>> Calibration(temperature=0.5, constant=1.0, limit=2.0, sign=1)(torch.tensor([-4.0, 4.0]))
        tensor([-1.,  2.])
    """

    temperature: float = 0.0
    constant: float = 0.0
    limit: float = 0.0
    sign: int = 1

    def __call__(self, scores: Tensor) -> Tensor:
        """Return the log density ratios of scores, of the same shape."""
        return self.temperature * self.sign * (self.sign * scores).clamp(max=self.limit) + self.constant


def calibrate(bound: Bound, critic: Critic, views: Sequence[Tensor], order: Tensor) -> Calibration:
    """Return the cut and temperature with the highest expected bound on new samples.

    Each candidate is judged on the given samples and one more tuple, on the side where the bound is exponential, with
    the most extreme score of the candidate: a score that was not seen among m tuples occurs with probability of about
    1/m. A critic that does not beat its standard error gets temperature 0, and so the bound 0.

    Args:
        bound: what is to be reported.
        critic: fitted on other samples.
        views: validation samples, one ``(n, D_m)`` tensor per view.
        order: ``(M, m)`` their tuples with broken pairing, m a multiple of n.

    Returns:
        The calibration.

    Example:
        >>> import torch
        >>> from comodal.dependency.bounds import BOUNDS
        >>> from comodal.dependency.critics import QuadraticCritic
        >>> from comodal.resampling import cyclic_order
        >>> knows_nothing = QuadraticCritic([1, 1])
        >>> calibrate(BOUNDS["nwj"], knows_nothing, [torch.ones(9, 1)] * 2, cyclic_order(9, 2)).temperature
        0.0
    """
    form = LOG_RATIO_FORMS[bound.name]
    aligned = torch.arange(len(views[0])).expand(len(views), -1)
    joint, marginal = score_tuples(critic, views, aligned), score_tuples(critic, views, order)
    promised, best = 0.0, Calibration()
    for candidate, extreme in _candidates(form, joint, marginal):
        pair = (joint, torch.cat([marginal, extreme])) if form.sign > 0 else (torch.cat([joint, extreme]), marginal)
        constant = float(form.constant(candidate(pair[0]), candidate(pair[1])))
        shifted = Calibration(candidate.temperature, constant, candidate.limit, form.sign)
        value = float(bound(*(form.score(shifted(scores)) for scores in pair)))
        if value > promised:
            promised, best = value, shifted
    error = standard_error(bound, form.score(best(joint)), form.score(best(marginal)), order)
    return best if promised > error else Calibration()


def _candidates(form: LogRatioForm, joint: Tensor, marginal: Tensor) -> Iterator[tuple[Calibration, Tensor]]:
    """Yield candidates without their constants, each with its most extreme score ``(1,)``."""
    exponential, other = (marginal, joint) if form.sign > 0 else (-joint, -marginal)
    usual, highest = float(exponential.median()), max(float(exponential.max()), float(other.max()))
    limits = [highest, *(usual + cut for cut in CUTS if usual + cut < highest)]
    for limit, temperature in product(limits, TEMPERATURES):
        yield Calibration(temperature, 0.0, limit, form.sign), joint.new_full((1,), form.sign * limit)
