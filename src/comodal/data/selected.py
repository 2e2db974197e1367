"""Some utterances of a mapped array, left where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.ragged import RaggedArray, run_offsets

__all__ = ["SelectedArray", "select"]


def select(array: RaggedArray, rows: NDArray[np.int64]) -> RaggedArray:
    """The utterances of ``rows``, in its order: on disk where the array is mapped, else in memory.

    Example:
        >>> array = RaggedArray.from_rows([np.ones((2, 3)), np.zeros((0, 3)), np.ones((1, 3))])
        >>> select(array, np.array([2, 0])).lengths.tolist()
        [1, 2]
    """
    if isinstance(array, SelectedArray):
        return SelectedArray(array.whole, array.rows[rows])
    return array.take(rows) if array.mapping is None else SelectedArray(array, rows)


class SelectedArray(RaggedArray):
    """Some utterances of a mapped array, which behave as an array of their own and are read when they are needed.

    Args:
        whole: an array that lies in a file.
        rows: ``(N,)`` numbers of its utterances.
    """

    whole: RaggedArray
    rows: NDArray[np.int64]

    def __init__(self, whole: RaggedArray, rows: NDArray[np.int64]) -> None:
        _, lengths = whole.runs(rows)
        offsets = run_offsets(lengths)
        # The base is frozen, and has the values as a field.
        self.__dict__.update(whole=whole, rows=rows, offsets=offsets, mapping=whole.mapping)

    def __reduce__(self) -> tuple[Any, ...]:
        """Values travel to another process as values, and only those selected."""
        return RaggedArray, (self.values, self.offsets)

    @property
    def values(self) -> NDArray[np.float32]:
        """``(F, d)`` all frames, read into memory at every call; :meth:`parts` and :meth:`take` read less."""
        return self.take(np.arange(len(self))).values

    @property
    def dim(self) -> int:
        """Features of a frame, d."""
        return self.whole.dim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values, which are not read for it."""
        return self.whole.dtype

    def runs(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where :meth:`read` finds the utterances of ``index``: their first frames in the file, and their lengths."""
        return self.whole.runs(self.rows[index])

    def read(self, start: int, into: NDArray[np.float32]) -> None:
        """Copy the frames from ``start`` on, as many as there is room for."""
        self.whole.read(start, into)

    def expect(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Say which runs will be read next, so that a disk fetches them together."""
        self.whole.expect(starts, lengths)

    def parts(self, frames: int | None = None) -> Iterator[NDArray[np.float32]]:
        """The frames a part at a time, each of some utterances read into memory."""
        step = frames or self.part
        for rows in self.groups(np.arange(len(self)), step):
            values = self.take(rows).values
            yield from (values[start : start + step] for start in range(0, len(values), step))
