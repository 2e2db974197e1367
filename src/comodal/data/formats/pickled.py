"""One unpickling of a file for every reader that wants to look into it.

Each reader of pickles recognises its family by content, and a file of some gigabytes should be unpickled once for
all of them. What was unpickled last is kept until a reader takes it, or until another file is looked at.
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
    """What a pickle holds, for recognisers; ``None`` for anything that is no pickle or that was refused.

    It is shared, so it is not to be changed.

    Example:
        >>> peek(Path("nowhere.pkl")) is None
        True
    """
    return _look(path)[0]


def refusal(path: Path) -> InputError | None:
    """Why a pickle cannot be read: the error of a hostile or damaged one, ``None`` for any other file.

    Example:
        >>> refusal(Path("nowhere.pkl")) is None
        True
    """
    return _look(path)[1]


def take(path: Path) -> object:
    """What a pickle holds, for the reader that opens it; it is no longer kept here afterwards.

    Raises:
        InputError: it is no pickle, or it was refused.

    Example:
        >>> take(Path("nowhere.pkl"))
        Traceback (most recent call last):
        comodal.contracts.InputError: nowhere.pkl: not a pickle file; check the path or get the file again
    """
    content, error = _look(path)
    _attempt.cache_clear()
    if error is not None:
        raise InputError(str(error)) from error
    if content is None:
        raise InputError(f"{path}: not a pickle file; check the path or get the file again")
    return content


def memory_needed(path: Path) -> str:
    """What to expect of memory: a pickle has no parts that could be read one at a time.

    Example:
        >>> memory_needed(Path("nowhere.pkl"))
        'needs about 0 MB while it is read'
    """
    size = path.stat().st_size if path.is_file() else 0
    # The content, and the frames of one split without their padding while the next is cut.
    needed = (3 if _holds_texts(path) else 2) * size / 1e6
    amount = f"{needed / 1e3:.1f} GB" if needed > 1e3 else f"{needed:.0f} MB"
    return f"needs about {amount} while it is read"


def _holds_texts(path: Path) -> bool:
    """Whether a pickle is of protocol 0 to 2, in which an array is a text first, and in memory as both."""
    if not looks_like_pickle(path):
        return False
    with path.open("rb") as stream:
        return stream.read(2) < _BYTES


_BYTES = b"\x80\x03"
"""How a pickle of the first protocol that knows bytes begins; older ones begin with a smaller number or ASCII."""
