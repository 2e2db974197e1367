"""Numbers from whatever a file holds: arrays, lists of lists, arrays of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["numeric"]

_DEEPEST = 8
_FREE = 2**20
_REPEATS = 16
_NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_, type(None))


def numeric(values: Any) -> NDArray[Any]:
    """An array of booleans, whole numbers or floats.

    Args:
        values: an array, or lists of numbers or of arrays; ``None`` becomes NaN.

    Raises:
        ValueError: ragged rows, or lists that stand for far more numbers than they hold.
        TypeError: text, complex numbers, or anything else that is no number.

    Example:
        >>> numeric([[1, 2], [3, None]])
        array([[ 1.,  2.], [ 3., nan]])
        >>> numeric(["1.5"])
        Traceback (most recent call last):
        TypeError: str instead of a number
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    if isinstance(values, list | tuple):
        return _from_lists(values)
    found = np.asarray(values) if isinstance(values, (np.ndarray, *_NUMBERS)) else None
    if found is None or found.dtype.kind not in "fiub":
        raise TypeError(f"{type(values).__name__ if found is None else found.dtype} instead of numbers")
    return found


def _from_lists(values: list[Any] | tuple[Any, ...]) -> NDArray[Any]:
    claimed, held = _sizes(values, {}, 0)
    if claimed > _FREE + _REPEATS * held:
        raise ValueError("the same rows are repeated very many times")
    try:
        found = np.asarray(values)
        # Among numbers, only None and whole numbers beyond 64 bits make an array of objects.
        return found.astype(np.float64) if found.dtype.kind == "O" else found
    except OverflowError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        raise ValueError("rows of different lengths") from error


def _sizes(values: Any, seen: dict[int, float], depth: int) -> tuple[float, float]:
    """Numbers that nested lists stand for, and numbers that they hold: a row may be listed many times.

    A list that is inside itself stands for infinitely many.
    """
    if id(values) in seen:
        return seen[id(values)], 0
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "fiub":
            raise TypeError(f"{values.dtype} instead of numbers")
        seen[id(values)] = values.size
        return values.size, values.size
    if depth == _DEEPEST:
        raise ValueError(f"lists in lists more than {_DEEPEST} deep")
    seen[id(values)] = np.inf
    held = claimed = float(len(values))
    for each in values:
        if isinstance(each, list | tuple | np.ndarray):
            more_claimed, more_held = _sizes(each, seen, depth + 1)
            claimed, held = claimed + more_claimed - 1, held + more_held
        elif not isinstance(each, _NUMBERS):
            raise TypeError(f"{type(each).__name__} instead of a number")
    seen[id(values)] = claimed
    return claimed, held
