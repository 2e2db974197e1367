"""Widths of views that a measure takes."""

from __future__ import annotations

from collections.abc import Mapping

from comodal.dependency import MEASURES


def fitting_dims(name: str, dims: Mapping[str, int]) -> dict[str, int]:
    """Return the widths, or the last of them for all views where the measure compares features one by one."""
    narrow = MEASURES[name].facts.equal_widths
    return dict.fromkeys(dims, list(dims.values())[-1]) if narrow else dict(dims)
