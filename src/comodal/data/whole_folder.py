"""A folder is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["whole_folder"]


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside the target, which becomes the target when all went well and is removed otherwise.

    Two that make the same folder at once wait for each other, and the second finds the work done. What one that was
    killed has left is removed by the next; where the file system has no locks it stays, since it may be in use.

    Args:
        folder: the target; the folders above it are made when they are not there.

    Yields:
        An empty folder to fill.

    Raises:
        InputError: the target exists.
        OSError: it cannot be made.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "set"
        >>> with whole_folder(target) as partial:
        ...     _ = (partial / "file").write_text("all of it")
        ...     target.exists()
        False
        >>> [path.name for path in target.iterdir()]
        ['file']
    """
    _refuse(folder)  # at once, rather than after waiting for another
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, lock = _claim(folder)
    try:
        _refuse(folder)
        yield partial
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _refuse(folder: Path) -> None:
    if os.path.lexists(folder):
        raise InputError(f"{folder}: exists already; choose another folder, or remove it first")


def _claim(folder: Path) -> tuple[Path, int | None]:
    """A folder that is empty and nobody else's, and the lock that says so, which ends with the process."""
    partial = folder.with_name(f".{folder.name}.partial")
    while True:
        partial.mkdir(exist_ok=True)
        try:
            lock = _locked(partial)
        except FileNotFoundError:  # whoever had it has removed it meanwhile
            continue
        if lock is None:
            with contextlib.suppress(OSError):
                partial.rmdir()  # unless somebody else's, and then it holds something
            mine = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
            mine.mkdir()
            return mine, None
        if _is_at(lock, partial):
            _empty(partial)
            return partial, lock
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """Wait for the lock of a folder; ``None`` where the platform or the file system has none."""
    try:
        import fcntl  # noqa: PLC0415 - Windows lacks it
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        os.close(handle)
        return None
    except BaseException:  # interrupted while waiting
        os.close(handle)
        raise
    return handle


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open folder still has that name: whoever was waited for has renamed or removed it."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
