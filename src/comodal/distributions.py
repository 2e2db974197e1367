"""Joint distributions whose dependency is known exactly: what estimators and measures are tested on.

Axis legend: n samples, M views, d coordinates of one view, D coordinates of all views side by side. Views are named "a", "b", "c", ...
A truth that has no closed form here is ``None``; an infinite one is ``inf``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Protocol

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["CopiedBits", "GaussianViews", "HalfCube", "Independent", "KnownDistribution", "StudentT", "XorBits"]

# D_f(P || Q) = sum q f(p / q): the generator, and its slope at infinity (what p > 0 = q would cost; never met here).
_GENERATORS: dict[str, Callable[[float], float]] = {
    "kl": lambda u: u * math.log(u) if u > 0 else 0.0,
    "reverse_kl": lambda u: -math.log(u) if u > 0 else math.inf,
    "pearson": lambda u: (u - 1) ** 2,
    "squared_hellinger": lambda u: (math.sqrt(u) - 1) ** 2,
    "jensen_shannon": lambda u: 0.5 * ((u * math.log(u) if u > 0 else 0.0) - (u + 1) * math.log((u + 1) / 2)),
}
_SAME_TRUTH = {"mine": "kl", "f": "kl", "nwj": "kl"}


class KnownDistribution(Protocol):
    """What every distribution of this module offers."""

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` aligned samples: name to ``(n, d)`` float32."""

    def truth(self, measure: str) -> float | None:
        """Population value of a measure by its registry name, ``None`` where no closed form is known."""

    @property
    def total_correlation(self) -> float:
        """Total correlation in nats."""

    def mutual_information(self, first: str, second: str) -> float:
        """Mutual information of two views in nats."""


def _names(views: int) -> list[str]:
    if not 2 <= views <= 26:
        raise InputError(f"a joint distribution of {views} views: give between 2 and 26")
    return [chr(ord("a") + k) for k in range(views)]


def _divergence(ratios: Mapping[float, float], measure: str) -> float | None:
    """Sum of q f(p/q), from the mass Q puts on each value of the ratio p/q."""
    generator = _GENERATORS.get(_SAME_TRUTH.get(measure, measure))
    return None if generator is None else sum(mass * generator(ratio) for ratio, mass in ratios.items())


@dataclass(frozen=True)
class CopiedBits:
    """One fair bit, copied: every view is the same value of {0, 1}.

    Args:
        copies: number of views M.

    Example:
        >>> round(CopiedBits(2).total_correlation, 4), CopiedBits(3).truth("wasserstein")
        (0.6931, 0.75)
    """

    copies: int = 2

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, views ``(n, 1)``."""
        bit = torch.randint(2, (n, 1), generator=generator).float()
        return {name: bit.clone() for name in _names(self.copies)}

    @property
    def total_correlation(self) -> float:
        """(M - 1) ln 2."""
        return (self.copies - 1) * math.log(2)

    def mutual_information(self, first: str, second: str) -> float:  # noqa: ARG002 - all pairs are alike
        """Ln 2 for every pair."""
        return math.log(2)

    def truth(self, measure: str) -> float | None:
        """By enumeration; W1 moves each of the 2^M strings to the nearer of 0...0 and 1...1."""
        if measure == "wasserstein":
            strings = product((0, 1), repeat=self.copies)
            return sum(math.sqrt(min(sum(s), self.copies - sum(s))) for s in strings) / 2**self.copies
        aligned = 2.0 ** (1 - self.copies)
        return _divergence({1 / aligned: aligned, 0.0: 1 - aligned}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: (M - 1) ln 2 where all views agree, minus infinity elsewhere."""
        bits = torch.cat([views[name] for name in _names(self.copies)], dim=1)
        agree = (bits == bits[:, :1]).all(dim=1)
        return torch.where(agree, self.total_correlation, -torch.inf)


@dataclass(frozen=True)
class XorBits:
    """Two fair bits and their exclusive or: every pair of views is independent, the three are not.

    Example:
        >>> XorBits().mutual_information("a", "c"), round(XorBits().total_correlation, 4)
        (0.0, 0.6931)
    """

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, three views ``(n, 1)``."""
        a, b = torch.randint(2, (2, n, 1), generator=generator).float()
        return {"a": a, "b": b, "c": (a != b).float()}

    @property
    def total_correlation(self) -> float:
        """Ln 2: the third bit is free knowledge."""
        return math.log(2)

    def mutual_information(self, first: str, second: str) -> float:  # noqa: ARG002 - all pairs are alike
        """0 for every pair."""
        return 0.0

    def truth(self, measure: str) -> float | None:
        """By enumeration; W1 moves half of the mass to a string one bit away."""
        return 0.5 if measure == "wasserstein" else _divergence({2.0: 0.5, 0.0: 0.5}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: ln 2 where the parity is even, minus infinity elsewhere."""
        even = torch.cat([views[name] for name in "abc"], dim=1).sum(dim=1) % 2 == 0
        return torch.where(even, math.log(2), -torch.inf)


@dataclass(frozen=True)
class HalfCube:
    """Uniform on the octants of [-1, 1]^3 whose coordinates have a positive product: XOR with continuous views.

    Example:
        >>> round(HalfCube().total_correlation, 4), HalfCube().mutual_information("a", "b")
        (0.6931, 0.0)
    """

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, three views ``(n, 1)``."""
        a, b, c = torch.rand(3, n, 1, generator=generator) * 2 - 1
        return {"a": a, "b": b, "c": c.abs() * torch.sign(a * b)}

    @property
    def total_correlation(self) -> float:
        """Ln 2."""
        return math.log(2)

    def mutual_information(self, first: str, second: str) -> float:  # noqa: ARG002 - all pairs are alike
        """0 for every pair."""
        return 0.0

    def truth(self, measure: str) -> float | None:
        """Those of XOR, but W1, which has no closed form here."""
        return _divergence({2.0: 0.5, 0.0: 0.5}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: ln 2 inside the half cube, minus infinity outside."""
        inside = torch.cat([views[name] for name in "abc"], dim=1).prod(dim=1) > 0
        return torch.where(inside, math.log(2), -torch.inf)


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
            raise InputError(f"covariance {tuple(covariance.shape)} for views of dims {self.dims}: sizes must agree")
        cholesky, failed = torch.linalg.cholesky_ex(covariance)
        if failed or not torch.allclose(covariance, covariance.T):
            raise InputError("covariance: not symmetric positive definite; lower the correlations")
        object.__setattr__(self, "covariance", covariance)
        object.__setattr__(self, "_cholesky", cholesky)

    @classmethod
    def with_total_correlation(
        cls, total_correlation: float, *, views: int = 3, dim: int = 10, rotation_seed: int | None = None
    ) -> GaussianViews:
        """Coordinate j of every view shares one correlation; ``rotation_seed`` turns each view by a random rotation.

        Rotations change neither the total correlation nor any pairwise mutual information, only how hard they are to find.
        """
        if not 0 <= total_correlation < math.inf:
            raise InputError(f"total correlation {total_correlation}: give a finite number that is not negative")
        within = torch.eye(views, dtype=torch.float64)
        within = within + _equicorrelation(total_correlation / dim, len(_names(views))) * (1 - within)
        covariance = torch.kron(within, torch.eye(dim, dtype=torch.float64))
        if rotation_seed is not None:
            generator = torch.Generator().manual_seed(rotation_seed)
            blocks = torch.randn(views, dim, dim, generator=generator, dtype=torch.float64)
            turn = torch.block_diag(*torch.linalg.qr(blocks).Q)
            covariance = turn @ covariance @ turn.T
        return cls((dim,) * views, covariance)

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, views ``(n, dims[m])``."""
        noise = torch.randn(n, sum(self.dims), generator=generator, dtype=torch.float64)
        parts = (noise @ self._cholesky.T).float().split(self.dims, dim=1)
        return dict(zip(_names(len(self.dims)), parts, strict=True))

    def _blocks(self) -> Tensor:
        """The covariance under the product of marginals."""
        ends = torch.tensor((0, *self.dims)).cumsum(0).tolist()
        return torch.block_diag(*(self.covariance[i:j, i:j] for i, j in pairwise(ends)))

    def marginal(self, *names: str) -> GaussianViews:
        """The joint distribution of some of the views; they are named anew from "a"."""
        every = torch.arange(sum(self.dims)).split(self.dims)
        order = [_names(len(self.dims)).index(name) for name in names]
        index = torch.cat([every[k] for k in order])
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
        match _SAME_TRUTH.get(measure, measure):
            case "kl":
                return self.total_correlation
            case "reverse_kl":
                return (
                    float(torch.trace(torch.linalg.solve(joint, blocks)) - sum(self.dims)) / 2 - self.total_correlation
                )
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
        x = torch.cat([views[name] for name in _names(len(self.dims))], dim=1).double()
        form = torch.linalg.inv(self._blocks()) - torch.linalg.inv(self.covariance)
        return ((x @ form * x).sum(dim=1) / 2 + self.total_correlation).float()


def _equicorrelation(total_correlation: float, views: int) -> float:
    """The rho whose ``views``-dimensional equicorrelation matrix has this total correlation (bisection)."""
    low, high = 0.0, 1.0
    for _ in range(200):
        rho = (low + high) / 2
        value = -(math.log1p((views - 1) * rho) + (views - 1) * math.log1p(-rho)) / 2 if rho < 1 else math.inf
        low, high = (rho, high) if value < total_correlation else (low, rho)
    return low


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
            raise InputError(f"df {self.df}: degrees of freedom must be positive")
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
        return self.total_correlation if _SAME_TRUTH.get(measure, measure) == "kl" else None

    def _log_density(self, x: Tensor, scale: Tensor) -> Tensor:
        dim = x.shape[1]
        low, high = (torch.tensor(v / 2, dtype=torch.float64) for v in (self.df, self.df + dim))
        constant = torch.lgamma(high) - torch.lgamma(low) - dim / 2 * math.log(self.df * math.pi)
        distance = (torch.linalg.solve(scale, x.T).T * x).sum(dim=1)
        return constant - torch.logdet(scale) / 2 - high * torch.log1p(distance / self.df)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)`` of joint to product of marginals, in nats."""
        names = _names(len(self.gaussian.dims))
        parts = [views[name].double() for name in names]
        joint = self._log_density(torch.cat(parts, dim=1), self.gaussian.covariance)
        for part, block in zip(parts, self._scales(), strict=True):
            joint = joint - self._log_density(part, block)
        return joint.float()

    def _scales(self) -> list[Tensor]:
        return [
            self.gaussian.covariance[i, :][:, i]
            for i in torch.arange(sum(self.gaussian.dims)).split(self.gaussian.dims)
        ]


@dataclass(frozen=True)
class Independent:
    """Independent standard normal views: every measure is 0.

    Example:
        >>> Independent().truth("wasserstein")
        0.0
    """

    views: int = 3
    dim: int = 1

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, views ``(n, dim)``."""
        return {name: torch.randn(n, self.dim, generator=generator) for name in _names(self.views)}

    @property
    def total_correlation(self) -> float:
        """0."""
        return 0.0

    def mutual_information(self, first: str, second: str) -> float:  # noqa: ARG002 - all pairs are alike
        """0."""
        return 0.0

    def truth(self, measure: str) -> float | None:  # noqa: ARG002 - all measures are alike
        """0 for every measure."""
        return 0.0

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Zeros ``(n,)``."""
        return torch.zeros(len(views["a"]))
