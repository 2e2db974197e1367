"""A file in memory without its content being read: pages come when they are touched, and can be let go again."""

from __future__ import annotations

import mmap
from pathlib import Path

from comodal.contracts import InputError

__all__ = ["MappedFile"]


class MappedFile:
    """A mapping of a file.

    Args:
        path: a file that is not empty.
        access: ``mmap.ACCESS_READ``, or ``mmap.ACCESS_WRITE`` where what is written shall go to the file.

    Raises:
        InputError: it is not there, is empty, or cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "bytes"
        ...     _ = path.write_bytes(b"abc")
        ...     mapped = MappedFile(path)
        ...     bytes(mapped.buffer[1:2])
        b'b'
    """

    def __init__(self, path: Path, *, access: int = mmap.ACCESS_READ) -> None:
        try:
            with path.open("rb" if access == mmap.ACCESS_READ else "r+b") as file:
                self.buffer = mmap.mmap(file.fileno(), 0, access=access)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); convert the data set again") from error

    def release(self) -> None:
        """Let go of the pages that were touched: they are read again when needed, and until then take no memory."""
        if hasattr(self.buffer, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)
