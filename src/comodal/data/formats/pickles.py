"""Pickles, read without running anything that they ask for."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.formats.pickle_machine import Machine, is_instruction
from comodal.data.formats.pickle_reader import PickleRefused

__all__ = ["load_pickle", "looks_like_pickle", "refusals"]

_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError, struct.error)
_CONVERT = (
    "unpickle it where you trust it and save what it holds as arrays, dicts and lists (or .npz), then give that file"
)
_START = re.compile(rb"[\]})][^\s\w]|[\]})][a-zN]|\([(IFLSVNKMJGTUXcdlt\]})]|c[\w.]+\n\w+\n")
_ARCHIVE = b"PK\x03\x04"


def looks_like_pickle(path: Path) -> bool:
    """Whether a path is a file that begins as a pickle of data does; false, never an error, for anything else."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(64)
            if head[:1] == b"\x80":
                return len(head) >= 2 and head[1] <= 5 and is_instruction(head[2:3])
            stream.seek(-1, os.SEEK_END)
            return bool(_START.match(head)) and stream.read(1) == b"."
    except (OSError, ValueError):
        return False


def load_pickle(path: Path) -> object:
    """What a pickle holds, for pickles of plain data: containers, text, numbers and NumPy arrays of them.

    Protocols 0 to 5, of Python 2 and 3 and of old and new NumPy. Strings of Python 2 become ``str``, by UTF-8 where
    they are, else by Latin-1; bytes of Python 3 stay bytes.

    Nothing that the file names is imported or called, and a file cannot claim more than about a hundred times its own
    size: not by a shape, not by a declared length, not by repeating what it holds.

    Args:
        path: a file.

    Returns:
        The object.

    Raises:
        InputError: no such file, damaged, not plain data (the name that it refers to is given), or too deep.

    Example:
        >>> import pickle, tempfile
        >>> import numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "data.pkl"
        ...     _ = file.write_bytes(pickle.dumps({"train": {"audio": np.zeros((2, 3))}}))
        ...     load_pickle(file)["train"]["audio"].shape
        (2, 3)
    """
    try:
        if not path.is_file():
            missing = "not a file" if path.exists() else "no such file"
            raise InputError(f"{path}: {missing}; give a pickle")
        with path.open("rb") as stream:
            return _loaded(stream, path)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror or error}); check the file") from error


def _loaded(stream: BufferedReader, path: Path) -> object:
    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise InputError(f"{path}: is empty; get the file again")
    if stream.read(len(_ARCHIVE)) == _ARCHIVE:
        raise InputError(f"{path}: is a zip archive (a torch file or .npz?), not a pickle; give a pickle")
    stream.seek(0)
    with refusals(path, size):
        return Machine(stream, size).run()


@contextmanager
def refusals(path: Path, size: int) -> Iterator[None]:
    """Whatever a machine says against a file, in one line that names it and the remedy.

    Args:
        path: the file.
        size: its bytes.

    Raises:
        InputError: instead of the error within.
    """
    try:
        yield
    except PickleRefused as error:
        if error.trusted:
            raise InputError(f"{path}: refused before running anything of it: {error}; {_CONVERT}") from error
        raise InputError(f"{path}: not a sound pickle: it {error}; get the file again") from error
    except _BROKEN as error:
        raise InputError(f"{path}: not a sound pickle ({type(error).__name__}); get the file again") from error
    except MemoryError as error:
        needed = f"{size / 1e9:.1f} GB and more"
        raise InputError(f"{path}: memory is short: it takes {needed}; use a machine with more") from error
