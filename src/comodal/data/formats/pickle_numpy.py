"""Arrays, scalars and element types as NumPy pickles them, made only where every claim agrees with the bytes."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.pickle_reader import PickleRefused, shown

__all__ = ["ElementType", "array_from_buffer", "fill_array", "hollow_array", "scalar"]

_CODE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|c(?:8|16)|[SU]\d{1,9}|[?bBhHiIlLqQefdFD])")
_OBJECT = re.compile(r"[|=]?O[48]?")
_MOST_DIMENSIONS = 32
_LONGEST_SHAPE = 80
_MOST_EMPTY = 1 << 31
_WIDEST_EMPTY = 1 << 14
_SURROGATES = (0xD800, 0xDFFF)
_LAST_CHARACTER = 0x10FFFF


class ElementType:
    """An element type under construction: pickles make it first and give it a byte order after.

    Args:
        code: as ``numpy.dtype`` takes it, for example ``"f4"``; numbers, truth values, text and objects only.
    """

    __slots__ = ("_built", "dtype")

    def __init__(self, code: object) -> None:
        if isinstance(code, str) and _OBJECT.fullmatch(code):
            code = "O"
        elif not (isinstance(code, str) and _CODE.fullmatch(code)):
            raise PickleRefused(f"has an array of elements {shown(code)}, not plain numbers or text", trusted=True)
        self.dtype = np.dtype(code)
        self._built = False

    def build(self, state: object) -> None:
        """Take over the byte order of the state that NumPy pickled."""
        if self._built or type(state) is not tuple or len(state) not in (8, 9) or type(state[0]) is not int:
            raise PickleRefused("has an element type of an unknown version")
        if state[0] not in (3, 4):
            raise PickleRefused(f"has an element type of version {shown(state[0])}")
        order, *structure = state[1:5]
        width, metadata = state[5], state[8] if len(state) == 9 else None
        if any(each is not None for each in (*structure, metadata)):
            raise PickleRefused("has an array of records, not plain numbers or text", trusted=True)
        if type(order) is not str or order not in ("<", ">", "|", "=") or type(width) is not int:
            raise PickleRefused(f"has an element type of byte order {shown(order)}")
        if width not in (-1, self.dtype.itemsize):
            raise PickleRefused(f"has an element type {self.dtype} of {shown(width)} bytes")
        if order == ">":
            self.dtype = self.dtype.newbyteorder(">")
        elif order == "<":
            self.dtype = self.dtype.newbyteorder("<")
        self._built = True


def _checked_shape(shape: object, dtype: np.dtype[Any], filled: int) -> tuple[int, ...]:
    """The shape, if so many bytes (elements for objects) are exactly what it asks for."""
    if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        raise PickleRefused(f"has an array of impossible shape {shown(shape)}")
    count, told = math.prod(shape), str(shape)[:_LONGEST_SHAPE]
    if count == 0 and math.prod(n or 1 for n in shape) > _MOST_EMPTY:
        raise PickleRefused(f"has an empty array of absurd shape {told}")
    if dtype.itemsize == 0 and count > 1:
        raise PickleRefused(f"has an array of shape {told} whose elements are empty")
    if count == 0 and dtype.itemsize > _WIDEST_EMPTY:
        raise PickleRefused(f"has an empty array of {dtype.itemsize} bytes an element")
    if filled != (count if dtype.hasobject else count * dtype.itemsize):
        raise PickleRefused(f"has an array of shape {told} and type {dtype} with {filled} bytes or elements")
    return shape


def _sound(data: bytes | bytearray, dtype: np.dtype[Any]) -> bytes | bytearray:
    """The bytes, if they are truth values or text where they should be; halves of characters become U+FFFD."""
    if dtype.kind == "b" and data and np.frombuffer(data, dtype=np.uint8).max() > 1:
        raise PickleRefused("has truth values that are neither true nor false")
    if dtype.kind != "U" or not data:
        return data
    points = np.frombuffer(data, dtype=np.dtype(np.uint32).newbyteorder(dtype.byteorder))
    if points.max() > _LAST_CHARACTER:
        raise PickleRefused("has an array of text with characters that do not exist")
    halves = (points >= _SURROGATES[0]) & (points <= _SURROGATES[1])
    if not halves.any():
        return data
    return np.where(halves, 0xFFFD, points).astype(points.dtype).tobytes()


def hollow_array() -> NDArray[Any]:
    """The array of no elements that a pickle fills after."""
    return np.empty(0, dtype=np.int8)


def fill_array(array: NDArray[Any], shape: object, kind: object, fortran: object, data: object) -> None:
    """Give a hollow array its content, in place.

    Args:
        array: of :func:`hollow_array`.
        shape: lengths of the axes.
        kind: an `ElementType`.
        fortran: whether the first axis is the fastest.
        data: the bytes of all elements; a list for objects.

    Raises:
        PickleRefused: they contradict each other.
    """
    if type(kind) is not ElementType or not isinstance(data, list if kind.dtype.hasobject else bytes):
        raise PickleRefused("has an array without elements")
    if type(fortran) not in (bool, int):
        raise PickleRefused(f"has an array whose order is {shown(fortran)}")
    checked = _checked_shape(shape, kind.dtype, len(data))
    content = _sound(data, kind.dtype) if isinstance(data, bytes) else data
    array.__setstate__((1, checked, kind.dtype, bool(fortran), content))  # type: ignore[arg-type]


def array_from_buffer(data: object, kind: object, shape: object, order: object, axes: object) -> NDArray[Any]:
    """An array on the bytes themselves, as protocol 5 writes it.

    Args:
        data: bytes or byte array.
        kind: an `ElementType`.
        shape: lengths of the axes.
        order: ``"C"``, ``"F"``, or ``"K"`` with the order of the axes.
        axes: the order of the axes, ``None`` otherwise.

    Raises:
        PickleRefused: they contradict each other.
    """
    if type(kind) is not ElementType or kind.dtype.hasobject or not isinstance(data, (bytes, bytearray)):
        raise PickleRefused("has an array without elements")
    checked = _checked_shape(shape, kind.dtype, len(data))
    flat = np.frombuffer(_sound(data, kind.dtype), dtype=kind.dtype) if data else np.empty(0, dtype=kind.dtype)
    if type(order) is str and order == "K" and type(axes) is tuple:
        return flat.reshape(checked).transpose(axes)
    if type(order) is not str or order not in ("C", "F") or axes is not None:
        raise PickleRefused(f"has an array of unknown layout {shown(order)}")
    return flat.reshape(checked, order="C" if order == "C" else "F")


def scalar(kind: object, data: object) -> Any:
    """One element.

    Raises:
        PickleRefused: the bytes are not exactly one.
    """
    if type(kind) is not ElementType or kind.dtype.hasobject or type(data) is not bytes:
        raise PickleRefused("has a number without bytes")
    if len(data) != kind.dtype.itemsize:
        raise PickleRefused(f"has a {kind.dtype} of {len(data)} bytes")
    return np.frombuffer(_sound(data, kind.dtype), dtype=kind.dtype)[0] if data else np.zeros((), dtype=kind.dtype)[()]
