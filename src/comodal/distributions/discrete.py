"""Discrete distributions, and others with a density ratio of few values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from comodal.distributions.known import divergence_of_ratios, view_names

__all__ = ["CopiedBits", "HalfCube", "Independent", "XorBits"]


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
        return {name: bit.clone() for name in view_names(self.copies)}

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
            moved = sum(math.sqrt(min(sum(s), self.copies - sum(s))) for s in strings)
            return moved / math.pow(2, self.copies)
        aligned = 2.0 ** (1 - self.copies)
        return divergence_of_ratios({1 / aligned: aligned, 0.0: 1 - aligned}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: (M - 1) ln 2 where all views agree, minus infinity elsewhere."""
        bits = torch.cat([views[name] for name in view_names(self.copies)], dim=1)
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
        """Ln 2: the third bit follows from the others."""
        return math.log(2)

    def mutual_information(self, first: str, second: str) -> float:  # noqa: ARG002 - all pairs are alike
        """0 for every pair."""
        return 0.0

    def truth(self, measure: str) -> float | None:
        """By enumeration; W1 moves half of the mass to a string one bit away."""
        return 0.5 if measure == "wasserstein" else divergence_of_ratios({2.0: 0.5, 0.0: 0.5}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: ln 2 where the parity is even, minus infinity elsewhere."""
        even = torch.cat([views[name] for name in "abc"], dim=1).sum(dim=1) % 2 == 0
        return torch.where(even, math.log(2), -torch.inf)


@dataclass(frozen=True)
class HalfCube(XorBits):
    """Uniform on the octants of [-1, 1]^3 whose coordinates have a positive product: XOR with continuous views.

    Example:
        >>> round(HalfCube().total_correlation, 4), HalfCube().mutual_information("a", "b")
        (0.6931, 0.0)
    """

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` samples, three views ``(n, 1)``."""
        a, b, c = torch.rand(3, n, 1, generator=generator) * 2 - 1
        return {"a": a, "b": b, "c": c.abs() * torch.sign(a * b)}

    def truth(self, measure: str) -> float | None:
        """Those of XOR, but W1, which has no closed form here."""
        return divergence_of_ratios({2.0: 0.5, 0.0: 0.5}, measure)

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)``: ln 2 inside the half cube, minus infinity outside."""
        inside = torch.cat([views[name] for name in "abc"], dim=1).prod(dim=1) > 0
        return torch.where(inside, math.log(2), -torch.inf)


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
        return {name: torch.randn(n, self.dim, generator=generator) for name in view_names(self.views)}

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
