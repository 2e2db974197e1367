"""Fit the critic of a measure on some samples and select it on others.

Axis legend: n samples, M views, d_m width of view m.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from comodal.dependency.catalog import MeasureSpec
from comodal.dependency.critics import Critic, QuadraticCritic
from comodal.dependency.fitting import FitConfig, fit_critic, score_tuples
from comodal.dependency.gaussian import CorrectedGaussianCritic, gaussian_log_ratio
from comodal.dependency.log_ratio import LOG_RATIO_FORMS, LogRatioForm
from comodal.dependency.orthogonal import OrthogonalCritic
from comodal.resampling import cyclic_order

__all__ = ["aligned_rows", "broken_rows", "fitted_critic"]

SHRINKAGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7)


def broken_rows(views: Sequence[Tensor], tuples: int, generator: torch.Generator) -> Tensor:
    """Return the rows of tuples with broken pairing.

    Args:
        views: one ``(n, d_m)`` tensor per view.
        tuples: approximate number; 10 to 1000 per sample.
        generator: source of randomness.

    Returns:
        ``(M, k)``, k a multiple of n.

    Example:
        >>> broken_rows([torch.zeros(5, 1)] * 2, 100, torch.Generator()).shape
        torch.Size([2, 100])
    """
    pairings = min(1000, max(10, tuples // len(views[0])))
    return cyclic_order(len(views[0]), len(views), pairings=pairings, generator=generator)


def aligned_rows(views: Sequence[Tensor]) -> Tensor:
    """Return the rows of the joint samples, ``(M, n)``.

    Example:
        >>> aligned_rows([torch.zeros(3, 1)] * 2).tolist()
        [[0, 1, 2], [0, 1, 2]]
    """
    return torch.arange(len(views[0])).expand(len(views), -1)


def fitted_critic(
    spec: MeasureSpec,
    *,
    train: Sequence[Tensor],
    validation: Sequence[Tensor],
    tuples: int,
    config: FitConfig,
    seed: int,
    generator: torch.Generator,
) -> Critic:
    """Return a fitted critic: 1-Lipschitz for a distance, else the closed form for Gaussians plus a network.

    Args:
        spec: the measure.
        train: scaled samples for the gradient, one ``(n, d_m)`` tensor per view.
        validation: as ``train``, other samples, on which the weights are chosen.
        tuples: approximate number of tuples with broken pairing for validation.
        config: options of the fit.
        seed: of the first weights.
        generator: of the pairings.

    Returns:
        A critic whose scores estimate the log density ratio, or for ``wasserstein`` have slopes of at most 1.
    """
    form = LOG_RATIO_FORMS[spec.bound.name]
    order = broken_rows(validation, tuples, generator)
    fit = partial(
        fit_critic,
        objective=form.profile,
        train=train,
        validation=validation,
        validation_order=order,
        config=config,
        generator=generator,
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if spec.bound.needs_lipschitz:
            distance = OrthogonalCritic([view.shape[1] for view in train], hidden=config.hidden)
        else:
            start = _gaussian_start(form, train, validation, order)
            ratio = CorrectedGaussianCritic(start, hidden=config.hidden)
    if spec.bound.needs_lipschitz:
        fit(distance)
        return distance
    fit(ratio, slow=list(start.parameters()))
    return ratio


def _gaussian_start(
    form: LogRatioForm, train: Sequence[Tensor], validation: Sequence[Tensor], order: Tensor
) -> QuadraticCritic:
    """Return the closed form for Gaussians with the shrinkage that is best on the validation part."""
    starts = [gaussian_log_ratio(train, shrinkage=share) for share in SHRINKAGES]

    def judged(critic: QuadraticCritic) -> float:
        joint = score_tuples(critic, validation, aligned_rows(validation))
        return float(form.profile(joint, score_tuples(critic, validation, order)).nan_to_num(-math.inf))

    return max(starts, key=judged)
