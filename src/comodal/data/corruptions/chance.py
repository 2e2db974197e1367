"""What is drawn for an act.

As many numbers are drawn whatever the probability, so one seed touches at a higher probability all that it touches at a
lower one: points of a severity curve differ by their severity and not by luck.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["chosen", "require_share", "uniform"]


def require_share(value: float, *, of: str) -> None:
    """Refuse a number outside [0, 1].

    Raises:
        InputError: it is outside, or not a number.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{of} {value}: give a number between 0 and 1")


def uniform(*shape: int, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1), in double precision, on the device of the generator."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def chosen(*shape: int, probability: float, like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent choices on the device of ``like``, each true with this probability: never at 0, always at 1.

    Raises:
        InputError: a probability outside [0, 1].

    Example:
        >>> chosen(3, probability=1.0, like=torch.zeros(1), generator=torch.Generator())
        tensor([True, True, True])
    """
    require_share(probability, of="probability")
    return (uniform(*shape, generator=generator) < probability).to(like.device)
