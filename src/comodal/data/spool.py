"""Frames that arrive a block at a time, kept on disk until all are there."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.mapped import MappedFile
from comodal.data.ragged import RaggedArray

__all__ = ["Spool"]


class Spool:
    """The frames of one feature set, appended to a file.

    Args:
        path: a file that is made.
        dim: features of a frame.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     spool = Spool(Path(folder) / "text", 2)
        ...     spool.append(RaggedArray.from_rows([np.ones((3, 2)), np.zeros((0, 2))]))
        ...     spool.array().lengths.tolist()
        [3, 0]
    """

    def __init__(self, path: Path, dim: int) -> None:
        self.path = path
        self.dim = dim
        self._lengths: list[NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        path.write_bytes(b"")

    def append(self, array: RaggedArray) -> None:
        """Add the utterances of a block.

        Raises:
            InputError: its frames have another number of features.
        """
        if array.dim != self.dim:
            raise InputError(f"frames of {array.dim} features among frames of {self.dim}; get the file again")
        with self.path.open("ab") as file:
            for part in array.parts():
                file.write(np.ascontiguousarray(part, dtype=np.float32).data)
        self._lengths.append(array.lengths)

    def array(self) -> RaggedArray:
        """All of it, mapped: what is written to its values is written to the file."""
        offsets = np.cumsum(np.concatenate(self._lengths), dtype=np.int64)
        if not offsets[-1]:  # an empty file cannot be mapped
            return RaggedArray(np.zeros((0, self.dim), dtype=np.float32), offsets)
        mapping = MappedFile(self.path, access=mmap.ACCESS_WRITE)
        values = np.frombuffer(mapping.buffer, dtype=np.float32).reshape(-1, self.dim)
        return RaggedArray(values, offsets, mapping)
