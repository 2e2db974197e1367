"""Nouns as JSON, and the plain values that JSON gives back as the nouns they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from comodal.contracts.errors import InputError
from comodal.contracts.explanation import Attribution, PairingScore
from comodal.contracts.robustness import RobustnessRow
from comodal.contracts.tables import ComparisonRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["attribution", "comparison_row", "json_text", "pairing_score", "read_records", "restored", "robustness_row"]

Record = Mapping[str, Any]
Noun = TypeVar("Noun")


def json_text(nouns: Iterable[DataclassInstance]) -> str:
    """A list of objects, one a noun, keys in the order of its fields; never NaN or infinity.

    Raises:
        InputError: one holds NaN or infinity.

    Example:
        >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
        >>> json.loads(json_text([row]))[0]["std"] is None
        True
    """
    try:
        return json.dumps([asdict(noun) for noun in nouns], indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    except ValueError as error:
        raise InputError(f"a row holds NaN or infinity ({error}): a run has diverged") from error


def restored(make: Callable[[Record], Noun], records: Iterable[Any], *, where: str) -> tuple[Noun, ...]:
    """Every record as what it was.

    Args:
        make: one of the functions below.
        records: objects of plain values.
        where: file they were read from, for the message.

    Raises:
        InputError: a record is none of that kind.

    Example:
        >>> restored(comparison_row, [{"fusion": "early"}], where="summary.json")
        Traceback (most recent call last):
        comodal.contracts.InputError: summary.json: entry 1 is no comparison row (...); run the command that ...
    """
    made = []
    for number, record in enumerate(records, start=1):
        try:
            made.append(make(record))
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(
                f"{where}: entry {number} is no {_kind(make)} ({error}); run the command that wrote it again"
            ) from error
    return tuple(made)


def read_records(path: Path, make: Callable[[Record], Noun]) -> tuple[Noun, ...]:
    """Every record of a JSON file that :func:`json_text` wrote.

    Raises:
        InputError: the file is missing or damaged, or a record is none of that kind.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "summary.json"
        >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
        >>> _ = path.write_text(json_text([row]))
        >>> read_records(path, comparison_row) == (row,)
        True
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _damaged(path, make, str(error.strerror)) from error
    except ValueError as error:
        raise _damaged(path, make, str(error)) from error
    if not isinstance(records, list):
        raise _damaged(path, make, f"a {type(records).__name__}")
    return restored(make, records, where=str(path))


def _damaged(path: Path, make: Callable[[Record], Any], reason: str) -> InputError:
    return InputError(f"{path}: no list of {_kind(make)}s ({reason}); run the command that wrote it again")


def _kind(make: Callable[[Record], Any]) -> str:
    return make.__name__.replace("_", " ")


def comparison_row(record: Record) -> ComparisonRow:
    """One row of a comparison.

    >>> from dataclasses import asdict
    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
    >>> comparison_row(asdict(row)) == row
    True
    """
    return ComparisonRow(**record)


def robustness_row(record: Record) -> RobustnessRow:
    """One row of a robustness table; its comparison row lies below ``row``.

    >>> from dataclasses import asdict
    >>> row = ComparisonRow("early", "none", 0.0, "mae", 0.8, None, None, None, None, None, 1, 0, 1.0)
    >>> there = RobustnessRow("curve", "noise:audio=0.5", "audio", "noise", 0.5, row)
    >>> robustness_row(asdict(there)) == there
    True
    """
    return RobustnessRow(**{**record, "row": comparison_row(record["row"])})


def attribution(record: Record) -> Attribution:
    """What moved one prediction; JSON has lists where this has tuples.

    >>> import json
    >>> from dataclasses import asdict
    >>> moved = Attribution("v_1", "text", 0.5, (0.2, 0.3), ("so", "good"), ((3, 0.4),))
    >>> attribution(json.loads(json.dumps(asdict(moved)))) == moved
    True
    """
    features = tuple((int(number), float(value)) for number, value in record["features"])
    listed = {"frames": tuple(record["frames"]), "words": tuple(record["words"]), "features": features}
    return Attribution(**{**record, **listed})


def pairing_score(record: Record) -> PairingScore:
    """How well a score finds broken pairs.

    >>> from dataclasses import asdict
    >>> found = PairingScore("critic", "broken pairs", "text", 0.9, 0.8, 0.95, 0.9, 0.8, 0.95, 10, 20)
    >>> pairing_score(asdict(found)) == found
    True
    """
    return PairingScore(**record)
