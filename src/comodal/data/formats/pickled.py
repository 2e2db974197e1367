"""Unpickle a file once for all readers that look into it.

Readers recognise their family by content. The content unpickled last is kept until a reader takes it or another file is
looked at.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats.pickles import load_pickle, looks_like_pickle

__all__ = ["memory_needed", "peek", "refusal", "take"]


@lru_cache(maxsize=1)
def _attempt(path: Path, modified: int, size: int) -> tuple[object, InputError | None]:  # noqa: ARG001 - both are key
    try:
        return load_pickle(path), None
    except InputError as error:
        return None, error


def _look(path: Path) -> tuple[object, InputError | None]:
    try:
        # A pipe would wait for a writer for ever, so it is not opened.
        if not path.is_file() or not looks_like_pickle(path):
            return None, None
        state = path.stat()
    except OSError:
        return None, None
    return _attempt(path, state.st_mtime_ns, state.st_size)


def peek(path: Path) -> object | None:
    """Return the content of a pickle, shared and not to be changed; ``None`` where there is none or it was refused."""
    return _look(path)[0]


def refusal(path: Path) -> InputError | None:
    """Return the error of a hostile or damaged pickle, ``None`` for any other file."""
    return _look(path)[1]


def take(path: Path) -> object:
    """Return the content of a pickle and keep it no longer."""
    content, error = _look(path)
    _attempt.cache_clear()
    if error is not None:
        raise InputError(str(error), code=error.code) from error
    if content is None:
        raise InputError(f"{path}: not a pickle file; check the path or get the file again", code="damaged")
    return content


def memory_needed(path: Path) -> str:
    """Return how much memory reading takes, as text: a pickle has no parts that could be read one at a time."""
    # The content, and the frames of one split without their padding while the next is cut.
    needed = 2 * (path.stat().st_size if path.is_file() else 0) / 1e6
    amount = f"{needed / 1e3:.1f} GB" if needed > 1e3 else f"{needed:.0f} MB"
    return f"needs about {amount} while it is read"
