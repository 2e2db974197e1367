"""Calibrate a fitted critic, so that its log density ratios hold on new samples; standard error of a bound.

A critic is overconfident where it saw few samples. One tuple of the product of marginals with a score of 20 outweighs
all others in ``E_Q[exp T]``, and whether a held-out set contains one is chance. Axis legend: n joint tuples, R pairings
(``R * n`` tuples of the product of marginals), M views; ``order (M, R * n)`` is the row of each view of each tuple.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from comodal.dependency.bound import BOUNDS, Bound
from comodal.dependency.critics import Critic
from comodal.dependency.exponentials import log_mean_exp
from comodal.dependency.fitting import aligned_rows, score_tuples
from comodal.dependency.log_ratio import LogRatioForm

__all__ = ["Calibration", "calibrate", "influences", "standard_error"]

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
        order: rows of their tuples with broken pairing.
    """
    form = bound.required_form()
    joint, marginal = (score_tuples(critic, views, rows) for rows in (aligned_rows(views), order))
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
    """Return the first-order effect ``(n,)`` of every sample on the bound, through all tuples that contain its views.

    ``h(T_i) - sum_m (mean of phi(T) over the tuples whose view m is sample i)``, centred.
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
