"""The critics of estimates, and how one is fitted on some samples and selected on others.

Axis legend: n samples, M views, d_m width of view m.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from comodal.dependency.bound import Bound
from comodal.dependency.critics import Critic, QuadraticCritic, relu_network
from comodal.dependency.fitting import FitConfig, aligned_rows, broken_rows, fit_critic, score_tuples
from comodal.dependency.log_ratio import LogRatioForm

__all__ = ["CorrectedGaussianCritic", "OrthogonalCritic", "PairwiseSort", "fitted_critic", "gaussian_log_ratio"]

RIDGE = 1e-3
SHRINKAGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7)


def gaussian_log_ratio(views: Sequence[Tensor], *, shrinkage: float = 0.0) -> QuadraticCritic:
    """Return the log density ratio of the Gaussian with the covariance of the samples, as a critic.

    ``x'(B^-1 - C^-1)x / 2 + (log det B - log det C) / 2``, C the covariance and B its diagonal blocks. A ridge keeps it
    finite for degenerate covariances; covariances between views are shrunk towards 0 by the share ``shrinkage``.
    """
    points = torch.cat(tuple(views), dim=1).double()
    center = points.mean(dim=0)
    covariance = (points - center).T @ (points - center) / len(points)
    widths = [view.shape[1] for view in views]
    owner = torch.repeat_interleave(torch.arange(len(widths)), torch.tensor(widths))
    within = owner.unsqueeze(1) == owner
    ridge = RIDGE * torch.eye(len(center), dtype=torch.float64)
    blocks = covariance * within + ridge
    joint = shrinkage * blocks + (1 - shrinkage) * (covariance + ridge)
    form = (torch.linalg.inv(blocks) - torch.linalg.inv(joint)) / 2
    critic = QuadraticCritic(widths)
    with torch.no_grad():
        critic.form.copy_(form)
        critic.slope.copy_(-2 * form @ center)
        critic.offset.copy_(center @ form @ center + (torch.logdet(blocks) - torch.logdet(joint)) / 2)
    return critic


class CorrectedGaussianCritic(Critic):
    """A quadratic critic plus a network: ``T = x'Ax + bx + c + network(x, r)``.

    The network, zero at first, also reads the logarithm r of each view's size: views that share a random scale (heavy
    tails) depend on each other through it.

    Args:
        start: the quadratic part.
        hidden: widths of the network's hidden layers.

    Example:
        >>> import torch
        >>> start = QuadraticCritic([2, 3])
        >>> CorrectedGaussianCritic(start, hidden=(8,))([torch.ones(4, 2), torch.ones(4, 3)]).detach()
        tensor([0., 0., 0., 0.])
    """

    def __init__(self, start: QuadraticCritic, *, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__(start.dims)
        self.quadratic = start
        self.network = relu_network(sum(self.dims) + len(self.dims), hidden, 1)
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Scores ``(n,)``."""
        sizes = torch.stack([view.square().mean(dim=1) for view in views], dim=1)
        correction: Tensor = self.network(torch.cat([*views, (sizes + 0.01).log()], dim=1))
        scores: Tensor = self.quadratic(views) + correction.squeeze(1)
        return scores


class PairwiseSort(nn.Module):
    """Activation that sorts pairs of units, with slope 1 in every direction.

    Source: Anil, Lucas and Grosse 2019 (GroupSort with groups of two).

    Example:
        >>> import torch
        >>> PairwiseSort()(torch.tensor([[3.0, 1.0, 0.0, 2.0]]))
        tensor([[1., 3., 0., 2.]])
    """

    def forward(self, units: Tensor) -> Tensor:
        """``(n, h)`` to ``(n, h)``, h even."""
        first, second = units.reshape(len(units), -1, 2).unbind(dim=2)
        return torch.stack([torch.minimum(first, second), torch.maximum(first, second)], dim=2).flatten(1)


class OrthogonalCritic(Critic):
    """Network of orthonormal layers with pairwise sorting: scores differ at most by the distance of their points.

    Args:
        dims: widths of the views.
        hidden: widths of the hidden layers, each even.

    Source: Anil, Lucas and Grosse 2019, section 4.

    Example:
        >>> import torch
        >>> critic = OrthogonalCritic([2, 2], hidden=(8, 8))
        >>> x, y = torch.randn(2, 50, 4)
        >>> gap = (critic(x.split(2, 1)) - critic(y.split(2, 1))).abs()
        >>> bool((gap <= (x - y).norm(dim=1) + 1e-5).all())
        True
    """

    def __init__(self, dims: Sequence[int], *, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__(dims)
        layers: list[nn.Module] = []
        for width, following in pairwise((sum(self.dims), *hidden)):
            layers += [_orthonormal(width, following), PairwiseSort()]
        self.network = nn.Sequential(*layers, _orthonormal(hidden[-1], 1))

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Scores ``(n,)``."""
        scores: Tensor = self.network(torch.cat(tuple(views), dim=1))
        return scores.squeeze(1)


def _orthonormal(inputs: int, outputs: int) -> nn.Module:
    return parametrizations.orthogonal(nn.Linear(inputs, outputs), orthogonal_map="cayley")


def fitted_critic(
    bound: Bound,
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
        bound: what the critic raises.
        train: scaled samples for the gradient, one ``(n, d_m)`` tensor per view.
        validation: as ``train``, other samples, on which the weights are chosen.
        tuples: approximate number of tuples with broken pairing for validation.
        config: options of the fit.
        seed: of the first weights.
        generator: of the pairings.

    Returns:
        A critic whose scores estimate the log density ratio, or for ``wasserstein`` have slopes of at most 1.
    """
    form = bound.required_form()
    order = broken_rows(validation, tuples, generator)
    critic: Critic
    slow: list[nn.Parameter] = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if bound.needs_lipschitz:
            critic = OrthogonalCritic([view.shape[1] for view in train], hidden=config.hidden)
        else:
            start = _gaussian_start(form, train, validation, order)
            critic, slow = CorrectedGaussianCritic(start, hidden=config.hidden), list(start.parameters())
    fit_critic(
        critic,
        form.profile,
        train=train,
        validation=validation,
        validation_order=order,
        slow=slow,
        config=config,
        generator=generator,
    )
    return critic


def _gaussian_start(
    form: LogRatioForm, train: Sequence[Tensor], validation: Sequence[Tensor], order: Tensor
) -> QuadraticCritic:
    """Return the closed form for Gaussians with the shrinkage that is best on the validation part."""
    starts = [gaussian_log_ratio(train, shrinkage=share) for share in SHRINKAGES]

    def judged(critic: QuadraticCritic) -> float:
        joint = score_tuples(critic, validation, aligned_rows(validation))
        return float(form.profile(joint, score_tuples(critic, validation, order)).nan_to_num(-math.inf))

    return max(starts, key=judged)
