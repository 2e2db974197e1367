"""The critic of estimates: the closed form for Gaussian views, corrected by a network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.critics import Critic, QuadraticCritic

__all__ = ["CorrectedGaussianCritic", "gaussian_log_ratio"]

RIDGE = 1e-3


def gaussian_log_ratio(views: Sequence[Tensor], *, shrinkage: float = 0.0) -> QuadraticCritic:
    """Return the log density ratio of the Gaussian with the covariance of the samples, as a critic.

    ``x'(B^-1 - C^-1)x / 2 + (log det B - log det C) / 2``, C the covariance and B its diagonal blocks.

    Args:
        views: one ``(n, D_m)`` tensor per view.
        shrinkage: share, in [0, 1], by which covariances between views are shrunk towards 0.

    Returns:
        A quadratic critic with these coefficients; a ridge keeps it finite for degenerate covariances.

    Raises:
        InputError: a shrinkage outside [0, 1].

    Example:
        >>> import torch
        >>> x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0))
        >>> critic = gaussian_log_ratio([x, -x])
        >>> bool(critic([torch.ones(1, 1), -torch.ones(1, 1)]) > 0 > critic([torch.ones(1, 1), torch.ones(1, 1)]))
        True
    """
    if not 0 <= shrinkage <= 1:
        raise InputError(f"shrinkage {shrinkage}: give a share between 0 and 1", code="out_of_range")
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
        start: the quadratic part, for example of :func:`gaussian_log_ratio`.
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
        layers: list[nn.Module] = []
        for width, following in pairwise((sum(self.dims) + len(self.dims), *hidden)):
            layers += [nn.Linear(width, following), nn.ReLU()]
        last = nn.Linear(hidden[-1], 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*layers, last)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Scores ``(n,)``."""
        sizes = torch.stack([view.square().mean(dim=1) for view in views], dim=1)
        correction: Tensor = self.network(torch.cat([*views, (sizes + 0.01).log()], dim=1))
        scores: Tensor = self.quadratic(views) + correction.squeeze(1)
        return scores
