"""Arrays of numbers from arrays, lists of lists, or arrays of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["numeric"]

_NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_, type(None))


def numeric(values: Any) -> NDArray[Any]:
    """Return an array of booleans, whole numbers or floats.

    Args:
        values: an array, or lists of numbers or of arrays; ``None`` becomes NaN.

    Raises:
        ValueError: rows of different lengths.
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
    _require_numbers(values)
    try:
        found = np.asarray(values)
        # Among numbers, only None and whole numbers beyond 64 bits make an array of objects.
        return found.astype(np.float64) if found.dtype.kind == "O" else found
    except OverflowError as error:
        raise ValueError(str(error)) from error
    except ValueError as error:
        raise ValueError("rows of different lengths") from error


def _require_numbers(values: Any) -> None:
    if isinstance(values, np.ndarray) and values.dtype.kind not in "fiub":
        raise TypeError(f"{values.dtype} instead of numbers")
    for each in values if isinstance(values, list | tuple) else ():
        if isinstance(each, list | tuple | np.ndarray):
            _require_numbers(each)
        elif not isinstance(each, _NUMBERS):
            raise TypeError(f"{type(each).__name__} instead of a number")
