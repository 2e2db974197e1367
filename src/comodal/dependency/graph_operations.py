"""Work of Python objects as operations of PyTorch, so that ``torch.compile`` keeps one graph around it.

A generator, a schedule and a count of steps are no tensors. In a compiled graph the object that has them is an operand,
by a number, and each operation calls it when the graph runs.
"""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

__all__ = ["draw", "number_of", "settle"]

_OBJECTS: WeakValueDictionary[int, Any] = WeakValueDictionary()
_NUMBERS = itertools.count()


def number_of(operand: Any) -> int:
    """Return a new number by which graphs find an object while it lives."""
    number = next(_NUMBERS)
    _OBJECTS[number] = operand
    return number


# Not `torch.library.custom_op`: the tag, without which two draws would become one, is newer there than PyTorch 2.4.
_TAGS = (torch.Tag.nondeterministic_seeded,)
torch.library.define(
    "comodal::draw", "(int measure, Tensor like, str kind, SymInt[] size, bool learning) -> Tensor", tags=_TAGS
)
torch.library.define(
    "comodal::settle", "(int penalty, Tensor value, Tensor[] views, bool learning) -> Tensor", tags=_TAGS
)


@torch.library.impl("comodal::draw", "default")
def _draw(measure: int, like: Tensor, kind: str, size: list[int], learning: bool) -> Tensor:
    drawn: Tensor = _OBJECTS[measure].draws(learning=learning).now(kind, *size)
    return drawn.to(like.device).contiguous()


@torch.library.register_fake("comodal::draw")  # type: ignore[untyped-decorator]
def _drawn(measure: int, like: Tensor, kind: str, size: list[int], learning: bool) -> Tensor:  # noqa: ARG001
    n, columns, times = size
    if kind == "shares":
        return like.new_empty((n, columns), dtype=torch.float32)
    return like.new_empty((columns, n * times), dtype=torch.int64)


@torch.library.impl("comodal::settle", "default")
def _settle(penalty: int, value: Tensor, views: list[Tensor], learning: bool) -> Tensor:
    return value.new_full((), _OBJECTS[penalty].settle(value, views, learning=learning))


@torch.library.register_fake("comodal::settle")  # type: ignore[untyped-decorator]
def _settled(penalty: int, value: Tensor, views: list[Tensor], learning: bool) -> Tensor:  # noqa: ARG001
    return torch.empty_like(value)


def draw(number: int, like: Tensor, kind: str, size: list[int], *, learning: bool) -> Tensor:
    """Return what the measure of a number draws, on the device of a tensor."""
    drawn: Tensor = torch.ops.comodal.draw(number, like, kind, size, learning)
    return drawn


def settle(number: int, value: Tensor, views: list[Tensor], *, learning: bool) -> Tensor:
    """Return the weight of a penalty's term, a scalar, after its penalty has counted and checked the value."""
    weight: Tensor = torch.ops.comodal.settle(number, value, views, learning)
    return weight
