"""Ragged arrays whose frames stay in a ``.npy`` file until they are asked for."""

from __future__ import annotations

import os
import tokenize
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.texts import damage, damaged, reason_of
from comodal.data.ragged import RaggedArray, run_offsets

__all__ = ["FrameFile", "FrameWriter", "StoredArray"]

_FRAMES = np.dtype("<f4")
_REMEDY = "convert the data set again"


class FrameFile:
    """The frames ``(F, d)`` of a ``.npy`` file of float32, open for reading.

    Positional reads, not a memory map: pages of a map would count as memory of this process, and a file that is cut
    while it is in use would end the process. Threads and forked processes may share it.
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim
        if path.exists() and not path.is_file():  # a pipe would wait for a writer for ever
            raise damaged(path, "not a file", remedy=_REMEDY)
        with damage(path, "file of frames", SyntaxError, tokenize.TokenError, remedy=_REMEDY):
            self._file = path.open("rb", buffering=0)
            weakref.finalize(self, self._file.close)
            np.lib.format.read_magic(self._file)
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(self._file)
            self._start = self._file.tell()
            size = os.fstat(self._file.fileno()).st_size
        if (dtype, len(shape), shape[-1:], fortran) != (_FRAMES, 2, (dim,), False):
            raise damaged(path, f"{dtype} of shape {shape}, not frames of {dim} float32", remedy=_REMEDY)
        if size != self._start + shape[0] * dim * _FRAMES.itemsize:
            raise damaged(path, f"{size} bytes do not hold {shape[0]} frames", remedy=_REMEDY)
        self.frames: int = shape[0]

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the file again."""
        return FrameFile, (self.path, self.dim)

    def read(self, start: int, into: NDArray[np.float32]) -> None:
        """Fill ``(T, d)``, C-contiguous, with the frames from ``start`` on."""
        position, done = self._start + start * self.dim * _FRAMES.itemsize, 0
        buffer = into.data.cast("B") if into.size else memoryview(b"")
        try:
            while done < len(buffer):  # nearly always once, but a system may give less than it was asked for
                got = self._read(buffer[done:], position + done)
                if not got:
                    raise damaged(self.path, "was cut while it was in use", remedy=_REMEDY)
                done += got
        except OSError as error:
            problem = f"cannot be read ({reason_of(error)})"
            raise damaged(self.path, problem, remedy="check its disk", code="cannot_read") from error

    def _read(self, buffer: memoryview, position: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [buffer], position)
        self._file.seek(position)  # Windows, where no process is forked
        return self._file.readinto(buffer) or 0


class StoredArray(RaggedArray):
    """Some samples of a :class:`FrameFile`, whose frames are read when they are needed: ``(N,)`` starts and lengths."""

    file: FrameFile
    starts: NDArray[np.int64]

    def __init__(self, file: FrameFile, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        # The base is frozen, and has the values as a field.
        self.__dict__.update(file=file, starts=starts, offsets=run_offsets(lengths))

    @classmethod
    def open(cls, path: Path, dim: int, lengths: NDArray[np.int64]) -> StoredArray:
        """Return all samples of a file that :class:`FrameWriter` wrote."""
        file = FrameFile(path, dim)
        if (lengths < 0).any() or int(lengths.sum()) != file.frames:
            raise damaged(path, f"{file.frames} frames where {lengths.sum()} are expected", remedy=_REMEDY)
        return cls(file, run_offsets(lengths)[:-1], lengths)

    @property
    def values(self) -> NDArray[np.float32]:
        """``(F, d)`` all frames, read into memory at every call; :meth:`parts` and :meth:`take` read less."""
        return self.take(np.arange(len(self))).values

    @property
    def dim(self) -> int:
        """Features per frame, d."""
        return self.file.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the values."""
        return _FRAMES

    def copy_run(self, row: int, into: NDArray[Any]) -> None:
        """Read the frames of one sample into ``(T_i, d)``, C-contiguous."""
        self.file.read(int(self.starts[row]), into)

    def take(self, index: NDArray[np.int64]) -> RaggedArray:
        """Return the samples of ``index``, in its order, in memory."""
        starts, lengths = self.starts[index], self.lengths[index]
        offsets = run_offsets(lengths)
        values = np.empty((offsets[-1], self.dim), dtype=np.float32)
        # Samples that lie below each other in the file are read in one piece.
        firsts = np.flatnonzero(starts != np.append(-1, starts + lengths)[: len(starts)])
        ends = np.append(firsts[1:], len(starts))[: len(firsts)]
        for start, first, end in zip(starts[firsts].tolist(), offsets[firsts], offsets[ends], strict=True):
            self.file.read(start, values[first:end])
        return RaggedArray(values, offsets)

    def select(self, index: NDArray[np.int64]) -> StoredArray:
        """Return the samples of ``index``, in its order, on disk."""
        return StoredArray(self.file, self.starts[index], self.lengths[index])

    def parts(self, frames: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield all frames in order, a part at a time, each of some samples read into memory."""
        step = frames or self.part
        for rows in self.groups(np.arange(len(self)), step):
            values = self.take(rows).values
            yield from (values[start : start + step] for start in range(0, len(values), step))


class FrameWriter:
    """Write the frames of one feature set to a ``.npy`` file as they arrive."""

    def __init__(self, path: Path, dim: int) -> None:
        self.path, self.dim = path, dim
        self._file = path.open("w+b")
        self._frames = 0
        self._lengths = [np.zeros(0, dtype=np.int64)]
        self._header()
        self._start = self._file.tell()

    def _header(self) -> None:
        # NumPy leaves room for the number of rows to grow, so that the header can be written again in place.
        described = {"descr": _FRAMES.str, "fortran_order": False, "shape": (self._frames, self.dim)}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, described)
        self._file.seek(0, os.SEEK_END)
        self._file.flush()

    def __enter__(self) -> FrameWriter:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the file; a crash of the machine afterwards does not lose it."""
        self._header()
        os.fsync(self._file.fileno())
        self._file.close()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` frames of each sample so far."""
        return np.concatenate(self._lengths)

    def append(self, array: RaggedArray) -> None:
        """Write the samples of a block, of the same width."""
        for part in array.parts():
            self._file.write(np.ascontiguousarray(part, dtype=_FRAMES).data)
            self._frames += len(part)
        self._lengths.append(array.lengths)

    def overwrite(self, frame: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Write frames again: ``values`` is ``(n, d)``, one row for each position in ``frame``."""
        for position, row in zip(frame.tolist(), np.ascontiguousarray(values, dtype=_FRAMES), strict=True):
            self._file.seek(self._start + position * row.nbytes)
            self._file.write(row.data)
        self._file.flush()

    def array(self) -> StoredArray:
        """Return what was written so far, to read it."""
        self._header()
        return StoredArray.open(self.path, self.dim, self.lengths)
