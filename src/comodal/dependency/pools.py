"""Rules that make one vector of a sequence, and what a mask says about a view.

Axis legend: B samples of a batch, T time steps, D width of a representation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence
from comodal.encoders import last_frame, masked_mean

__all__ = ["POOLS", "checked_pools", "pooled"]


def _maximum(sequence: ModalitySequence) -> Tensor:
    found = sequence.values.masked_fill(~sequence.mask.unsqueeze(-1), -torch.inf).amax(dim=1)
    return torch.where(sequence.mask.any(dim=1, keepdim=True), found, 0.0)


def _first_frame(sequence: ModalitySequence) -> Tensor:
    return sequence.values[:, 0]


POOLS: dict[str, Callable[[ModalitySequence], Tensor]] = {
    "mean": masked_mean,
    "max": _maximum,
    "first": _first_frame,
    "last": last_frame,
}
"""Name to function that makes one vector of the frames ``(B, T, D)`` of a sample; ``first`` is BERT's ``[CLS]``."""


def pooled(name: str, view: Tensor, mask: Tensor | None, rule: str) -> tuple[Tensor, Tensor | None]:
    """Return a view with its sequences made vectors, and ``(B,)`` which samples have it, ``None`` where no mask tells.

    Args:
        name: of the view, for errors.
        view: ``(B, D)``, or ``(B, T, D)``.
        mask: ``(B,)`` bool, true for samples that have the view; or, of a sequence, ``(B, T)``, true on real frames.
        rule: key of :data:`POOLS`.

    Raises:
        InputError: a mask of another shape.
    """
    if mask is not None and mask.shape not in {view.shape[:1], view.shape[:-1]}:
        shapes = "(B,)" if view.ndim == 2 else "(B,) or (B, T)"
        raise InputError(
            f"mask of {name!r} is {tuple(mask.shape)}, the view {tuple(view.shape)}: give {shapes}", code="wrong_shape"
        )
    real = None if mask is None else mask.bool()
    if view.ndim != 3:
        return view, real
    if real is None or real.ndim == 1:
        frames = torch.ones(view.shape[:2], dtype=torch.bool, device=view.device)
        return POOLS[rule](ModalitySequence(view, frames)), real
    return POOLS[rule](ModalitySequence(view, real.to(view.device))), real.any(dim=1)


def checked_pools(pool: str | Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the rule of each view, in order.

    Raises:
        InputError: no such rule, or no such view.
    """
    rules = pool if isinstance(pool, Mapping) else dict.fromkeys(names, pool)
    for name, rule in rules.items():
        if name not in names:
            raise InputError.unknown("view", name, names, where="pool")
        if rule not in POOLS:
            habits = {"average": "mean", "avg": "mean", "cls": "first", "eos": "last"}
            raise InputError.unknown("pool", rule, POOLS, where=f"pool[{name!r}]", habits=habits)
    return tuple(rules.get(name, "mean") for name in names)
