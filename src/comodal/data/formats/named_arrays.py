"""Arrays by name from an npz or a safetensors file, by its first bytes; each is read when it is asked for."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.damage import damaged
from comodal.data.formats.texts import one_line, require_characters

__all__ = ["NamedArrays", "Shape", "open_arrays"]

Shape = tuple[int, ...]

_AGAIN = "write it again with numpy.savez"
_DEFLATE_AT_MOST = 1100
"""Bytes that deflate makes of one at most."""


class NamedArrays(Protocol):
    """An open file of arrays.

    Attributes:
        shapes: name to shape of every array.
        metadata: texts that the file holds beside its arrays.
        by_rows: whether some rows of an array are read without the others.
    """

    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str]
    by_rows: bool

    def read(self, name: str) -> NDArray[Any]:
        """A whole array."""

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Some rows of an array."""


@contextmanager
def open_arrays(path: Path) -> Iterator[NamedArrays]:
    """Open a file of arrays; errors within the block are its errors."""
    from safetensors import SafetensorError  # noqa: PLC0415 - keeps `import comodal` light

    errors = (OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError)
    libraries = (zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError, SafetensorError)
    try:
        with _opened(path) as arrays:
            yield arrays
    except InputError:
        raise
    except (*errors, *libraries) as error:
        reason = one_line(error, longest=200) or type(error).__name__
        raise damaged(path, f"a damaged file of arrays ({reason})", remedy="write or get it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[NamedArrays]:
    if not path.is_file():
        raise damaged(path, "no such file", remedy="give an npz or safetensors file", code="missing")
    with path.open("rb") as handle:
        start = handle.read(9)
        if start[:2] == b"PK":
            with zipfile.ZipFile(handle) as archive:
                yield _npz(path, archive)
            return
    if start[8:] != b"{":
        raise damaged(path, "neither npz nor safetensors", remedy="write it with numpy.savez or safetensors")
    yield from _safetensors(path)


@dataclass
class _Npz:
    """An npz archive, decompressed array by array; the last one is kept, since its rows are asked for in turn."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]
    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str] = field(default_factory=dict)
    by_rows: bool = False
    _name: str = ""
    _last: NDArray[Any] | None = None

    def read(self, name: str) -> NDArray[Any]:
        with self.archive.open(self.members[name]) as stream:
            try:
                array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
            except ValueError as error:
                if "Object arrays" not in str(error):
                    raise
                where = f"{self.archive.filename}, array {name!r}"
                raise damaged(where, "holds Python objects", remedy="store numbers", code="unsafe") from error
        require_characters(array)
        return array

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        if self._last is None or self._name != name:
            self._name, self._last = name, self.read(name)
        return self._last[start:stop]


def _npz(path: Path, archive: zipfile.ZipFile) -> _Npz:
    infos = archive.infolist()
    room = path.stat().st_size * _DEFLATE_AT_MOST
    if sum(info.file_size for info in infos) > room:
        raise damaged(path, "claims to hold far more than its size allows", remedy=_AGAIN, code="too_large")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in members:
            raise damaged(path, f"member {info.filename!r} is not an array or is there twice", remedy=_AGAIN)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(path, f"member {info.filename!r} is packed in another way", remedy=_AGAIN)
        members[name] = info
    return _Npz(archive, members, {name: _npy_shape(path, archive, members[name]) for name in members})


def _npy_shape(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Shape:
    """Return the shape from the header, if the array's size is that of the member."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        begin = stream.tell()
    if min(shape, default=0) < 0 or (
        begin + math.prod(shape) * dtype.itemsize != info.file_size and not dtype.hasobject
    ):
        raise damaged(path, f"array {info.filename!r} of shape {shape} does not have its size", remedy=_AGAIN)
    return tuple(shape)


@dataclass
class _Safetensors:
    """A safetensors file; tensors are copied, since pages of the mapped file would count as used memory."""

    handle: Any
    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str]
    by_rows: bool = True

    def read(self, name: str) -> NDArray[Any]:
        return _copied(self.handle.get_tensor(name))

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        return _copied(self.handle.get_slice(name)[start:stop])


def _safetensors(path: Path) -> Iterator[_Safetensors]:
    from safetensors import safe_open  # noqa: PLC0415

    # Through torch, since NumPy has no bfloat16.
    with safe_open(str(path), framework="pt") as handle:
        shapes = {name: tuple(handle.get_slice(name).get_shape()) for name in handle.keys()}  # noqa: SIM118 - no mapping
        yield _Safetensors(handle, shapes, handle.metadata() or {})


def _copied(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.array((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    return array
