"""Schedules of a penalty's weight over training steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from comodal.contracts import InputError

__all__ = ["ConstantWeight", "CosineWarmup", "LinearWarmup"]


@dataclass(frozen=True)
class ConstantWeight:
    """The full weight from the first step.

    >>> ConstantWeight()(0)
    1.0
    """

    def __call__(self, step: int) -> float:  # noqa: ARG002 - the signature of every schedule
        """Share of the full weight at a step: 1."""
        return 1.0


@dataclass(frozen=True)
class _Warmup:
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(
                f"steps={self.steps}: a warm-up takes at least 1 step; leave the schedule out for none",
                code="out_of_range",
            )


class LinearWarmup(_Warmup):
    """A weight that grows linearly from above zero, while the critic is still poor.

    ``min(1, (step + 1) / steps)``

    Args:
        steps: the full weight is reached in this many steps.

    Raises:
        InputError: fewer than 1 step.

    >>> [LinearWarmup(4)(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __call__(self, step: int) -> float:
        """Share of the full weight at a step, in (0, 1]."""
        return min(1.0, (step + 1) / self.steps)


class CosineWarmup(_Warmup):
    """A weight that grows along half a cosine from above zero, slowly at both ends.

    ``(1 - cos(pi min(1, (step + 1) / steps))) / 2``

    Args:
        steps: the full weight is reached in this many steps.

    Raises:
        InputError: fewer than 1 step.

    >>> [round(CosineWarmup(4)(step), 3) for step in range(5)]
    [0.146, 0.5, 0.854, 1.0, 1.0]
    """

    def __call__(self, step: int) -> float:
        """Share of the full weight at a step, in (0, 1]."""
        return 0.5 * (1.0 - math.cos(math.pi * min(1.0, (step + 1) / self.steps)))
