"""Text from the values of a file, one string per sample, and text on them: one-line errors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.contracts.errors import Code

__all__ = [
    "as_text",
    "column",
    "damage",
    "damaged",
    "listing",
    "one_line",
    "reason_of",
    "require_characters",
    "transcripts",
]

_MOST_BYTES = 2**30
_LONGEST_LINE = 300
_RAISED = (
    *(OSError, LookupError, ArithmeticError, ValueError, TypeError, AttributeError, RuntimeError, EOFError),
    *(MemoryError, SystemError),
)


def damaged(where: object, problem: str, *, remedy: str = "get the file again", code: Code = "damaged") -> InputError:
    """Return the error for a file: where, what is wrong, what to do."""
    return InputError(f"{where}: {problem}; {remedy}", code=code)


def as_text(raw: object) -> str:
    """Return a string for a string, bytes (UTF-8, else Latin-1) or a number; ``None`` and NaN are empty.

    Half a character becomes U+FFFD. Anything else becomes the name of its type, since a list may print as gigabytes.
    """
    if raw is None or (isinstance(raw, float | np.floating) and np.isnan(raw)):
        return ""
    if isinstance(raw, bytes):
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    if isinstance(raw, int) and raw.bit_length() > 64:
        return hex(raw)
    if isinstance(raw, str):
        return raw if raw.isascii() else raw.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(raw) if isinstance(raw, int | float | np.generic) else f"<{type(raw).__name__}>"


def listing(names: Iterable[str]) -> str:
    r"""Return names in one short line, for errors and facts."""
    return one_line(", ".join(sorted(name.strip() for name in names))) or "none"


def one_line(said: object, *, longest: int = _LONGEST_LINE) -> str:
    """Return a text, such as the error of a library or a name in a file, as part of a line that can be printed."""
    line = " ".join(str(said).split())
    line = f"{line[:longest]}..." if len(line) > longest else line
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def reason_of(error: Exception) -> str:
    """Return what a library says of an error, in one line; its kind where it says nothing."""
    return one_line(error, longest=200) or type(error).__name__


@contextmanager
def damage(where: object, what: str, *own: type[Exception], remedy: str = "get the file again") -> Iterator[None]:
    """Turn what a library raises on damaged files, errors of its own and Python's, into one error."""
    try:
        yield
    except InputError:
        raise
    except _RAISED + own as error:
        raise damaged(where, f"a damaged {what} ({reason_of(error)})", remedy=remedy) from error


def column(texts: Sequence[str], *, where: str) -> NDArray[np.str_]:
    """Return an array of strings, each of which takes as much memory as the longest."""
    longest = max(map(len, texts), default=0)
    if 4 * longest * len(texts) > _MOST_BYTES:
        first = max(range(len(texts)), key=lambda row: len(texts[row]))
        problem = f"the text of sample {first} has {longest} characters"
        raise damaged(where, problem, remedy="shorten it", code="too_large")
    return np.array(texts, dtype=np.str_) if texts else np.array([], dtype="U1")


def require_characters(array: NDArray[Any]) -> None:
    """Check that an array of text holds characters: NumPy holds any number, and fails where the text is asked for."""
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        codes = np.ascontiguousarray(array).view(np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if codes.max() > sys.maxunicode or ((codes >= 0xD800) & (codes < 0xE000)).any():
            raise ValueError("text with characters that do not exist")


def transcripts(raw: Any, *, where: str) -> tuple[NDArray[np.str_], dict[str, int]]:
    """Return the words ``(N,)`` of N strings, bytes or ``None``, separated by single spaces, and what was changed."""
    rows = raw.tolist() if isinstance(raw, np.ndarray) and raw.ndim <= 2 else raw
    if isinstance(rows, list | tuple):
        rows = [row[0] if isinstance(row, list | tuple) and len(row) == 1 else row for row in rows]
    if not isinstance(rows, list | tuple) or not all(isinstance(row, str | bytes | None) for row in rows):
        raise damaged(where, "transcripts are not strings", remedy="give one string per sample", code="wrong_type")
    given = [as_text(row) for row in rows]
    words = [" ".join(text.split()) for text in given]
    changed = sum(a != b for a, b in zip(given, words, strict=True))
    said = "white space in transcripts was brought to single spaces"
    return column(words, where=where), {said: changed} if changed else {}
