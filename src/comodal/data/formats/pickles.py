"""Load pickles of plain data: nothing that a file names is imported or called.

The standard library's unpickler does the work. A fixed list of names stands for functions of this package; every other
name is refused. Sizes that a file claims are compared with its length before memory is allocated, and so is the content
afterwards. A hostile file can still waste CPU time, or end the process by a dict key of thousands of nested tuples.

Readers recognise their family by content, so the content unpickled last is kept until a reader takes it or another file
is looked at.
"""

from __future__ import annotations

import mmap
import os
import pickle
import pickletools
import re
import struct
from collections.abc import Callable
from functools import lru_cache
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from comodal.contracts import InputError
from comodal.data.formats.pickle_arrays import ElementType, UnsafePickleError, array_from_buffer, empty_array, scalar
from comodal.data.formats.texts import damaged, one_line

__all__ = ["load_pickle", "looks_like_pickle", "memory_needed", "peek", "refusal", "take"]

_FACTOR = 128
_FREE = 64 << 20
_DEEPEST = 64
_CONVERT = "unpickle it where you trust it and save its arrays, dicts and lists (or .npz), then give that file"
_BROKEN = (
    *(pickle.UnpicklingError, ValueError, TypeError, LookupError, AttributeError, EOFError, OverflowError),
    *(struct.error, MemoryError, RecursionError),
)
_START = re.compile(rb"[\]})][^\s\w]|[\]})][a-zN]|\([(IFLSVNKMJGTUXcdlt\]})]|c[\w.]+\n\w+\n")
_ARGUMENTS = {ord(op.code): op.arg.n if op.arg else 0 for op in pickletools.opcodes}
"""Instruction to the bytes of its argument; negative where the file holds their number."""
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_TWO_LINES = frozenset(pickle.GLOBAL + pickle.INST)
_EXTENSIONS = frozenset(pickle.EXT1 + pickle.EXT2 + pickle.EXT4)
_CLAIMS = frozenset(pickle.LONG_BINPUT + pickle.FRAME)
_PUT, _FRAME, _STOP = pickle.PUT[0], pickle.FRAME[0], pickle.STOP[0]
_LIGHT = frozenset({float, int, bool, type(None)})


def looks_like_pickle(path: Path) -> bool:
    """Whether a path is a file that begins as a pickle of data does; false, never an error, for anything else."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(64)
            if head[:1] == pickle.PROTO:
                return len(head) > 2 and head[1] <= pickle.HIGHEST_PROTOCOL and head[2] in _ARGUMENTS
            stream.seek(-1, os.SEEK_END)
            return bool(_START.match(head)) and stream.read(1) == pickle.STOP
    except (OSError, ValueError):
        return False


def load_pickle(path: Path) -> object:
    """Return the content of a pickle of containers, text, numbers and NumPy arrays of them.

    Protocols 0 to 5, of Python 2 and 3 and of old and new NumPy. Strings of Python 2 become bytes, ordered and default
    dicts plain ones.
    """
    if not path.is_file():
        raise damaged(path, "not a file" if path.exists() else "no such file", remedy="give a pickle", code="missing")
    try:
        with path.open("rb") as stream:
            return _load(stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        problem = f"not readable ({error.strerror or error})"
        raise damaged(path, problem, remedy="check the file", code="cannot_read") from error
    except UnsafePickleError as error:
        raise damaged(path, f"refused: {one_line(error)}", remedy=_CONVERT, code="unsafe") from error
    except _BROKEN as error:
        own = isinstance(error, ValueError | pickle.UnpicklingError)
        reason = one_line(error if own else type(error).__name__, longest=150)
        raise damaged(path, f"damaged pickle ({reason})") from error


def _load(stream: BufferedReader, size: int) -> object:
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _check_instructions(data, size)
    unpickler = _Unpickler(stream, size)
    content = unpickler.load()
    unpickler.spend(_weight(content, {}))
    return content


def _check_instructions(data: mmap.mmap, size: int) -> None:
    """Refuse arguments that reach beyond the file, memo numbers beyond its length, and bytes after the end.

    The standard library allocates what such a number claims before it looks whether the bytes are there.
    """
    at, code = 0, -1
    while code != _STOP:
        code = data[at]
        at += 1
        count = _ARGUMENTS[code]
        if count >= 0:
            claimed = int.from_bytes(data[at : at + count], "little") if code in _CLAIMS else 0
            at += count
            if claimed > (size - at if code == _FRAME else size):
                raise ValueError(f"{claimed} claimed at byte {at} of {size}")
            if code in _EXTENSIONS:
                raise UnsafePickleError("it refers to a registered extension")
        elif count != pickletools.UP_TO_NEWLINE:
            width = _LENGTHS[count]
            at += width + int.from_bytes(data[at : at + width], "little")
        else:
            for _ in range(2 if code in _TWO_LINES else 1):
                begin, at = at, data.find(b"\n", at) + 1
                if not at or (code == _PUT and int(data[begin : min(at, begin + 40)]) > size):
                    raise ValueError(f"a line without end, or a number beyond the file, at byte {begin}")
    if at != size:
        raise ValueError(f"it ends at byte {at} of {size}")


class _Callable:
    """Stand-in for a name of a pickle, which the pickle can call and nothing else."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise UnsafePickleError("it sets attributes of a function")


class _Unpickler(pickle.Unpickler):
    """The standard library's unpickler, with a fixed list of names and a limit of memory."""

    def __init__(self, stream: BufferedReader, size: int) -> None:
        super().__init__(stream, encoding="bytes")
        self._left = float(_FACTOR * size + _FREE)
        self._known = {name: _Callable(make) for name, make in self._names().items()}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a name."""
        found = f"{module}.{name}"
        known = found.replace("numpy._core.", "numpy.core.", 1).replace("__builtin__.", "builtins.", 1)
        if known not in self._known:
            raise UnsafePickleError(f"it refers to {found!r}")
        return self._known[known]

    def persistent_load(self, _key: object) -> Any:
        """Refuse an object that is stored outside the pickle."""
        raise UnsafePickleError("it refers to an object outside the file")

    def spend(self, count: float) -> None:
        """Note that so many bytes are taken."""
        self._left -= count
        if self._left < 0:
            raise ValueError("it unpacks to over a hundred times its size")

    def _names(self) -> dict[str, Callable[..., Any]]:
        def refused(*_: object) -> None:
            raise UnsafePickleError("it calls a type")

        types = ("list", "dict", "tuple", "str", "int", "float", "bool", "unicode", "long")
        return {
            **{f"builtins.{name}": refused for name in types},
            "numpy.ndarray": refused,
            "builtins.set": lambda items=(): set(self._listed(items)),
            "builtins.frozenset": lambda items=(): frozenset(self._listed(items)),
            "builtins.bytes": lambda: b"",
            "builtins.bytearray": lambda data=b"", *encoding: bytearray(self._encode(data, *encoding)),
            "builtins.complex": lambda real, imaginary: complex(float(real), float(imaginary)),
            "collections.OrderedDict": lambda pairs=(): dict(self._listed(pairs)),
            "collections.defaultdict": lambda _factory=None: {},
            "_codecs.encode": self._encode,
            "numpy.dtype": ElementType,
            "numpy.core.multiarray.scalar": scalar,
            "numpy.core.multiarray._reconstruct": empty_array,
            "numpy.core.numeric._frombuffer": array_from_buffer,
        }

    def _listed(self, items: Any) -> Any:
        if type(items) not in (list, tuple):
            raise ValueError("a container made of something other than a list")
        self.spend(64 * len(items))
        return items

    def _encode(self, data: Any, encoding: str = "latin1") -> bytes:
        if type(data) not in (str, bytes) or encoding not in ("latin1", "latin-1"):
            raise UnsafePickleError("it encodes text by another name than latin1")
        self.spend(len(data))
        return data.encode("latin-1") if isinstance(data, str) else bytes(data)


def _weight(value: Any, known: dict[int, float], depth: int = 0) -> float:
    """Return the bytes that a value would take if nothing in it were shared; infinite for one that contains itself."""
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    objects = isinstance(value, np.ndarray) and value.dtype.hasobject
    if not objects and not isinstance(value, list | tuple | dict | set | frozenset):
        return float(getattr(value, "nbytes", 32))
    if id(value) in known:
        return known[id(value)]
    if depth > _DEEPEST:
        raise ValueError(f"containers nest more than {_DEEPEST} deep")
    known[id(value)] = float("inf")
    items = chain(value, value.values()) if isinstance(value, dict) else value.ravel().tolist() if objects else value
    weight = 64.0
    for item in items:
        weight += 8 if type(item) in _LIGHT else 8 + _weight(item, known, depth + 1)
    known[id(value)] = weight
    return weight


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
