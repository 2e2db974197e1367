"""Atomic writes: a file or folder is complete or absent, also after a crash."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["atomic_folder", "write_atomic", "write_text"]

_ABANDONED = 86400.0
"""Seconds without a write after which an unfinished folder is taken to be of a process that was killed."""


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file, then rename it: a kill or a power cut leaves the old file or the new one.

    ``write`` writes the content to the path it is given; the folder is made if needed. An ``OSError`` leaves the target
    as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())  # or a power cut could leave the new name on an empty file
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text atomically, in UTF-8 and without changing its line ends; refuse a place that cannot be written."""
    try:
        write_atomic(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))
    except OSError as error:
        reason = error.strerror or error
        message = f"{path}: cannot be written ({reason}); free space or choose another folder"
        raise InputError(message, code="cannot_write") from error


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Fill a temporary folder beside the target; it is renamed to the target on success and removed otherwise.

    Of several processes that make the same folder at once, the first to finish wins; the others are refused, as is a
    target that exists. The folders above it are made when they are missing.
    """
    _refuse(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}.*.partial"):
        if time.time() - _last_write(left) > _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
        _refuse(folder)
        partial.rename(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            _refuse(folder)  # another process was faster
        raise


def _refuse(folder: Path) -> None:
    if os.path.lexists(folder):
        raise InputError(f"{folder}: exists already; choose another folder, or remove it first", code="exists")


def _last_write(folder: Path) -> float:
    times = [path.lstat().st_mtime for path in (folder, *folder.rglob("*")) if os.path.lexists(path)]
    return max(times, default=time.time())
