"""Progress callbacks of long computations."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Advance", "Progress", "no_advance", "no_progress"]

Advance = Callable[[int], object]
"""Called with the number of items that have finished since the last call."""

Progress = Callable[[str, int], Advance]
"""Called with the name of a stage and its number of items; returns the function that counts them."""


def no_advance(count: int) -> None:
    """Ignore the number of finished items."""
    del count


def no_progress(stage: str, total: int) -> Advance:
    """Return the function that ignores the number of finished items."""
    del stage, total
    return no_advance
