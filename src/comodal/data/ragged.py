"""Sequences of different lengths in one array, without padding.

Axis legend: N samples, T_i frames of sample i, F = sum of all T_i, d features per frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError

__all__ = ["RaggedArray", "frame_index", "run_offsets"]

_PART = 1 << 21
"""Values per part: 8 MB."""


def frame_index(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions of the frames of several runs ``(n,)``, one run after another."""
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    return shift + np.arange(len(shift), dtype=np.int64)


def run_offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``(n + 1,)``: where runs of these lengths begin when they follow each other, and where the last ends."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _float32(values: Any, where: str) -> NDArray[np.float32]:
    """Return values as float32; what overflows becomes infinite and is reported with the other non-finite values."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a signalling NaN warns when it is cast
            return np.ascontiguousarray(np.asarray(values), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where}: features are not numbers ({error}); give an array of floats", code="wrong_type"
        ) from error


@dataclass(frozen=True, eq=False)
class RaggedArray:
    """One modality of a data set: the frames of all samples below each other, in memory.

    A feature vector per sample is a run of length 1; an absent modality is a run of length 0.
    :class:`~comodal.data.stored_array.StoredArray` is the same on disk.

    Args:
        values: ``(F, d)`` float32; int32 for word pieces.
        offsets: ``(N + 1,)`` int64; sample i owns the frames ``offsets[i]`` to ``offsets[i + 1]``.

    Raises:
        InputError: the two do not fit together.

    Example:
        >>> import numpy as np
        >>> array = RaggedArray.from_rows([np.ones((2, 3)), np.zeros((0, 3)), np.ones((1, 3))])
        >>> len(array), array.dim, array.lengths.tolist()
        (3, 3, [2, 0, 1])
        >>> array.take(np.array([2, 0])).lengths.tolist()
        [1, 2]
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] == 0:
            raise InputError(
                f"frames have shape {self.values.shape}: give (frames, features) with at least one feature",
                code="wrong_shape",
            )
        ends = self.offsets
        if ends.ndim != 1 or [*ends[:1], *ends[-1:]] != [0, len(self.values)] or (np.diff(ends) < 0).any():
            raise InputError(
                f"offsets do not divide {len(self.values)} frames: they must rise from 0 to the number of frames",
                code="mismatch",
            )

    @classmethod
    def from_vectors(cls, values: Any, *, where: str = "features") -> RaggedArray:
        """Return one vector per sample, from ``(N, d)``."""
        values = _float32(values, where)
        return cls(values, np.arange(len(values) + 1, dtype=np.int64))

    @classmethod
    def from_dense(cls, values: Any, *, where: str = "features") -> RaggedArray:
        """Return sequences of one length, from ``(N, T, d)`` without padding."""
        values = _float32(values, where)
        n, steps, dim = values.shape
        return cls(values.reshape(n * steps, dim), np.arange(n + 1, dtype=np.int64) * steps)

    @classmethod
    def from_rows(cls, rows: Sequence[Any], *, where: str = "features") -> RaggedArray:
        """Return sequences of their own lengths, from N arrays ``(T_i, d)``.

        Raises:
            InputError: a row is not two-dimensional, or has another number of features than the first.
        """
        arrays = [_float32(row, f"{where}, row {i}") for i, row in enumerate(rows)]
        if not arrays:
            raise InputError(f"{where}: no sample: give at least one", code="empty")
        for i, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != arrays[0].shape[-1]:
                raise InputError(
                    f"{where}, row {i}: shape {array.shape} where (frames, {arrays[0].shape[-1]}) is expected; "
                    "give every sample the same number of features per frame",
                    code="wrong_shape",
                )
        return cls(np.concatenate(arrays), run_offsets(np.array([len(array) for array in arrays], dtype=np.int64)))

    @classmethod
    def concatenate(cls, arrays: Sequence[RaggedArray]) -> RaggedArray:
        """Return the samples of several arrays, one array after another."""
        lengths = np.concatenate([array.lengths for array in arrays])
        return cls(np.concatenate([array.values for array in arrays]), run_offsets(lengths))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """Features of a frame, d."""
        return int(self.values.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.values.dtype

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` frames of each sample."""
        return np.diff(self.offsets)

    @property
    def max_length(self) -> int:
        """Longest run, at least 1."""
        return int(max(1, self.lengths.max(initial=1)))

    @property
    def is_vectors(self) -> bool:
        """Whether every sample has exactly one frame."""
        return bool((self.lengths == 1).all())

    def copy_run(self, row: int, into: NDArray[Any]) -> None:
        """Copy the frames of one sample into ``(T_i, d)``, C-contiguous."""
        into[...] = self.values[self.offsets[row] : self.offsets[row + 1]]

    def take(self, index: NDArray[np.int64]) -> RaggedArray:
        """Return the samples of ``index``, in its order, in memory."""
        lengths = self.lengths[index]
        return RaggedArray(self.values[frame_index(self.offsets[:-1][index], lengths)], run_offsets(lengths))

    def select(self, index: NDArray[np.int64]) -> RaggedArray:
        """Return the samples of ``index``, in its order; frames on disk stay there."""
        return self.take(index)

    @property
    def part(self) -> int:
        """Frames to work on at once where all would be too many: some megabytes, whatever their width."""
        return max(1, _PART // self.dim)

    def parts(self, frames: int | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield all frames in order, so many at a time; :attr:`part` when ``None``."""
        step = frames or self.part
        yield from (self.values[start : start + step] for start in range(0, len(self.values), step))

    def groups(self, index: NDArray[np.int64], frames: int | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of ``index`` in groups of about so many frames, at least one row each."""
        number = (np.cumsum(self.lengths[index]) - 1) // (frames or self.part)
        yield from np.split(index, np.flatnonzero(np.diff(number)) + 1)

    def owner(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row that each frame position belongs to."""
        return np.asarray(np.searchsorted(self.offsets, frame, side="right") - 1, dtype=np.int64)

    def with_values(self, values: NDArray[np.float32]) -> RaggedArray:
        """Return the same runs with other values."""
        return RaggedArray(values, self.offsets)
