"""A folder that appears complete or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["atomic_folder"]

_ABANDONED = 86400.0
"""Seconds without a write after which an unfinished folder is taken to be of a process that was killed."""


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Fill a temporary folder beside the target; it is renamed to the target on success and removed otherwise.

    Of several processes that make the same folder at once, the first to finish wins; the others are refused.

    Args:
        folder: the target; the folders above it are made when they are missing.

    Yields:
        An empty folder to fill.

    Raises:
        InputError: the target exists.
        OSError: it cannot be made.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "set"
        >>> with atomic_folder(target) as partial:
        ...     _ = (partial / "file").write_text("all of it")
        ...     target.exists()
        False
        >>> [path.name for path in target.iterdir()]
        ['file']
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
