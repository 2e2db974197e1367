"""Arrays by name from an npz or a safetensors file, by its first bytes; each is read when it is asked for."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.texts import damage, damaged, require_characters

__all__ = ["NamedArrays", "open_arrays", "views_from_npz"]

Shape = tuple[int, ...]

_AGAIN = "write it again with numpy.savez"
_DEFLATE_AT_MOST = 1100
"""Bytes that deflate makes of one at most."""


class NamedArrays(Protocol):
    """An open file of arrays: shapes, kinds (NumPy's letter), texts beside them, whether rows are read alone."""

    shapes: Mapping[str, Shape]
    kinds: Mapping[str, str]
    metadata: Mapping[str, str]
    by_rows: bool

    def read(self, name: str) -> NDArray[Any]:
        """A whole array."""

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Some rows of an array."""


def views_from_npz(path: str | Path, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return named arrays of an ``.npz`` file in this order, all of them when ``None``."""
    if names is not None and len(set(names)) < len(names):
        raise InputError(f"views {','.join(names)}: a name is given twice; name each view once", code="duplicate")
    with open_arrays(Path(path)) as arrays:
        for name in names or ():
            if name not in arrays.shapes:
                raise InputError.unknown("array", name, arrays.shapes, where=str(path))
        return {name: arrays.read(name) for name in (arrays.shapes if names is None else names)}


@contextmanager
def open_arrays(path: Path) -> Iterator[NamedArrays]:
    """Open a file of arrays; errors within the block are its errors."""
    from safetensors import SafetensorError  # noqa: PLC0415 - keeps `import comodal` light

    archives = (zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError)
    with damage(path, "file of arrays", *archives, SafetensorError), _opened(path) as arrays:
        yield arrays


@contextmanager
def _opened(path: Path) -> Iterator[NamedArrays]:
    if not path.is_file():
        raise damaged(path, "no such file", remedy="give an npz or safetensors file", code="missing")
    with path.open("rb") as handle:
        start = handle.read(9)
        if start[:2] == b"PK":
            with zipfile.ZipFile(handle) as archive:
                yield _Npz(path, archive)
            return
    if start[8:] != b"{":
        raise damaged(path, "neither npz nor safetensors", remedy="write it with numpy.savez or safetensors")
    from safetensors import safe_open  # noqa: PLC0415

    # Through torch, since NumPy has no bfloat16.
    with safe_open(str(path), framework="pt") as tensors:
        yield _Safetensors(tensors)


class _Npz:
    """An npz archive, decompressed array by array; the last one is kept, since its rows are asked for in turn."""

    metadata: Mapping[str, str] = MappingProxyType({})
    by_rows = False

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > path.stat().st_size * _DEFLATE_AT_MOST:
            raise damaged(path, "claims to hold far more than its size allows", remedy=_AGAIN, code="too_large")
        self._archive, self._last = archive, dict[str, NDArray[Any]]()
        shapes: dict[str, Shape] = {}
        kinds: dict[str, str] = {}
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name == info.filename or name in shapes:
                raise damaged(path, f"member {info.filename!r} is not an array or is there twice", remedy=_AGAIN)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise damaged(path, f"member {info.filename!r} is packed in another way", remedy=_AGAIN)
            shapes[name], kinds[name] = _npy_header(path, archive, info)
        self.shapes: Mapping[str, Shape] = shapes
        self.kinds: Mapping[str, str] = kinds

    def read(self, name: str) -> NDArray[Any]:
        with self._archive.open(f"{name}.npy") as stream:
            try:
                array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
            except ValueError as error:
                if "Object arrays" not in str(error):
                    raise
                where = f"{self._archive.filename}, array {name!r}"
                raise damaged(where, "holds Python objects", remedy="store numbers", code="unsafe") from error
        require_characters(array)
        return array

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        if name not in self._last:
            self._last = {name: self.read(name)}
        return self._last[name][start:stop]


def _npy_header(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[Shape, str]:
    """Return shape and kind from the header, if the array's size is that of the member."""
    with archive.open(info) as stream:
        old = np.lib.format.read_magic(stream) == (1, 0)
        header = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(stream)
        begin = stream.tell()
    whole = begin + math.prod(shape) * dtype.itemsize == info.file_size or dtype.hasobject
    if min(shape, default=0) < 0 or not whole:
        raise damaged(path, f"array {info.filename!r} of shape {shape} does not have its size", remedy=_AGAIN)
    return tuple(shape), dtype.kind


class _Safetensors:
    """A safetensors file; tensors are copied, since pages of the mapped file would count as used memory."""

    by_rows = True

    def __init__(self, handle: Any) -> None:
        self._handle, names = handle, handle.keys()
        self.shapes: Mapping[str, Shape] = {name: tuple(handle.get_slice(name).get_shape()) for name in names}
        self.kinds: Mapping[str, str] = {name: _kind(handle.get_slice(name).get_dtype()) for name in names}
        self.metadata: Mapping[str, str] = handle.metadata() or {}

    def read(self, name: str) -> NDArray[Any]:
        return _copied(self._handle.get_tensor(name))

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        return _copied(self._handle.get_slice(name)[start:stop])


def _kind(name: str) -> str:
    """Return NumPy's letter for a type of safetensors, such as F32, BF16, I64 or BOOL."""
    return "b" if name == "BOOL" else name.removeprefix("B")[0].lower()


def _copied(tensor: Any) -> NDArray[Any]:
    array: NDArray[Any] = np.array((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    return array
