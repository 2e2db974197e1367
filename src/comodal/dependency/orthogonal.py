"""A critic that is 1-Lipschitz by construction, so that held-out values are lower bounds of a distance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from comodal.dependency.critics import Critic

__all__ = ["OrthogonalCritic", "PairwiseSort"]


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
