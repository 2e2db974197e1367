"""Wrap a method of one object."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["wrap_method"]


def wrap_method(owner: Any, name: str, around: Callable[..., Any]) -> Callable[[], None]:
    """Make calls of ``owner.name(...)`` call ``around(original, ...)``, and return a function that undoes it."""
    original, own = getattr(owner, name), name in vars(owner)
    active = True

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs) if active else original(*args, **kwargs)

    def undo() -> None:
        nonlocal active
        active = False
        if vars(owner).get(name) is not wrapped:  # it was wrapped again since
            return
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)

    setattr(owner, name, wrapped)
    return undo
