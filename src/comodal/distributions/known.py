"""The interface of distributions of known dependency, and divergences of discrete density ratios."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["KnownDistribution", "canonical", "divergence_of_ratios", "view_names"]

# D_f(P || Q) = sum q f(p / q); every p > 0 here has q > 0.
_GENERATORS: dict[str, Callable[[float], float]] = {
    "kl": lambda u: u * math.log(u) if u > 0 else 0.0,
    "reverse_kl": lambda u: -math.log(u) if u > 0 else math.inf,
    "pearson": lambda u: (u - 1) ** 2,
    "squared_hellinger": lambda u: (math.sqrt(u) - 1) ** 2,
    "jensen_shannon": lambda u: 0.5 * ((u * math.log(u) if u > 0 else 0.0) - (u + 1) * math.log((u + 1) / 2)),
}
_SAME_TRUTH = {"mine": "kl", "smile": "kl", "f": "kl", "nwj": "kl"}


class KnownDistribution(Protocol):
    """Interface of the distributions of this package."""

    def sample(self, n: int, generator: torch.Generator) -> dict[str, Tensor]:
        """``n`` aligned samples: name to ``(n, d)`` float32."""

    def truth(self, measure: str) -> float | None:
        """Population value of a measure by its registry name, ``None`` where no closed form is known.

        In nats for ``kl`` and ``jensen_shannon`` (at most ln 2); ``wasserstein`` is the Wasserstein-1 distance,
        Euclidean over all views side by side.
        """

    @property
    def total_correlation(self) -> float:
        """Total correlation in nats."""

    def mutual_information(self, first: str, second: str) -> float:
        """Mutual information of two views in nats."""

    def pointwise(self, views: Mapping[str, Tensor]) -> Tensor:
        """Log density ratio ``(n,)`` of joint to product of marginals, in nats."""


def view_names(views: int) -> list[str]:
    """Return names of views: "a", "b", "c" and so on.

    >>> view_names(3)
    ['a', 'b', 'c']
    """
    if not 2 <= views <= 26:
        raise InputError(f"a joint distribution of {views} views: give between 2 and 26", code="out_of_range")
    return [chr(ord("a") + k) for k in range(views)]


def canonical(measure: str) -> str:
    """Return the divergence that a measure estimates: three of them estimate the Kullback-Leibler divergence."""
    return _SAME_TRUTH.get(measure, measure)


def divergence_of_ratios(ratios: Mapping[float, float], measure: str) -> float | None:
    """Return the f-divergence, the sum of q f(p/q), of a measure; ``None`` for one that is no f-divergence.

    ``ratios`` maps a value of p/q to the mass that Q, the product of marginals, puts on it.
    """
    generator = _GENERATORS.get(canonical(measure))
    return None if generator is None else float(sum(mass * generator(ratio) for ratio, mass in ratios.items()))
