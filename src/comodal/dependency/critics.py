"""Critics: networks that score tuples of representations (the statistics network of MINE and of the paper).

A critic maps one ``(n, D_m)`` tensor per view to ``(n,)`` real scores, for any bound and any pairing. Axis legend: n
tuples, D_m width of view m, D their sum, K components.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.func import grad
from torch.nn import functional

from comodal.contracts import InputError

__all__ = ["CRITICS", "Critic", "JointCritic", "QuadraticCritic", "SeparableCritic", "SumCritic"]


class Critic(nn.Module, ABC):
    """Base class of critics.

    Attributes:
        dims: widths of the views, in order.
        knows_log_partition: whether :meth:`with_log_partition` returns a number.
    """

    knows_log_partition: ClassVar[bool] = False

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = _checked_dims(dims)

    @abstractmethod
    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)`` of tuples given as one ``(n, D_m)`` tensor per view."""

    def score_points(self, points: Tensor) -> Tensor:
        """Return scores ``(n,)`` of tuples given as ``(n, D)`` concatenated views."""
        scores: Tensor = self(torch.split(points, list(self.dims), dim=1))
        return scores

    def with_log_partition(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Return scores, and the exact ``log E_Q[exp T]`` under the product of the batch's marginals.

        The latter is ``None`` for critics without a closed form of it.
        """
        return self(views), None

    def input_gradient(self, points: Tensor) -> Tensor:
        """Return the gradient of the score by the concatenated views, differentiable by the critic's parameters.

        Args:
            points: ``(n, D)`` concatenated views.

        Returns:
            ``(n, D)``.
        """
        with torch.enable_grad():
            # Not `torch.autograd.grad`, which `torch.compile` does not trace.
            gradient: Tensor = grad(lambda at: self.score_points(at).sum())(points.detach())
        return gradient


class JointCritic(Critic):
    """ReLU network over the concatenated views: the general-purpose critic.

    ``T(z_1..z_M) = w . relu(.. relu(W [z_1; ..; z_M] + b) ..) + c``

    Args:
        dims: widths of the views.
        hidden: widths of the hidden layers, at least one.

    Raises:
        InputError: fewer than 2 views, or a width below 1.

    Source: Belghazi et al. 2018 (MINE), section 3.

    Example:
        >>> import torch
        >>> critic = JointCritic([4, 2], hidden=(8,))
        >>> critic([torch.zeros(5, 4), torch.zeros(5, 2)]).shape
        torch.Size([5])
    """

    def __init__(self, dims: Sequence[int], *, hidden: Sequence[int] = (64,)) -> None:
        super().__init__(dims)
        widths = (sum(self.dims), *_checked_hidden(hidden))
        self.layers = nn.ModuleList(nn.Linear(width, following) for width, following in pairwise(widths))
        self.head: nn.Module = nn.Linear(widths[-1], 1)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)``."""
        return self.score_points(torch.cat(tuple(views), dim=1))

    def score_points(self, points: Tensor) -> Tensor:
        """Return scores ``(n,)`` of tuples given as ``(n, D)`` concatenated views."""
        hidden = points
        for layer in self.layers:
            hidden = torch.relu(layer(hidden))
        scores: Tensor = self.head(hidden)
        return scores.squeeze(1)

    def input_gradient(self, points: Tensor) -> Tensor:
        """Return the gradient of the score by the concatenated views ``(n, D)``, in closed form.

        A ReLU network is linear around almost every point, with the slopes of its active units; one product of matrices
        per layer replaces the second-order graph that differentiating a gradient would build.
        """
        weights = [cast("Tensor", layer.weight) for layer in self.layers]
        active = []
        with torch.no_grad():
            hidden = points
            for layer, weight in zip(self.layers, weights, strict=True):
                hidden = torch.relu(functional.linear(hidden, weight, cast("Tensor", layer.bias)))
                active.append((hidden > 0).to(hidden.dtype))
        gradient = cast("Tensor", self.head.weight)
        for weight, units in zip(reversed(weights), reversed(active), strict=True):
            gradient = (gradient * units) @ weight
        return gradient


class SeparableCritic(Critic):
    """Mean over components of products of one-view factors; its partition needs no broken pairs.

    ``T = log mean_k prod_m exp g_mk(z_m) = logsumexp_k(sum_m g_mk(z_m)) - log K``. Under a product of marginals
    ``E_Q[exp T] = mean_k prod_m E[exp g_mk]`` exactly, over all ``n**M`` tuples of a batch at the cost of ``n``.

    Args:
        dims: widths of the views.
        hidden: widths of the hidden layers of each view's network.
        components: ``K``, more of them express a richer dependency.

    Raises:
        InputError: fewer than 2 views, or a width below 1.

    Example:
        >>> import torch
        >>> critic = SeparableCritic([4, 2], components=3)
        >>> scores, log_partition = critic.with_log_partition([torch.zeros(5, 4), torch.zeros(5, 2)])
        >>> bool(torch.isclose(log_partition, scores[0], atol=1e-5))    # constant views: every tuple scores the same
        True
    """

    knows_log_partition = True

    def __init__(self, dims: Sequence[int], *, hidden: Sequence[int] = (64,), components: int = 32) -> None:
        super().__init__(dims)
        if components < 1:
            raise InputError(f"components={components}: a separable critic needs at least 1", code="out_of_range")
        self.factors = nn.ModuleList(relu_network(dim, _checked_hidden(hidden), components) for dim in self.dims)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)``."""
        return self._log_mean_components(self._log_factors(views).sum(dim=0))

    def with_log_partition(self, views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return scores ``(n,)``, and ``log E_Q[exp T]`` over all ``n**M`` tuples of the batch, aligned or not."""
        log_factors = self._log_factors(views)
        log_means = torch.logsumexp(log_factors, dim=1) - math.log(log_factors.shape[1])
        return self._log_mean_components(log_factors.sum(dim=0)), self._log_mean_components(log_means.sum(dim=0))

    @staticmethod
    def _log_mean_components(log_products: Tensor) -> Tensor:
        return torch.logsumexp(log_products, dim=-1) - math.log(log_products.shape[-1])

    def _log_factors(self, views: Sequence[Tensor]) -> Tensor:
        return torch.stack([factor(view) for factor, view in zip(self.factors, views, strict=True)])  # (M, n, K)


class QuadraticCritic(Critic):
    """Quadratic form of the concatenated views: the exact critic of Gaussian views.

    ``T(z) = z' A z + b . z + c`` with ``z = [z_1; ..; z_M]``, all zero at first.

    Args:
        dims: widths of the views.

    Raises:
        InputError: fewer than 2 views, or a width below 1.

    Example:
        >>> import torch
        >>> QuadraticCritic([4, 2])([torch.ones(5, 4), torch.ones(5, 2)]).shape
        torch.Size([5])
    """

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__(dims)
        self.form = nn.Parameter(torch.zeros(sum(self.dims), sum(self.dims)))
        self.slope = nn.Parameter(torch.zeros(sum(self.dims)))
        self.offset = nn.Parameter(torch.zeros(()))

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)``."""
        points = torch.cat(tuple(views), dim=1)
        return (points * (points @ self.form + self.slope)).sum(dim=1) + self.offset


class SumCritic(Critic):
    """Sum of critics of the same views, for example a quadratic form and a network that corrects it.

    ``T = sum_i T_i``

    Args:
        critics: at least one, all of the same dims.

    Raises:
        InputError: none given, or their dims differ.

    Example:
        >>> import torch
        >>> critic = SumCritic([QuadraticCritic([4, 2]), JointCritic([4, 2])])
        >>> critic([torch.ones(5, 4), torch.ones(5, 2)]).shape
        torch.Size([5])
    """

    def __init__(self, critics: Sequence[Critic]) -> None:
        if not critics or len({critic.dims for critic in critics}) != 1:
            raise InputError(
                f"a sum needs critics of equal dims, got dims={[c.dims for c in critics]}",
                code="mismatch",
            )
        super().__init__(critics[0].dims)
        self.critics = nn.ModuleList(critics)

    def forward(self, views: Sequence[Tensor]) -> Tensor:
        """Return scores ``(n,)``."""
        return torch.stack([critic(views) for critic in self.critics]).sum(dim=0)


def relu_network(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Return linear layers with ReLU between them; one without hidden widths."""
    layers: list[nn.Module] = []
    for width, following in pairwise((inputs, *hidden)):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))


def _checked_hidden(hidden: Sequence[int]) -> tuple[int, ...]:
    widths = tuple(hidden)
    if not widths or min(widths) < 1:
        raise InputError(
            f"hidden={widths}: give one or more hidden widths of at least 1, such as (64,)", code="out_of_range"
        )
    return widths


def _checked_dims(dims: Sequence[int]) -> tuple[int, ...]:
    widths = tuple(int(dim) for dim in dims)
    if len(widths) < 2 or min(widths) < 1:
        raise InputError(f"dims={widths}: a critic needs 2 or more views, each at least 1 wide", code="out_of_range")
    return widths


CRITICS: dict[str, type[JointCritic] | type[SeparableCritic]] = {"joint": JointCritic, "separable": SeparableCritic}
