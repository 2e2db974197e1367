"""Arrays of numbers, from arrays, lists of lists, or arrays of objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.texts import damaged

__all__ = ["floats", "numeric"]

_NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_, type(None))


def numeric(values: Any, *, where: str, what: str = "values") -> NDArray[Any]:
    """Return an array of booleans, whole numbers or floats."""
    try:
        if isinstance(values, np.ndarray) and values.dtype.kind == "O":
            values = values.tolist()
        _require_numbers(values)
        found = np.asarray(values)
        # Among numbers, only None and whole numbers beyond 64 bits make an array of objects.
        return found.astype(np.float64) if found.dtype.kind == "O" else found
    except TypeError as error:
        raise damaged(where, f"{what} are not numbers ({error})", code="wrong_type") from error
    except ValueError as error:
        raise damaged(where, f"{what} are not numbers (rows of different lengths)", code="wrong_shape") from error
    except OverflowError as error:
        raise damaged(where, f"{what} are not numbers ({error})", code="out_of_range") from error


def floats(values: Any, *, where: str, what: str = "values") -> NDArray[np.float32]:
    """Return an array of float32; what is too great becomes infinite, and a signalling NaN is one like any other."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(numeric(values, where=where, what=what), dtype=np.float32, order="C")


def _require_numbers(values: Any) -> None:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "fiub":
            raise TypeError(str(values.dtype))
    elif isinstance(values, list | tuple):
        for each in values:
            _require_numbers(each)
    elif not isinstance(values, _NUMBERS):
        raise TypeError(type(values).__name__)
