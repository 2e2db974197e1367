"""A file in memory without its content being read: pages come when they are touched, and can be let go again."""

from __future__ import annotations

import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError

__all__ = ["MappedFile"]


class MappedFile:
    """A mapping of a file.

    What is wanted once, such as the frames of a batch, is better read than taken from the map: half the time, no pages
    to let go, and a file that was cut meanwhile is an error rather than the end of the process.

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
        self.path = path
        if path.exists() and not path.is_file():  # a pipe would wait for a writer for ever
            raise InputError(f"{path}: cannot be read (not a file); convert the data set again")
        try:
            with path.open("rb" if access == mmap.ACCESS_READ else "r+b") as file:
                self.buffer = mmap.mmap(file.fileno(), 0, access=access)
                self._descriptor = os.dup(file.fileno())
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); convert the data set again") from error
        weakref.finalize(self, os.close, self._descriptor)

    def release(self) -> None:
        """Let go of the pages that were touched: they are read again when needed, and until then take no memory."""
        if hasattr(self.buffer, "madvise") and hasattr(mmap, "MADV_DONTNEED"):
            self.buffer.madvise(mmap.MADV_DONTNEED)

    def position(self, array: NDArray[Any]) -> int:
        """Byte of the file at which an array begins that lies in the map."""
        return int(array.ctypes.data - np.frombuffer(self.buffer, dtype=np.uint8).ctypes.data)

    def expect(self, starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        """Say what will be read next: a disk then fetches all of it at once, twice as fast as one piece after another.

        Args:
            starts: bytes of the file.
            sizes: bytes from each of them on.
        """
        if hasattr(os, "posix_fadvise"):
            for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
                if size:  # 0 would mean all the rest
                    os.posix_fadvise(self._descriptor, start, size, os.POSIX_FADV_WILLNEED)

    def read(self, start: int, into: NDArray[Any]) -> None:
        """Fill an array with what the file holds from byte ``start`` on; threads and forked processes may do so too.

        Args:
            start: byte of the file.
            into: C-contiguous.

        Raises:
            InputError: the file was cut since it was mapped, or its disk fails.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     path = Path(folder) / "bytes"
            ...     _ = path.write_bytes(bytes(range(9)))
            ...     found = np.empty(3, dtype=np.uint8)
            ...     MappedFile(path).read(5, found)
            >>> found.tolist()
            [5, 6, 7]
        """
        if not hasattr(os, "preadv"):  # Windows
            into[...] = np.frombuffer(self.buffer, into.dtype, count=into.size, offset=start).reshape(into.shape)
            return
        done = 0
        try:
            # Nearly always once, but a system may give less than it was asked for.
            while done < into.nbytes:
                rest = into.data.cast("B")[done:]
                got = os.preadv(self._descriptor, [rest], start + done)
                if not got:
                    raise InputError(f"{self.path}: was cut while it was in use; convert the data set again")
                done += got
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror or error}); check its disk") from error
