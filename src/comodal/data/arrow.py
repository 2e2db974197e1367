"""Ragged arrays and columns as Arrow IPC files: written piece by piece, read without being copied."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.mapped import MappedFile
from comodal.data.ragged import RaggedArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_columns", "read_ragged", "write_columns", "write_ragged"]

_PIECE = 1 << 24


class _Sink:
    """A file that takes a large buffer in pieces, and lets go of the mapped memory it comes from after each."""

    closed = False

    def __init__(self, path: Path, mapping: MappedFile | None) -> None:
        self._file = path.open("wb")
        self._mapping = mapping
        self._digest = hashlib.sha256()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            self._file.write(piece)
            self._digest.update(piece)
            if self._mapping is not None:
                self._mapping.release()
        return len(view)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())  # or a power cut could leave the name of a data set on empty files

    def close(self) -> None:
        self._file.close()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _write(path: Path, columns: Mapping[str, pa.Array], mapping: MappedFile | None = None) -> str:
    import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light

    batch = pa.record_batch(list(columns.values()), names=list(columns))
    sink = _Sink(path, mapping)
    try:
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        sink.sync()
    finally:
        sink.close()
    return sink.hexdigest()


def write_ragged(path: Path, name: str, array: RaggedArray) -> str:
    """One feature set as a column of lists of frames; a frame is a fixed-size list of float32.

    Returns:
        SHA-256 of the file, hexadecimal.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "audio.arrow"
        >>> digest = write_ragged(path, "audio", RaggedArray.from_rows([np.ones((2, 3)), np.zeros((0, 3))]))
        >>> read_ragged(path, dim=3, name="audio").lengths.tolist()
        [2, 0]
    """
    import pyarrow as pa  # noqa: PLC0415

    flat = pa.array(np.asarray(array.values, dtype=np.float32).reshape(-1))  # shares the memory
    frames = pa.FixedSizeListArray.from_arrays(flat, array.dim)
    return _write(path, {name: pa.LargeListArray.from_arrays(pa.array(array.offsets), frames)}, array.mapping)


def read_ragged(path: Path, *, dim: int, name: str | None = None) -> RaggedArray:
    """A feature set that stays on disk until its frames are touched.

    Args:
        path: of the file.
        dim: features of a frame.
        name: of the features; ``None`` takes whichever are there.

    Raises:
        InputError: the file is not what :func:`write_ragged` wrote, or holds other features.
    """
    import pyarrow as pa  # noqa: PLC0415

    mapping = MappedFile(path)
    columns = _columns(path, mapping)
    frames = pa.large_list(pa.list_(pa.float32(), dim))
    if [column.type for column in columns.values()] != [frames] or name not in (None, *columns):
        told = "features" if name is None else f"features {name!r}"
        raise InputError(f"{path}: does not hold {told} of {dim} numbers a frame; convert the data set again")
    (column,) = columns.values()
    with _damage(path):
        offsets = _numbers(column.offsets).copy()  # small, and wrong runs would be read if the file were cut
        return RaggedArray(_numbers(column.values.values).reshape(-1, dim), offsets, mapping)


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> str:
    """Columns of plain values, one row an utterance.

    Returns:
        SHA-256 of the file, hexadecimal.

    Raises:
        InputError: values that are neither numbers nor text, or are missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "table.arrow"
        >>> digest = write_columns(path, {"id": np.array(["a", "b"]), "speaker": np.array([4, 5])})
        >>> read_columns(path)["speaker"].tolist()
        [4, 5]
    """
    return _write(path, {name: _column(name, column) for name, column in columns.items()})


def _column(name: str, column: NDArray[Any]) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    try:
        if column.dtype.kind in "US":
            # Offsets of 64 bits: transcripts may be more than two gigabytes.
            made = pa.array(column.astype(np.str_).tolist(), type=pa.large_string())
        elif column.dtype.kind == "O":
            made = pa.array(column.tolist(), type=pa.large_string() if _is_text(column) else None)
        else:
            made = pa.array(column.astype(column.dtype.newbyteorder("=")))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"column {name!r} cannot be stored ({_one_line(error)}); give numbers or text") from error
    if pa.types.is_nested(made.type):
        raise InputError(f"column {name!r} cannot be stored (several values an utterance); give numbers or text")
    if made.null_count:
        raise InputError(f"column {name!r} has {made.null_count} missing values; give every utterance one")
    return made


def _is_text(column: NDArray[Any]) -> bool:
    return all(isinstance(each, str) for each in column.tolist())


def read_columns(path: Path, *, text: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_columns` wrote.

    Args:
        path: of the file.
        text: columns of long strings, which become Python objects rather than rows of one width.

    Raises:
        InputError: the file is damaged.
    """
    found = {}
    for name, column in _columns(path, MappedFile(path)).items():
        with _damage(path):
            found[name] = _values(column, np.dtype(object if name in text else np.str_))
    return found


def _values(column: pa.Array, words: np.dtype[Any]) -> NDArray[Any]:
    kind = str(column.type)
    if kind == "large_string":
        return np.array(column.to_pylist(), dtype=words)
    if kind == "bool":
        return np.array(column.to_pylist(), dtype=np.bool_)
    if kind in _NUMBERS:
        return _numbers(column)
    return np.asarray(column.to_numpy(zero_copy_only=False))  # times


_NUMBERS = {name: name for name in (f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))} | {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}
"""Names of types in Arrow and in NumPy."""


def _numbers(column: pa.Array) -> NDArray[Any]:
    """The memory of a column; Arrow's own way imports pandas where there is one, which takes longer than the rest."""
    dtype = np.dtype(_NUMBERS[str(column.type)])
    if not len(column):
        return np.zeros(0, dtype=dtype)
    return np.frombuffer(column.buffers()[-1], dtype, count=len(column), offset=column.offset * dtype.itemsize)


def _columns(path: Path, mapping: MappedFile) -> dict[str, pa.Array]:
    """The one batch of a file, every offset of it checked, since NumPy and Arrow then trust them."""
    import pyarrow as pa  # noqa: PLC0415

    with _damage(path):
        batch = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapping.buffer))).get_batch(0)
        batch.validate(full=True)
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        if any(column.null_count for column in columns.values()):
            raise ValueError("missing values")
    return columns


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever Arrow and NumPy raise on damaged files, as one error."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise InputError(f"{path}: damaged ({_one_line(error)}); convert the data set again") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
