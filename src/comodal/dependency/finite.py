"""Refuse representations and values that are not finite, without making the CPU wait for a device."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.measure import Measure

__all__ = ["FiniteWatch"]

LONGEST = 50
"""So many values wait for a device to tell whether they are finite, before the CPU waits for it."""


class _Awaited(NamedTuple):
    known: Callable[[bool], bool | None]
    value: Tensor
    views: list[Tensor]
    present: Tensor | None
    remedy: str


class FiniteWatch:
    """Looks at every value: on a CPU at once; of a GPU as soon as it is known, mostly one step later.

    Args:
        measure: of the values.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._awaited: deque[_Awaited] = deque()

    def __reduce__(self) -> tuple[type[FiniteWatch], tuple[Measure]]:
        return FiniteWatch, (self.measure,)

    def look(self, value: Tensor, views: list[Tensor], present: Tensor | None, *, remedy: str) -> None:
        """Refuse this value of views, ``present`` where samples have them, or an earlier one.

        Raises:
            InputError: names the view and the first row that hold NaN or infinity, or the measure that diverged.
        """
        if value.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return  # a graph that is replayed cannot raise
        known = _answer(value.detach())
        if known(False):
            return
        detached = [view.detach() for view in views]
        self._awaited.append(_Awaited(known, value.detach(), detached, present, remedy))
        self.check(wait=False)

    def check(self, *, wait: bool = True) -> None:
        """Refuse the first value that is not finite; with ``wait`` the CPU waits for those that are not known yet."""
        while self._awaited:
            first = self._awaited[0]
            known = first.known(wait or len(self._awaited) > LONGEST)
            if known is None:
                return
            self._awaited.popleft()
            if not known:
                self._awaited.clear()
                self._refuse(first)

    def _refuse(self, first: _Awaited) -> None:
        for place, (name, view) in enumerate(zip(self.measure.layout.names, first.views, strict=True)):
            broken = (~view.isfinite()).any(dim=1)
            if first.present is not None:
                broken = broken & first.present[:, place].to(broken.device)
            rows = broken.nonzero().flatten().tolist()
            if rows:
                raise InputError(
                    f"representation {name!r} holds NaN or infinity in {len(rows)} of {len(view)} rows "
                    f"(the first is {rows[0]}): clean the features or lower the model's learning rate",
                    code="not_finite",
                )
        raise InputError(
            f"{self.measure.name!r} diverged, its value is {first.value.item()}: lower {first.remedy}", code="diverged"
        )


def _answer(value: Tensor) -> Callable[[bool], bool | None]:
    """Return a function that tells whether a scalar is finite; ``None`` where it is not to wait for the device."""
    if value.device.type == "cpu":
        finite = math.isfinite(value.numpy())  # the memory itself: no operation of PyTorch
        return lambda _: finite
    if value.device.type != "cuda":
        flag = value.isfinite()
        return lambda wait: bool(flag) if wait else None
    told = torch.empty((), dtype=torch.bool, pin_memory=True)
    told.copy_(value.isfinite(), non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record()

    def known(wait: bool) -> bool | None:
        if wait:
            copied.synchronize()
        return bool(told.numpy()) if copied.query() else None  # type: ignore[no-untyped-call]

    return known
