"""Atomic writes: a file is complete or absent, also after a crash."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["write_atomic", "write_text"]


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Write a temporary file, then rename it: a kill or a power cut leaves the old file or the new one.

    Args:
        path: the target; its folder is made if needed.
        write: function that writes the content to a given path.

    Raises:
        OSError: the folder cannot be written or the disk is full; the target is as it was.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "file"
        >>> write_atomic(target, lambda path: path.write_text("all of it"))
        >>> target.read_text()
        'all of it'
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
    """Write a text atomically, in UTF-8 and without changing its line ends.

    Raises:
        InputError: the folder cannot be written or the disk is full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "file"
        >>> write_text(target, "all of it")
        >>> target.read_text()
        'all of it'
    """
    try:
        write_atomic(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))
    except OSError as error:
        reason = error.strerror or error
        message = f"{path}: cannot be written ({reason}); free space or choose another folder"
        raise InputError(message, code="cannot_write") from error
