"""Open HDF5 files without trust: nothing outside the file is read, and nothing larger than the file can hold.

The C library crashes or never ends on damaged strings of variable length, reads other files through external links and
virtual data sets, and fills with zeros what was never written. All of that is refused before a value is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.texts import damage, damaged

__all__ = ["Stored", "has_signature", "is_group", "members", "opened", "stored", "subgroup"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FILTERS = frozenset({1, 2, 3, 32000})
"""gzip, shuffle, fletcher32 and lzf; others need a plug-in."""
_MOST_INFLATED = 1100
"""Bytes that gzip makes of one at most, and lzf fewer."""
_MOST_BYTES = 2**28
_LONGEST_STRING = 2**12


def has_signature(path: Path) -> bool:
    """Whether a file begins as HDF5 files do."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading, and yield its root group; what cannot be read is refused."""
    try:
        import h5py  # noqa: PLC0415 - keeps `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("h5", "HDF5 files") from error
    if not has_signature(path):
        remedy = "check the path and your rights, or get it again"
        raise damaged(path, "not a readable HDF5 file", remedy=remedy, code="damaged" if path.exists() else "missing")
    with _library(str(path)):
        file = h5py.File(path, "r")
    try:
        yield file
    finally:
        with _library(str(path)):
            file.close()


def _library(where: str) -> AbstractContextManager[None]:
    return damage(where, "HDF5 file")


def _where(group: Any, name: str = "") -> str:
    inside = f"{group.name.rstrip('/')}/{name}".rstrip("/") or "/"
    return f"{group.file.filename}, {ascii(inside)[1:-1]}"


def members(group: Any) -> list[str]:
    """Return the names in a group, in its order."""
    with _library(group.file.filename):
        names = list(group)
        for name in names:
            name.encode("utf-8")
        return names


def is_group(group: Any, name: str) -> bool:
    """Whether a name stands for a group of the same file."""
    import h5py  # noqa: PLC0415

    with _library(_where(group, name)):
        # In this order: the class of a link is that of its target, which may be in another file.
        return isinstance(group.get(name, getlink=True), h5py.HardLink) and isinstance(group[name], h5py.Group)


def subgroup(group: Any, name: str) -> Any:
    """Return a group in a group."""
    return _member(group, name, array=False)


def _member(group: Any, name: str, *, array: bool) -> Any:
    import h5py  # noqa: PLC0415

    where = _where(group, name)
    with _library(where):
        if name not in group:
            raise damaged(_where(group), f"no {name!r} there", code="missing")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise damaged(where, "a link to elsewhere, which is not followed", remedy="copy the data in", code="unsafe")
        found = group[name]
    if not isinstance(found, h5py.Dataset if array else h5py.Group):
        expected = "a group where an array" if array else "an array where a group"
        raise damaged(where, f"{expected} is expected", code="wrong_type")
    return found


@dataclass(frozen=True, eq=False)
class Stored:
    """An array of booleans, numbers, or strings of a fixed length in a file, checked but not read."""

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _dataset: Any

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in memory."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Read some rows; the array is cut at its end as a list is."""
        stop = self.shape[0] if stop is None else min(stop, self.shape[0])
        size = max(0, stop - start) * self.row_bytes
        if size > _MOST_BYTES:
            raise damaged(self.where, f"{size} bytes to hold at once, more than {_MOST_BYTES}", code="too_large")
        with _library(self.where):
            return np.asarray(self._dataset[start:stop])


def stored(group: Any, name: str) -> Stored:
    """Return an array in a group, when it is safe to read."""
    where, found = _where(group, name), _member(group, name, array=True)
    with _library(where):
        properties = found.id.get_create_plist()
        filters = [int(properties.get_filter(number)[0]) for number in range(properties.get_nfilters())]
        if not _FILTERS.issuperset(filters) or len(set(filters)) < len(filters):
            remedy = "save it again with gzip or without compression"
            raise damaged(where, f"stored with filters {filters}", remedy=remedy, code="unsupported")
        if found.is_virtual or properties.get_external_count():
            problem = "its values lie in another file, which is not followed"
            raise damaged(where, problem, remedy="copy the data in", code="unsafe")
        dtype = found.dtype
        if dtype.kind not in "biufS" or (dtype.kind == "S" and not 0 < dtype.itemsize <= _LONGEST_STRING):
            remedy = "give numbers, or strings of a fixed length"
            raise damaged(where, f"values of type {dtype}", remedy=remedy, code="wrong_type")
        if not found.shape:
            raise damaged(where, "a single value or none where an array is expected", code="wrong_shape")
        _refuse_oversize(found, where, Path(group.file.filename).stat().st_size)
        return Stored(where, tuple(map(int, found.shape)), dtype, found)


def _refuse_oversize(dataset: Any, where: str, file_size: int) -> None:
    """Refuse claims that the file cannot keep, and chunks that are missing or too large to read one."""
    claimed = math.prod(dataset.shape) * dataset.dtype.itemsize
    held = int(dataset.id.get_storage_size())
    packed = dataset.id.get_create_plist().get_nfilters() > 0
    whole = held <= file_size and claimed <= held * (_MOST_INFLATED if packed else 1)
    if dataset.chunks is not None and claimed:
        needed = math.prod(-(-size // each) for size, each in zip(dataset.shape, dataset.chunks, strict=True))
        whole = whole and dataset.id.get_num_chunks() >= needed
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > _MOST_BYTES:
            raise damaged(where, f"stored in pieces of more than {_MOST_BYTES} bytes", code="too_large")
    if not whole:
        raise damaged(where, f"claims {claimed} bytes, which were not wholly written to the {held} that are stored")
