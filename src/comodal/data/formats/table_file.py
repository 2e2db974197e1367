"""Read a CSV or Parquet table of samples, by its first bytes, as columns of text or numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.texts import column, damage, damaged, reason_of

__all__ = ["Table", "guessed", "header", "is_number", "numbers", "numbers_in", "read_table"]

_PARQUET, _PARQUET_FILE = b"PAR1", "Parquet file"
_HEAD = 65536
_MOST_CELLS = 20_000_000
_MOST_TEXT = 2**30
_MOST_BYTES = 4 * 2**30
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.ASCII)
_NAME = re.compile(r"[+-]?0\d", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


@dataclass(frozen=True)
class Table:
    """The columns of a table by name, in lower case, ``(N,)`` text or numbers; a CSV holds text alone.

    A missing text is empty, a missing number NaN. ``lines`` is where each row stands in the file, such as ``"line 7"``;
    columns are left out that are neither text nor numbers, or have no name.
    """

    path: Path
    columns: Mapping[str, NDArray[Any]]
    lines: Sequence[str] = field(repr=False)
    left_out: tuple[str, ...] = ()

    def at(self, name: str, row: int | None = None) -> str:
        """Return the place of a column, or of its cell in a row, for errors."""
        return f"{self.path}{'' if row is None else f': {self.lines[row]}'}, column {name!r}"


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(4) == _PARQUET


def header(path: Path) -> list[str]:
    """Return the names of the columns, in lower case; empty, never an error, for anything that is not a table.

    Names separated by semicolons or tabs are found too, so that reading the table can report the separator.
    """
    try:
        if _is_parquet(path):
            import pyarrow as pa  # noqa: PLC0415 - keeps `import comodal` light
            import pyarrow.parquet as pq  # noqa: PLC0415

            with damage(path, _PARQUET_FILE, pa.ArrowException):
                return [_clean(name) for name in pq.read_schema(path).names]
        with path.open("rb") as handle:
            first = handle.read(_HEAD).decode("utf-8-sig", "ignore").partition("\n")[0]
        return [] if "\0" in first else [_clean(name.strip(' \r"')) for name in re.split("[,;\t]", first)]
    except (OSError, ValueError):  # an InputError is a ValueError
        return []


def read_table(path: Path) -> Table:
    """Read Parquet, or CSV in UTF-8 with commas and a header (quotes, newlines in them, a byte order mark are fine)."""
    try:
        table = _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    except OSError as error:
        problem = f"not a readable file ({reason_of(error)})"
        raise damaged(path, problem, remedy="check the path and its rights", code="cannot_read") from error
    if not table.lines:
        raise damaged(path, "holds no sample", remedy="write one row each, below a header", code="empty")
    return table


def numbers(texts: Sequence[str]) -> tuple[NDArray[np.float64], int | None]:
    """Return numbers from texts, NaN for a missing one; and the position of the first text that is not a number."""
    values = np.full(len(texts), np.nan)
    for i, text in enumerate(texts):
        stripped = text.strip().lower()
        if _NUMBER.fullmatch(stripped):
            values[i] = float(stripped)
        elif stripped not in _MISSING:
            return values, i
    return values, None


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    return _NUMBER.fullmatch(text.strip().lower()) is not None


def numbers_in(table: Table, name: str) -> NDArray[Any]:
    """Return a column of numbers; a text that is none is an error."""
    cells = table.columns[name]
    if cells.dtype.kind != "U":
        return cells
    values, stranger = numbers(cells.tolist())
    if stranger is not None:
        problem = f"{str(cells[stranger])[:40]!r} is not a number"
        remedy = "write numbers with a decimal point, and nothing where it is unknown"
        raise damaged(table.at(name, stranger), problem, remedy=remedy, code="wrong_type")
    return values


def guessed(cells: NDArray[Any]) -> NDArray[Any]:
    """Return a column of text as numbers where every cell is one; with leading zeros, as in 0012, it is a name."""
    if cells.dtype.kind != "U":
        return cells
    texts = [text.strip() for text in cells.tolist()]
    if not any(texts) or any(_NAME.match(text) for text in texts):
        return cells
    if all(_WHOLE.fullmatch(text) for text in texts):
        return np.array([int(text) for text in texts], dtype=np.int64)
    values, stranger = numbers(texts)
    return values if stranger is None else cells


def _clean(name: str) -> str:
    return name.strip().lower()


def _named(path: Path, names: Sequence[str]) -> list[str]:
    cleaned = [_clean(name) for name in names]
    for name in cleaned:
        if name and cleaned.count(name) > 1:
            raise damaged(path, f"two columns are called {name!r}", remedy="rename one", code="duplicate")
    return cleaned


def _text_column(path: Path, name: str, texts: Sequence[str], lines: Sequence[str]) -> NDArray[np.str_]:
    for text, line in zip(texts, lines, strict=True):
        if "\0" in text:
            raise damaged(path, f"{line}, column {name!r}: a zero character", remedy="write the table again in UTF-8")
    return column(texts, where=f"{path}, column {name!r}")


def _read_csv(path: Path) -> Table:
    names, rows, lines = _csv_rows(path)
    texts = {name: [row[k] for row in rows] for k, name in enumerate(names) if name}
    columns = {name: _text_column(path, name, cells, lines) for name, cells in texts.items()}
    return Table(path, columns, lines, ("a column without a name",) if "" in names else ())


def _csv_rows(path: Path) -> tuple[list[str], list[list[str]], list[str]]:
    lines, rows = [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            names = _named(path, next(reader, []))
            _check_separator(path, names)
            begin = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(names):
                    problem = f"{len(row)} cells where the header names {len(names)} columns"
                    remedy = "put texts with commas in double quotes"
                    raise damaged(f"{path}: line {begin}", problem, remedy=remedy, code="wrong_shape")
                if row:
                    rows.append(row)
                    lines.append(f"line {begin}")
                begin = reader.line_num + 1
    except UnicodeDecodeError as error:
        remedy = "save the table as CSV in UTF-8"
        raise damaged(path, f"not text in UTF-8 ({reason_of(error)})", remedy=remedy, code="wrong_type") from error
    except csv.Error as error:
        where = f"{path}: line {reader.line_num}"
        raise damaged(where, reason_of(error), remedy="write the table again as CSV") from error
    return names, rows, lines


def _check_separator(path: Path, names: Sequence[str]) -> None:
    if not any(names):
        remedy = "write a table with the columns id and label"
        raise damaged(path, "an empty file or header", remedy=remedy, code="empty")
    for separator, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise damaged(path, f"cells are separated by {word}", remedy="save it with commas", code="wrong_type")


def _read_parquet(path: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with damage(path, _PARQUET_FILE, pa.ArrowException), path.open("rb") as handle:
        file = pq.ParquetFile(handle)
        schema, rows = file.schema_arrow, file.metadata.num_rows
        groups = [file.metadata.row_group(k).total_byte_size for k in range(file.metadata.num_row_groups)]
        if rows * len(schema) > _MOST_CELLS or sum(groups) > _MOST_BYTES:
            problem = f"claims {rows} rows, more than a table of samples has"
            raise damaged(path, problem, remedy="write it again", code="too_large")
        names = _named(path, schema.names)
        # As dictionaries: a text that is repeated a million times is held once until its length is known.
        texts = [each.name for each in schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]
        table = pq.read_table(handle, read_dictionary=texts, use_threads=False)
        table.validate(full=True)
        lines = [f"row {k + 1}" for k in range(table.num_rows)]
        columns, left_out = {}, []
        for name, array in zip(names, table.columns, strict=True):
            unnamed = not name or name.startswith("__index_level_")
            found = None if unnamed else _arrow_column(path, name, array, lines)
            if found is None:
                left_out.append(f"{name or 'a column without a name'} ({array.type})")
            else:
                columns[name] = found
    return Table(path, columns, lines, tuple(left_out))


def _arrow_column(path: Path, name: str, array: Any, lines: Sequence[str]) -> NDArray[Any] | None:
    """Return text or numbers; ``None`` for anything else, such as lists or times."""
    from pyarrow import types  # noqa: PLC0415

    held_once = types.is_dictionary(array.type)
    kind = array.type.value_type if held_once else array.type
    if types.is_string(kind) or types.is_large_string(kind):
        words = [word for chunk in array.chunks for word in chunk.dictionary.to_pylist()] if held_once else []
        if 4 * len(lines) * max((len(word) for word in words if word), default=0) > _MOST_TEXT:
            problem = f"column {name!r} holds texts too long for {len(lines)} rows"
            raise damaged(path, problem, remedy="shorten them", code="too_large")
        return _text_column(path, name, [text or "" for text in array.to_pylist()], lines)
    if types.is_null(kind):
        return np.full(len(lines), np.nan)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        return None
    values = array.to_pylist()
    if None in values:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values)
