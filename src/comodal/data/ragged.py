"""Sequences of different lengths in one array, without padding.

Axis legend: N utterances, T_i frames of utterance i, F = sum of all T_i, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.mapped import MappedFile

__all__ = ["RaggedArray", "frame_index", "run_offsets"]

_PART = 1 << 21
"""Values of a part: 8 MB."""


def frame_index(starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions of the frames of several runs, one run after another.

    Args:
        starts: ``(n,)`` first frame of each run.
        lengths: ``(n,)`` frames of each run; 0 is legal.

    Returns:
        ``(sum of lengths,)``.

    Example:
        >>> import numpy as np
        >>> frame_index(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    return shift + np.arange(len(shift), dtype=np.int64)


def run_offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where runs of these lengths begin when they lie one behind the other, and where the last one ends.

    Args:
        lengths: ``(n,)``; 0 is legal.

    Returns:
        ``(n + 1,)``; run i is ``offsets[i]`` to ``offsets[i + 1]``.

    Example:
        >>> run_offsets(np.array([2, 0, 3])).tolist()
        [0, 2, 2, 5]
    """
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _float32(values: Any, where: str) -> NDArray[np.float32]:
    """As float32; what overflows becomes infinite and is then reported with the other non-finite values.

    A signalling NaN, as damaged files have, would warn when it is cast.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return np.ascontiguousarray(np.asarray(values), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: features are not numbers ({error}); give an array of floats") from error


@dataclass(frozen=True, eq=False)
class RaggedArray:
    """One modality of a data set: the frames of all utterances below each other.

    An utterance-level feature vector is a run of length 1; an absent modality is a run of length 0.

    Args:
        values: ``(F, d)`` float32; int32 for word pieces.
        offsets: ``(N + 1,)`` int64; utterance i owns the frames ``offsets[i]`` to ``offsets[i + 1]``.
        mapping: the file that the values lie in, where they are not in memory; they are read-only then.

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
    mapping: MappedFile | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] == 0:
            raise InputError(
                f"frames have shape {self.values.shape}: give (frames, features) with at least one feature"
            )
        ends = self.offsets
        if (
            ends.ndim != 1
            or len(ends) == 0
            or ends[0] != 0
            or ends[-1] != len(self.values)
            or (np.diff(ends) < 0).any()
        ):
            raise InputError(
                f"offsets do not divide {len(self.values)} frames: they must rise from 0 to the number of frames"
            )

    @classmethod
    def from_vectors(cls, values: Any, *, where: str = "features") -> RaggedArray:
        """One vector an utterance: ``(N, d)``."""
        values = _float32(values, where)
        return cls(values, np.arange(len(values) + 1, dtype=np.int64))

    @classmethod
    def from_dense(cls, values: Any, *, where: str = "features") -> RaggedArray:
        """Sequences of one length: ``(N, T, d)``, every frame of them real."""
        values = _float32(values, where)
        n, steps, dim = values.shape
        return cls(values.reshape(n * steps, dim), np.arange(n + 1, dtype=np.int64) * steps)

    @classmethod
    def from_rows(cls, rows: Sequence[Any], *, where: str = "features") -> RaggedArray:
        """Sequences of their own lengths: N arrays ``(T_i, d)``.

        Raises:
            InputError: a row is not two-dimensional, or has another number of features than the first.
        """
        arrays = [_float32(row, f"{where}, row {i}") for i, row in enumerate(rows)]
        if not arrays:
            raise InputError(f"{where}: no utterance: give at least one")
        for i, array in enumerate(arrays):
            if array.ndim != 2 or array.shape[1] != arrays[0].shape[-1]:
                raise InputError(
                    f"{where}, row {i}: shape {array.shape} where (frames, {arrays[0].shape[-1]}) is expected; "
                    "give every utterance the same number of features a frame"
                )
        return cls(np.concatenate(arrays), run_offsets(np.array([len(array) for array in arrays], dtype=np.int64)))

    @classmethod
    def concatenate(cls, arrays: Sequence[RaggedArray]) -> RaggedArray:
        """The utterances of several arrays of the same features, one array after another."""
        lengths = np.concatenate([array.lengths for array in arrays])
        return cls(np.concatenate([array.values for array in arrays]), run_offsets(lengths))

    def __getstate__(self) -> dict[str, Any]:
        """Values travel to another process as values: a mapping is of this one."""
        return {**self.__dict__, "mapping": None}

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

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` frames of each utterance."""
        return np.diff(self.offsets)

    @property
    def max_length(self) -> int:
        """Longest run, at least 1."""
        return int(max(1, self.lengths.max(initial=1)))

    @property
    def is_vectors(self) -> bool:
        """Whether every utterance has exactly one frame."""
        return bool((self.lengths == 1).all())

    def runs(self, index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where :meth:`read` finds the utterances of ``index``: their first frames, and their lengths."""
        starts = self.offsets[:-1][index]
        return starts, self.offsets[1:][index] - starts

    def read(self, start: int, into: NDArray[np.float32]) -> None:
        """Copy the frames from ``start`` on, as many as there is room for; of a mapped file no page is touched.

        Args:
            start: position of a frame, from :meth:`runs`.
            into: ``(T, d)`` C-contiguous.

        Raises:
            InputError: the file was cut since it was mapped.
        """
        if self.mapping is None:
            into[...] = self.values[start : start + len(into)]
        else:
            self.mapping.read(self._position + start * self.values.strides[0], into)

    def expect(self, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Say which runs will be read next, so that a disk fetches them together; does nothing for arrays in memory."""
        if self.mapping is not None:
            width = self.values.strides[0]
            self.mapping.expect(self._position + starts * width, lengths * width)

    @cached_property
    def _position(self) -> int:
        """Byte of the mapped file at which the values begin."""
        return 0 if self.mapping is None else self.mapping.position(self.values)

    def take(self, index: NDArray[np.int64]) -> RaggedArray:
        """The utterances of ``index``, in its order, in memory."""
        starts, lengths = self.runs(index)
        offsets = run_offsets(lengths)
        if self.mapping is None:
            return RaggedArray(self.values[frame_index(starts, lengths)], offsets)
        values = np.empty((offsets[-1], self.dim), dtype=self.dtype)
        # Utterances that lie below each other in the file are read in one piece.
        firsts = np.flatnonzero(starts != np.append(-1, starts + lengths)[: len(starts)])
        ends = np.append(firsts[1:], len(starts))[: len(firsts)]
        for start, first, end in zip(starts[firsts].tolist(), offsets[firsts], offsets[ends], strict=True):
            self.read(start, values[first:end])
        return RaggedArray(values, offsets)

    @property
    def part(self) -> int:
        """Frames that are worked on at once where all would be too many: some megabytes, whatever their width."""
        return max(1, _PART // self.dim)

    def parts(self, frames: int | None = None) -> Iterator[NDArray[np.float32]]:
        """The frames a part at a time, for what must not touch all of them at once; a mapped file is let go between.

        Args:
            frames: of a part; :attr:`part` when ``None``.

        Example:
            >>> import numpy as np
            >>> [len(part) for part in RaggedArray.from_vectors(np.ones((5, 1))).parts(2)]
            [2, 2, 1]
        """
        step = frames or self.part
        for start in range(0, len(self.values), step):
            yield self.values[start : start + step]
            self.release()

    def release(self) -> None:
        """Let go of the memory of a mapped file; does nothing for arrays in memory."""
        if self.mapping is not None:
            self.mapping.release()

    def groups(self, index: NDArray[np.int64], frames: int | None = None) -> Iterator[NDArray[np.int64]]:
        """The utterances of ``index`` in groups of about so many frames, at least one utterance each.

        Args:
            index: row numbers.
            frames: of a group, about; :attr:`part` when ``None``.

        Example:
            >>> import numpy as np
            >>> array = RaggedArray.from_rows([np.ones((n, 1)) for n in (2, 1, 4, 1)])
            >>> [rows.tolist() for rows in array.groups(np.arange(4), 3)]
            [[0, 1], [2, 3]]
        """
        number = (np.cumsum(self.lengths[index]) - 1) // (frames or self.part)
        yield from np.split(index, np.flatnonzero(np.diff(number)) + 1)

    def owner(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """Utterance of each frame position."""
        return np.asarray(np.searchsorted(self.offsets, frame, side="right") - 1, dtype=np.int64)

    def with_values(self, values: NDArray[np.float32]) -> RaggedArray:
        """The same runs with other values."""
        return RaggedArray(values, self.offsets)
