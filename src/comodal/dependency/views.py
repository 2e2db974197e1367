"""Representations as callers give them: checked, put in order, computed with in full precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["ViewLayout", "Views", "full_precision"]

Views = Mapping[str, Tensor] | Sequence[Tensor]
"""Representations of a batch: name to ``(n, D_m)``, or the same tensors in the order of the layout."""


class ViewLayout:
    """Names and widths of the views, in order.

    Args:
        dims: name to width, or widths alone, then named ``"0"``, ``"1"`` and so on.

    Raises:
        InputError: fewer than 2 views, or a width that is not a whole number above 0.

    Example:
        >>> layout = ViewLayout({"text": 3, "audio": 2})
        >>> [tuple(view.shape) for view in layout.match({"audio": torch.zeros(5, 2), "text": torch.zeros(5, 3)})]
        [(5, 3), (5, 2)]
    """

    def __init__(self, dims: Mapping[str, int] | Sequence[int]) -> None:
        named = dims if isinstance(dims, Mapping) else {str(place): dim for place, dim in enumerate(dims)}
        if len(named) < 2:
            raise InputError(
                f"dims={dict(named)}: a dependency is between 2 or more views, name at least 2", code="missing"
            )
        for name, dim in named.items():
            if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
                raise InputError(
                    f"dims: the width of {name!r} is {dim!r}, give a whole number above 0", code="out_of_range"
                )
        self.names = tuple(named)
        self.dims = tuple(named.values())

    def match(self, views: Views) -> list[Tensor]:
        """Return the views as a list in the order of the layout.

        Args:
            views: name to ``(n, D_m)``, or a sequence of such tensors in order.

        Returns:
            One ``(n, D_m)`` tensor per view, untouched.

        Raises:
            InputError: names, number, widths or lengths of the views are not those expected.
        """
        if isinstance(views, Mapping):
            if views.keys() != set(self.names):
                raise InputError(
                    f"representations are named {list(views)}, expected {list(self.names)}: {self._remedy}",
                    code="mismatch",
                )
            ordered = [views[name] for name in self.names]
        else:
            ordered = list(views)
            if len(ordered) != len(self.names):
                raise InputError(
                    f"got {len(ordered)} representations, expected {len(self.names)}: {self._remedy}", code="mismatch"
                )
        for name, view in zip(self.names, ordered, strict=True):
            if not isinstance(view, Tensor):
                raise InputError(
                    f"representation {name!r} is a {type(view).__name__}: give a torch.Tensor", code="wrong_type"
                )
        n = ordered[0].shape[0] if ordered[0].ndim else 0
        for name, dim, view in zip(self.names, self.dims, ordered, strict=True):
            if view.ndim != 2 or view.shape[1] != dim or not view.is_floating_point():
                raise InputError(
                    f"representation {name!r} is {tuple(view.shape)} {view.dtype}, expected floats of shape (n, {dim})",
                    code="wrong_shape",
                )
            if view.shape[0] != n:
                raise InputError(
                    f"representation {name!r} has {view.shape[0]} rows and {self.names[0]!r} has {n}: "
                    "give the same samples for every view",
                    code="mismatch",
                )
        return ordered

    @property
    def _remedy(self) -> str:
        return "give one tensor for each name of dims"


def full_precision(view: Tensor) -> AbstractContextManager[object]:
    """Return a context without autocast on the device of a tensor, for forward and backward passes.

    Example:
        >>> ones = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), full_precision(ones):
        ...     (ones @ ones).dtype
        torch.float32
    """
    device = view.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()
