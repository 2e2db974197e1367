"""Read and write tables of columns as Parquet files, with facts in their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts.errors import Code, InputError

__all__ = ["read_columns", "require_one_length", "write_columns"]

_FACTS = b"comodal"

Columns = dict[str, np.ndarray[Any, Any]]


def require_one_length(columns: Mapping[str, np.ndarray[Any, Any]], *, kind: str) -> None:
    """Raise an error unless all columns of a table have one length."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"columns of {kind} differ in length: {lengths}", code="mismatch")


def write_columns(
    path: str | Path, columns: Mapping[str, np.ndarray[Any, Any]], facts: Mapping[str, Any] | None = None
) -> None:
    """Write columns of one length, ``(N,)`` or ``(N, K)``, and plain values that hold for all rows, as Parquet."""
    import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pa.table({name: _column(column) for name, column in columns.items()})
    if facts is not None:
        table = table.replace_schema_metadata({_FACTS: json.dumps(dict(facts))})
    pq.write_table(table, path)


def read_columns(path: str | Path, *, kind: str, needed: Iterable[str], command: str) -> tuple[Columns, dict[str, Any]]:
    """Return the columns of a Parquet file, in file order, and its facts."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(path)
        facts = json.loads((table.schema.metadata or {}).get(_FACTS, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        code: Code = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise InputError(f"{path}: not a readable {kind} ({error}); run `{command}` again", code=code) from error
    missing = sorted(set(needed) - set(table.column_names))
    if missing:
        raise InputError(f"{path}: {kind} lacks the columns {missing}; run `{command}` again", code="missing")
    return {name: _values(table[name]) for name in table.column_names}, facts


def _column(column: np.ndarray[Any, Any]) -> Any:
    """Return an array ``(N,)``, or ``(N, K)`` as lists of K."""
    import pyarrow as pa  # noqa: PLC0415

    if column.ndim == 1:
        return pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])


def _values(column: Any) -> np.ndarray[Any, Any]:
    import pyarrow as pa  # noqa: PLC0415

    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(column), column.type.list_size))
