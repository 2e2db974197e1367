"""HDF5 files opened without trust: nothing outside the file is read, and nothing larger than the file can hold.

The C library crashes or never ends on damaged strings of variable length, reads other files through external links and
virtual data sets, loads plug-ins for foreign filters, and fills what was never written with zeros. All of that is
refused before a value is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError

__all__ = ["Stored", "has_signature", "is_group", "members", "opened", "stored", "subgroup"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
# gzip makes at most 1032 bytes of one, and lzf fewer.
_MOST_INFLATED = 1100
_MOST_BYTES = 2**28
_LONGEST_STRING = 2**12
_ERRORS: tuple[type[Exception], ...] = (
    OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError, EOFError, MemoryError,
    OverflowError, SystemError,
)  # fmt: skip


def has_signature(path: Path) -> bool:
    """Whether a file begins as HDF5 files do.

    Example:
        >>> has_signature(Path(__file__)), has_signature(Path("nowhere"))
        (False, False)
    """
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The root group of a file, for reading.

    Raises:
        InputError: it is missing, unreadable, damaged, or not HDF5; or the package that reads it is missing.
    """
    try:
        import h5py  # noqa: PLC0415 - keeps `import comodal` light
    except ImportError as error:
        raise InputError(f"{path}: HDF5 files need h5py; install it with: pip install 'comodal[h5]'") from error
    if not has_signature(path):
        raise InputError(f"{path}: not a readable HDF5 file; check the path and your rights, or get it again")
    with _library(str(path)):
        file = h5py.File(path, "r")
    try:
        yield file
    finally:
        with _library(str(path)):
            file.close()


@contextmanager
def _library(where: str) -> Iterator[None]:
    """The one place that knows what h5py raises on damaged files."""
    try:
        yield
    except InputError:
        raise
    except _ERRORS as error:
        reason = " ".join(ascii(str(error))[1:-1].split())[:200]
        raise InputError(f"{where}: damaged HDF5 file ({reason or type(error).__name__}); get it again") from error


def _where(group: Any, name: str = "") -> str:
    inside = f"{group.name.rstrip('/')}/{name}".rstrip("/") or "/"
    return f"{group.file.filename}, {ascii(inside)[1:-1]}"


def members(group: Any) -> list[str]:
    """Names in a group, in its order.

    Raises:
        InputError: the group is damaged, or a name is not text.
    """
    with _library(group.file.filename):
        names = list(group)
        for name in names:
            name.encode("utf-8")
        return names


def is_group(group: Any, name: str) -> bool:
    """Whether a name stands for a group of the same file.

    Raises:
        InputError: the file is damaged there.
    """
    import h5py  # noqa: PLC0415

    with _library(_where(group, name)):
        # In this order: the class of a link is that of what it points to, which may be in another file.
        return isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(group[name], h5py.Group)


def subgroup(group: Any, name: str) -> Any:
    """A group in a group.

    Raises:
        InputError: there is none of that name, it is no group, or it is a link to elsewhere.
    """
    import h5py  # noqa: PLC0415

    found = _member(group, name)
    if not isinstance(found, h5py.Group):
        raise InputError(f"{_where(group, name)}: an array where a group is expected; get the file again")
    return found


def _member(group: Any, name: str) -> Any:
    import h5py  # noqa: PLC0415

    with _library(_where(group, name)):
        if name not in group:
            raise InputError(f"{_where(group)}: no {name!r} there; get the file again")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(f"{_where(group, name)}: a link to elsewhere, which is not followed; copy the data in")
        return group[name]


@dataclass(frozen=True, eq=False)
class Stored:
    """An array in a file, checked but not read.

    Attributes:
        where: file and name, for errors.
        shape: of the array.
        dtype: booleans, numbers, or strings of a fixed length.
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _dataset: Any

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in memory."""
        return int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Some rows; the array is cut at its end as a list is.

        Raises:
            InputError: they are damaged, or more than 256 MiB.
        """
        stop = self.shape[0] if stop is None else min(stop, self.shape[0])
        size = max(0, stop - start) * self.row_bytes
        if size > _MOST_BYTES:
            raise InputError(f"{self.where}: {size} bytes to hold at once, more than {_MOST_BYTES}; split the data")
        with _library(self.where):
            return np.asarray(self._dataset[start:stop])


def stored(group: Any, name: str) -> Stored:
    """An array in a group, when it is safe to read.

    Raises:
        InputError: there is none of that name; it holds neither numbers nor strings of a fixed length; it lies in
            another file, needs a plug-in, or was not wholly written; or it claims more than the file can hold.
    """
    import h5py  # noqa: PLC0415

    where = _where(group, name)
    found = _member(group, name)
    if not isinstance(found, h5py.Dataset):
        raise InputError(f"{where}: a group where an array is expected; get the file again")
    with _library(where):
        _refuse_elsewhere(found, where)
        dtype = found.dtype
        if dtype.kind not in "biufS" or (dtype.kind == "S" and not 0 < dtype.itemsize <= _LONGEST_STRING):
            raise InputError(f"{where}: values of type {dtype}; give numbers, or strings of a fixed length")
        if not found.shape:
            raise InputError(f"{where}: a single value or none where an array is expected; get the file again")
        _refuse_oversize(found, where, Path(group.file.filename).stat().st_size)
        return Stored(where, tuple(map(int, found.shape)), dtype, found)


def _refuse_elsewhere(dataset: Any, where: str) -> None:
    """Values in other files, and filters whose code is in other files."""
    properties = dataset.id.get_create_plist()
    if dataset.is_virtual or properties.get_external_count():
        raise InputError(f"{where}: its values lie in another file, which is not followed; copy the data in")
    filters = [int(properties.get_filter(number)[0]) for number in range(properties.get_nfilters())]
    foreign = [each for each in filters if each not in _FILTERS]
    if foreign or len(set(filters)) != len(filters):
        raise InputError(f"{where}: stored with filters {filters}; save it again with gzip or without compression")


def _refuse_oversize(dataset: Any, where: str, file_size: int) -> None:
    """Claims that the file cannot keep, so that a few bytes never become gigabytes."""
    claimed = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
    held = int(dataset.id.get_storage_size())
    compressed = dataset.id.get_create_plist().get_nfilters() > 0
    if held > file_size or claimed > (held * _MOST_INFLATED if compressed else held):
        raise InputError(
            f"{where}: claims {claimed} bytes but only {min(held, file_size)} are stored; it was not wholly written, "
            "get the file again"
        )
    if dataset.chunks is None:
        return
    chunk = int(np.prod(dataset.chunks, dtype=object)) * dataset.dtype.itemsize
    if chunk > _MOST_BYTES:
        raise InputError(f"{where}: stored in pieces of {chunk} bytes; save it again in pieces below {_MOST_BYTES}")
    pieces = [-(-size // each) for size, each in zip(dataset.shape, dataset.chunks, strict=True)]
    if claimed and dataset.id.get_num_chunks() < int(np.prod(pieces, dtype=object)):
        raise InputError(f"{where}: parts of it were never written; get the file again")
