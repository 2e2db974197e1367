"""Jointly Gaussian views."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.distributions.known import canonical, view_names

__all__ = ["GaussianViews"]


@dataclass(frozen=True, eq=False)
class GaussianViews:
    """Jointly Gaussian views with zero means.

    Total correlation is -1/2 (log det R - sum_m log det R_mm), R_mm the block of view m.

    Args:
        dims: coordinates of each view.
        covariance: ``(D, D)`` positive definite, D the sum of ``dims``.

    Raises:
        InputError: the covariance does not fit ``dims`` or is not positive definite.

    Example:
        >>> views = GaussianViews.with_total_correlation(2.0, views=3, dim=10)
        >>> round(views.total_correlation, 6)
        2.0
    """

    dims: tuple[int, ...]
    covariance: Tensor
    _cholesky: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        covariance = self.covariance.double()
        if covariance.shape != (sum(self.dims),) * 2:
            raise InputError(
                f"covariance {tuple(covariance.shape)} for views of dims {self.dims}: sizes must agree",
                code="wrong_shape",
            )
        cholesky, failed = torch.linalg.cholesky_ex(covariance)
        if failed or not torch.allclose(covariance, covariance.T):
            raise InputError("covariance: not symmetric positive definite; lower the correlations", code="invalid")
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "_cholesky", cholesky)

    @classmethod
    def with_total_correlation(
        cls, total_correlation: float, *, views: int = 3, dim: int = 10, rotation_seed: int | None = None
    ) -> GaussianViews:
        """Coordinate j of every view shares one correlation; ``rotation_seed`` turns each view by a random rotation.

        Rotations change neither the total correlation nor any pairwise mutual information, only how hard they are to
        find.
        """
        if not 0 <= total_correlation < math.inf:
            raise InputError(
                f"total correlation {total_correlation}: give a finite number that is not negative", code="out_of_range"
            )
        within = torch.eye(views, dtype=torch.float64)
        within = within + _equicorrelation(total_correlation / dim, len(view_names(views))) * (1 - within)
        covariance = torch.kron(within, torch.eye(dim, dtype=torch.float64))
        if rotation_seed is not None:
            generator = torch.Generator().manual_seed(rotation_seed)
            blocks = torch.randn(views, dim, dim, generator=generator, dtype=torch.float64)
            turn = torch.zeros_like(covariance)
            for k, block in enumerate(torch.linalg.qr(blocks).Q):
                turn[k * dim : (k + 1) * dim, k * dim : (k + 1) * dim] = block
            covariance = turn @ covariance @ turn.T
        return cls((dim,) * views, covariance)

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, views ``(n, dims[m])``."""
        noise = torch.randn(n, sum(self.dims), generator=generator, dtype=torch.float64)
        parts = torch.split((noise @ self._cholesky.T).float(), list(self.dims), dim=1)
        return dict(zip(view_names(len(self.dims)), parts, strict=True))

    def _owner(self) -> Tensor:
        """``(D,)`` number of the view that each coordinate belongs to."""
        return torch.repeat_interleave(torch.arange(len(self.dims)), torch.tensor(self.dims))

    def _blocks(self) -> Tensor:
        """The covariance under the product of marginals."""
        owner = self._owner()
        return self.covariance * (owner.unsqueeze(1) == owner)

    def marginal(self, *names: str) -> GaussianViews:
        """The joint distribution of some of the views; they are named anew from "a"."""
        owner = self._owner()
        order = [view_names(len(self.dims)).index(name) for name in names]
        index = torch.cat([(owner == k).nonzero().squeeze(1) for k in order])
        return GaussianViews(tuple(self.dims[k] for k in order), self.covariance[index][:, index])

    @property
    def total_correlation(self) -> float:
        """-1/2 log det R for views whose own coordinates are independent, in nats."""
        return float(torch.logdet(self._blocks()) - torch.logdet(self.covariance)) / 2

    def mutual_information(self, first: str, second: str) -> float:
        """Mutual information of two views in nats."""
        return self.marginal(first, second).total_correlation

    def truth(self, measure: str) -> float | None:
        """Closed forms for all but Jensen-Shannon and W1; Pearson is infinite beyond a moderate dependency."""
        joint, blocks = self.covariance, self._blocks()
        match canonical(measure):
            case "kl":
                return self.total_correlation
            case "reverse_kl":
                trace = torch.trace(torch.linalg.solve(joint, blocks))
                return float(trace - sum(self.dims)) / 2 - self.total_correlation
            case "squared_hellinger":
                logs = torch.logdet(joint) / 4 + torch.logdet(blocks) / 4 - torch.logdet((joint + blocks) / 2) / 2
                return 2 - 2 * math.exp(logs)
            case "pearson":
                tilted = 2 * torch.linalg.inv(joint) - torch.linalg.inv(blocks)
                if torch.linalg.eigvalsh(tilted).min() <= 0:
                    return math.inf
                return math.exp(torch.logdet(blocks) / 2 - torch.logdet(joint) - torch.logdet(tilted) / 2) - 1
        return None

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)`` of joint to product of marginals, in nats."""
        x = torch.cat([views[name] for name in view_names(len(self.dims))], dim=1).double()
        form = torch.linalg.inv(self._blocks()) - torch.linalg.inv(self.covariance)
        ratio: Tensor = (x @ form * x).sum(dim=1) / 2 + self.total_correlation
        return ratio.float()


def _equicorrelation(total_correlation: float, views: int) -> float:
    """The rho whose ``views``-dimensional equicorrelation matrix has this total correlation (bisection)."""
    low, high = 0.0, 1.0
    for _ in range(200):
        rho = (low + high) / 2
        value = -(math.log1p((views - 1) * rho) + (views - 1) * math.log1p(-rho)) / 2 if rho < 1 else math.inf
        low, high = (rho, high) if value < total_correlation else (low, rho)
    return low
