"""Columns of plain values as a Parquet file, one row per sample."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_columns", "write_columns"]


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of numbers, text or times, which come back with the same type.

    Raises:
        InputError: a column holds something else, or misses values.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "samples.parquet"
        >>> write_columns(path, {"id": np.array(["a", "b"]), "speaker": np.array([4, 5])})
        >>> read_columns(path, rows=2)["speaker"].tolist()
        [4, 5]
    """
    import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
    import pyarrow.parquet as pq  # noqa: PLC0415

    with path.open("wb") as file:
        pq.write_table(pa.table({name: _column(name, column) for name, column in columns.items()}), file)
        file.flush()
        os.fsync(file.fileno())


def _column(name: str, column: NDArray[Any]) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    try:
        if column.dtype.kind in "US":
            # Offsets of 64 bits: transcripts may be more than two gigabytes.
            made = pa.array(column.astype(np.str_).tolist(), type=pa.large_string())
        elif column.dtype.kind == "O":
            text = all(isinstance(each, str) for each in column.tolist())
            made = pa.array(column.tolist(), type=pa.large_string() if text else None)
        else:
            made = pa.array(column.astype(column.dtype.newbyteorder("=")))
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"column {name!r} cannot be stored ({why}); give numbers or text", code="wrong_type"
        ) from error
    if pa.types.is_nested(made.type):
        raise InputError(
            f"column {name!r} cannot be stored (several values per sample); give numbers or text", code="wrong_type"
        )
    if made.null_count:
        raise InputError(f"column {name!r} has {made.null_count} missing values; give every sample one", code="missing")
    return made


def read_columns(path: Path, *, rows: int, text: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_columns` wrote.

    Args:
        path: of the file.
        rows: number of samples that it must hold.
        text: columns of long strings, which become Python objects rather than rows of one width.

    Raises:
        InputError: the file is damaged, or holds another number of rows.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file)
            table = parquet.read(use_threads=False) if parquet.metadata.num_rows == rows else pa.table({})
        found = {name: _values(table[name], object if name in text else np.str_) for name in table.column_names}
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path}: damaged ({why}); convert the data set again", code="damaged") from error

    if not found:
        raise InputError(f"{path}: not a table of {rows} samples; convert the data set again", code="damaged")
    return found


def _values(column: pa.ChunkedArray, words: Any) -> NDArray[Any]:
    import pyarrow as pa  # noqa: PLC0415

    if column.null_count:
        raise ValueError("missing values")
    if pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=words)
    if pa.types.is_temporal(column.type):
        return np.asarray(column.to_numpy())
    # Arrow's own way imports pandas where there is one, which takes longer than the rest.
    return np.array(column.to_pylist(), dtype=column.type.to_pandas_dtype())
