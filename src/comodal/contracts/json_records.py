"""Convert contract dataclasses to and from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from comodal.contracts.errors import Code, InputError
from comodal.contracts.explanation import Attribution
from comodal.contracts.result_rows import ComparisonRow, RobustnessRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["from_records", "json_text", "read_json", "read_records"]

Kind = TypeVar("Kind")


def json_text(objects: Iterable[DataclassInstance]) -> str:
    """Return a JSON list with one object per dataclass instance, keys in the order of the fields."""
    try:
        return json.dumps([asdict(each) for each in objects], indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    except ValueError as error:
        raise InputError(f"a row holds NaN or infinity ({error}): a run has diverged", code="not_finite") from error


def from_records(kind: type[Kind], records: Iterable[Any], *, where: str) -> tuple[Kind, ...]:
    """Return one instance per record, with nested dataclasses and tuples restored."""
    make: Callable[..., Kind] = _MAKERS.get(kind, kind)
    made = []
    for number, record in enumerate(records, start=1):
        try:
            made.append(make(**record))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            message = f"entry {number} is not a {kind.__name__} ({error}); run the command that wrote it again"
            raise InputError(f"{where}: {message}", code="damaged") from error
    return tuple(made)


def read_records(path: Path, kind: type[Kind]) -> tuple[Kind, ...]:
    """Read a JSON file that :func:`json_text` wrote."""
    records = read_json(path)
    if not isinstance(records, list):
        message = f"{path}: not a list of {kind.__name__}; run the command that wrote it again"
        raise InputError(message, code="damaged")
    return from_records(kind, records, where=str(path))


def read_json(path: Path) -> Any:
    """Parse a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        code: Code = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        message = f"{path}: missing or damaged ({error}); run the command that wrote it again"
        raise InputError(message, code=code) from error


def _robustness_row(*, row: Mapping[str, Any], **other: Any) -> RobustnessRow:
    return RobustnessRow(row=ComparisonRow(**row), **other)


def _attribution(*, frames: list[float], words: list[str], features: list[list[Any]], **other: Any) -> Attribution:
    """Restore tuples, which JSON writes as lists."""
    numbered = tuple((int(number), float(value)) for number, value in features)
    return Attribution(frames=tuple(frames), words=tuple(words), features=numbered, **other)


_MAKERS: dict[type, Callable[..., Any]] = {Attribution: _attribution, RobustnessRow: _robustness_row}
