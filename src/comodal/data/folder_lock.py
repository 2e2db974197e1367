"""One process at a time in a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["folder_lock"]

_NAME = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder; whoever wants it meanwhile says so in the log, and waits.

    The lock is on a hidden file in the folder. It ends with the process that holds it, however that ends.

    Args:
        folder: one that is there.

    Raises:
        InputError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with folder_lock(Path(tempfile.mkdtemp())):
        ...     pass
    """
    import filelock  # noqa: PLC0415 - keeps `import comodal` light

    lock = filelock.FileLock(folder / _NAME)
    try:
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            logging.getLogger(__name__).warning("%s: another process works in this folder; waiting for it", folder)
            lock.acquire()
    except OSError as error:
        raise InputError(f"{folder}: not a folder to write to ({error.strerror}); choose another") from error
    try:
        yield
    finally:
        lock.release()
