"""Views with heavy tails."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.distributions.gaussian_views import GaussianViews
from comodal.distributions.known import canonical, view_names

__all__ = ["StudentT"]


@dataclass(frozen=True, eq=False)
class StudentT:
    """Multivariate Student-t views: Gaussian ones divided by one shared random scale, so that tails are heavy.

    Args:
        gaussian: the shape; its covariance is the scale matrix of the t distribution.
        df: degrees of freedom; 1 has no mean, 2 no variance.

    Example:
        >>> shape = GaussianViews.with_total_correlation(1.0, views=2, dim=1)
        >>> StudentT(shape, df=1.0).total_correlation > 1.0   # the shared scale is itself a dependency
        True
    """

    gaussian: GaussianViews
    df: float = 1.0

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, views ``(n, dims[m])``."""
        if not self.df > 0:
            raise InputError(f"df {self.df}: degrees of freedom must be positive", code="out_of_range")
        half = torch.full((n, 1), self.df / 2, dtype=torch.float64)
        scale = (torch._standard_gamma(half, generator=generator) * 2 / self.df).sqrt()  # noqa: SLF001 - takes a generator
        return {name: (view / scale).float() for name, view in self.gaussian.sample(n, generator).items()}

    def _entropy_excess(self, dim: int) -> float:
        """Entropy of a ``dim``-dimensional t with unit scale matrix."""
        low, high = (torch.tensor(v / 2, dtype=torch.float64) for v in (self.df, self.df + dim))
        spread = dim / 2 * math.log(self.df * math.pi) + torch.lgamma(low) - torch.lgamma(high)
        return float(spread + high * (torch.digamma(high) - torch.digamma(low)))

    @property
    def total_correlation(self) -> float:
        """Entropies of the views less the joint entropy, in nats (any df > 0)."""
        dims = self.gaussian.dims
        return self.gaussian.total_correlation + sum(map(self._entropy_excess, dims)) - self._entropy_excess(sum(dims))

    def mutual_information(self, first: str, second: str) -> float:
        """Mutual information of two views in nats."""
        return StudentT(self.gaussian.marginal(first, second), self.df).total_correlation

    def truth(self, measure: str) -> float | None:
        """Known for the Kullback-Leibler family only."""
        return self.total_correlation if canonical(measure) == "kl" else None

    def _log_density(self, x: Tensor, scale: Tensor) -> Tensor:
        dim = x.shape[1]
        low, high = (torch.tensor(v / 2, dtype=torch.float64) for v in (self.df, self.df + dim))
        constant = torch.lgamma(high) - torch.lgamma(low) - dim / 2 * math.log(self.df * math.pi)
        distance = (torch.linalg.solve(scale, x.T).T * x).sum(dim=1)
        return constant - torch.logdet(scale) / 2 - high * torch.log1p(distance / self.df)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)`` of joint to product of marginals, in nats."""
        names = view_names(len(self.gaussian.dims))
        parts = [views[name].double() for name in names]
        joint = self._log_density(torch.cat(parts, dim=1), self.gaussian.covariance)
        for name, part in zip(names, parts, strict=True):
            joint = joint - self._log_density(part, self.gaussian.marginal(name).covariance)
        return joint.float()
