"""The random numbers of a measure, from a generator of its own on the CPU.

Axis legend: n samples, M views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from comodal.dependency.graph_operations import draw
from comodal.resampling import cyclic_order

__all__ = ["Draws"]


class _Drawing(Protocol):
    number: int
    seed: int
    generator: torch.Generator


@dataclass(frozen=True)
class Draws:
    """What a measure draws for one value; what does not learn repeats the first draw of its seed in every call.

    Attributes:
        of: the measure.
        learning: whether to draw from its generator.

    Example:
        >>> from comodal.dependency import build_measure
        >>> draws = Draws(build_measure("symile", dims=[4, 4]), learning=False)
        >>> draws.orders(5, 2, like=torch.zeros(5)).shape
        torch.Size([2, 5])
    """

    of: _Drawing
    learning: bool

    def pairing(self, n: int, views: int, *, pairings: int, like: Tensor) -> Tensor:
        """Return :func:`~comodal.resampling.cyclic_order`, ``(M, pairings * n)``, on the device of a tensor."""
        return self._draw("pairing", [n, views, pairings], like)

    def orders(self, n: int, count: int, *, like: Tensor) -> Tensor:
        """Return ``(count, n)`` permutations of n samples, on the device of a tensor."""
        return self._draw("orders", [n, count, 1], like)

    def shares(self, n: int, *, like: Tensor) -> Tensor:
        """Return ``(n, 1)`` uniform numbers in [0, 1), on the device of a tensor."""
        return self._draw("shares", [n, 1, 1], like)

    def now(self, kind: str, n: int, columns: int, times: int) -> Tensor:
        """Return a draw on the CPU."""
        generator = self.of.generator if self.learning else torch.Generator().manual_seed(self.of.seed)
        if kind == "pairing":
            return cyclic_order(n, columns, pairings=times, generator=generator)
        if kind == "orders":
            return torch.stack([torch.randperm(n, generator=generator) for _ in range(columns)])
        return torch.rand(n, columns, generator=generator)

    def _draw(self, kind: str, size: list[int], like: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return draw(self.of.number, like.detach(), kind, size, learning=self.learning)
        return self.now(kind, *size).to(like.device)
