"""NumPy arrays of a pickle, built only where shape, element type and bytes agree.

NumPy's own ``__setstate__`` trusts its argument: a list that is too short makes it read beyond the array. So the
element type is a stand-in until the array is built, and only checked values reach NumPy.
"""

from __future__ import annotations

import math
import pickle
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.texts import require_characters

__all__ = ["ElementType", "PickledArray", "UnsafePickleError", "array_from_buffer", "empty_array", "scalar"]

_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c(?:8|16)|[SU]\d{1,9}|[?bBhHiIlLqQefdFD])")
_OBJECT = re.compile(r"[|=]?O[48]?")
_MOST_EMPTY = 1 << 31


class UnsafePickleError(pickle.UnpicklingError):
    """A pickle asks for something other than plain data."""


class ElementType:
    """Stand-in for a ``numpy.dtype`` of numbers, truth values, text or objects."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, _align: object = False, _copy: object = True) -> None:
        text = code.decode("latin-1") if isinstance(code, bytes) else code
        known = isinstance(text, str) and (_CODE.fullmatch(text) or _OBJECT.fullmatch(text))
        if not isinstance(text, str) or not known:
            raise UnsafePickleError("it has array elements that are not plain numbers or text")
        self.dtype = np.dtype("O" if _OBJECT.fullmatch(text) else text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take over the byte order from the state that NumPy writes: version, byte order, structure, width, ..."""
        _, order, *structure = state[:5]
        if any(each is not None for each in structure):
            raise UnsafePickleError("it has arrays of records, not plain numbers or text")
        if state[5] not in (-1, self.dtype.itemsize):
            raise ValueError(f"elements of type {self.dtype} with another width")
        if order in ("<", ">", b"<", b">"):
            self.dtype = self.dtype.newbyteorder("<" if order in ("<", b"<") else ">")


class PickledArray(np.ndarray[Any, Any]):
    """An array whose content is checked before NumPy takes it."""

    __slots__ = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Fill the empty array: version, shape, element type, whether Fortran order, and bytes or a list of objects."""
        shape, kind, fortran, data = state[-4:]
        if self.nbytes or type(kind) is not ElementType:
            raise ValueError("an array without an element type, or filled twice")
        if type(data) is not (list if kind.dtype.hasobject else bytes):
            raise ValueError("an array whose content is not of its type")
        _require_size(shape, kind.dtype, len(data))
        super().__setstate__((1, shape, kind.dtype, bool(fortran), data))  # type: ignore[arg-type]
        require_characters(self)


def empty_array(_subtype: object, shape: object, _code: object) -> PickledArray:
    """Return the empty array that a pickle fills next; ``numpy._reconstruct`` in the file."""
    if shape != (0,):
        raise ValueError("an array with a size before its content")
    return np.empty(0, dtype=np.int8).view(PickledArray)


def array_from_buffer(data: object, kind: object, shape: Any, order: object, axes: Any = None) -> NDArray[Any]:
    """Return an array on the bytes themselves, as protocol 5 writes it; ``numpy._frombuffer`` in the file.

    ``order`` is ``"C"``, ``"F"``, or ``"K"`` with the order of the axes.
    """
    if type(kind) is not ElementType or kind.dtype.hasobject or type(data) not in (bytes, bytearray):
        raise ValueError("an array without bytes")
    _require_size(shape, kind.dtype, len(data))  # type: ignore[arg-type]
    if not data:
        return np.zeros(shape, kind.dtype)
    flat: NDArray[Any] = np.frombuffer(data, kind.dtype)  # type: ignore[call-overload]
    require_characters(flat)
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def scalar(kind: object, data: object) -> Any:
    """Return one element; ``numpy.core.multiarray.scalar`` in the file."""
    return array_from_buffer(data, kind, (), "C")[()]


def _require_size(shape: object, dtype: np.dtype[Any], held: int) -> None:
    """Refuse a shape that does not need exactly so many bytes (elements, for objects)."""
    if type(shape) is not tuple or len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("an array of impossible shape")
    count, width = math.prod(shape), 1 if dtype.hasobject else dtype.itemsize
    absurd = math.prod(max(n, 1) for n in shape) * max(width, 1) > _MOST_EMPTY and not held
    if count * width != held or absurd or (width == 0 and count > 1):
        raise ValueError(f"an array of shape {str(shape)[:80]} and type {dtype} with {held} bytes or elements")
