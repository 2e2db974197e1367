"""Rows of a data set as one padded batch, without a Python loop over frames.

Axis legend: B utterances of a batch, T longest sequence of the batch, d features of a frame, F frames of the data set.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Standardizer

__all__ = ["TensorView", "batch", "pad"]

Index = Tensor | NDArray[np.int64] | Sequence[int]


def pad(values: Tensor, starts: Tensor, lengths: Tensor) -> ModalitySequence:
    """Runs of frames, right-padded to the longest of them (at least 1).

    Args:
        values: ``(F, d)`` frames of all utterances, in the memory of the CPU.
        starts: ``(B,)`` int64 first frame of each run.
        lengths: ``(B,)`` int64 frames of each run; 0 is an absent modality.

    Returns:
        Values ``(B, T, d)``, zero on padding, and mask ``(B, T)``, false on padding.

    Example:
        >>> import torch
        >>> frames = torch.arange(1.0, 5.0).unsqueeze(1)
        >>> sequence = pad(frames, torch.tensor([1, 0]), torch.tensor([3, 1]))
        >>> sequence.values.squeeze(-1)
        tensor([[2., 3., 4.],
                [1., 0., 0.]])
        >>> sequence.mask[1]
        tensor([ True, False, False])
    """
    longest = max(1, int(lengths.max())) if len(lengths) else 1
    frames = values.numpy()
    padded = np.empty((len(lengths), longest, frames.shape[1]), dtype=frames.dtype)
    # A run is copied in one piece: ten times as fast as an index of every frame where sequences are long.
    for row, start, length in zip(padded, starts.tolist(), lengths.tolist(), strict=True):
        row[:length] = frames[start : start + length]
        row[length:] = 0.0
    return ModalitySequence(torch.from_numpy(padded), torch.arange(longest) < lengths.unsqueeze(1))


class _Scale:
    """Standardisation of padded frames, in double precision as :class:`Standardizer` does it."""

    def __init__(self, standardizer: Standardizer, name: str) -> None:
        self.mean = torch.from_numpy(standardizer.mean[name])
        self.inverse = torch.from_numpy(standardizer.inverse(name))
        self.clip = standardizer.clip

    def __call__(self, sequence: ModalitySequence) -> ModalitySequence:
        values = (sequence.values - self.mean).mul_(self.inverse).clamp_(-self.clip, self.clip).float()
        return ModalitySequence(values.masked_fill_(~sequence.mask.unsqueeze(-1), 0.0), sequence.mask)


class _Vectors:
    """Every utterance has one frame: a batch is one row selection, and the mask is all true.

    Small whatever the data set, so it is in memory, standardised once.
    """

    def __init__(self, array: RaggedArray) -> None:
        self.values = _tensor(array.values).unsqueeze(1)
        self.lengths = torch.ones(len(array), dtype=torch.int64)
        self.all_true = torch.ones(1, 1, dtype=torch.bool)

    def take(self, index: Tensor) -> ModalitySequence:
        return ModalitySequence(self.values.index_select(0, index), self.all_true.expand(len(index), 1))


class _Runs:
    """Sequences of any lengths, 0 included, where they lie; what a batch takes is standardised with the batch."""

    def __init__(self, array: RaggedArray, scale: _Scale | None) -> None:
        self.values = _tensor(array.values)
        self.starts = _tensor(array.offsets[:-1])
        self.lengths = _tensor(array.lengths)
        self.scale = scale
        self.mapping = array.mapping
        self.touched = 0

    def take(self, index: Tensor) -> ModalitySequence:
        sequence = pad(self.values, self.starts.index_select(0, index), self.lengths.index_select(0, index))
        if self.mapping is not None:
            self.touched += sequence.values.nbytes
            if self.touched > _RELEASE:
                self.mapping.release()
                self.touched = 0
        return sequence if self.scale is None else self.scale(sequence)


_RELEASE = 1 << 25
"""Bytes taken from a mapped file after which its pages are let go."""


def _source(name: str, array: RaggedArray, standardizer: Standardizer | None) -> _Vectors | _Runs:
    if array.is_vectors:
        return _Vectors(array if standardizer is None else standardizer.scale(name, array))
    return _Runs(array, None if standardizer is None else _Scale(standardizer, name))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Shared memory, also of what is read-only: nothing here writes to it, so PyTorch's warning of it says nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class TensorView(torch.utils.data.Dataset[MultimodalBatch]):
    """A data set as tensors, made once; an index of many rows gives a whole batch at once.

    It is a PyTorch data set whose items are batches, for ``DataLoader(view, sampler=..., batch_size=None)``. A data set
    that is mapped from disk stays there: a batch takes from it what it needs.

    Args:
        dataset: where the rows come from; its arrays are shared, not copied.
        standardizer: what the features are standardised with; ``None`` leaves them as they are.

    Raises:
        InputError: the standardiser knows other features.

    Example:
        >>> import torch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> view = TensorView(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)))
        >>> view[torch.tensor([3, 1])].modalities["text"].values.shape
        torch.Size([2, 1, 24])
    """

    def __init__(self, dataset: Dataset, standardizer: Standardizer | None = None) -> None:
        if standardizer is not None:
            standardizer.require(dataset.spec)
        self.spec = dataset.spec
        self.target = _tensor(dataset.target)
        self._id: list[str] = [str(each) for each in dataset.id]
        self._sources = {name: _source(name, array, standardizer) for name, array in dataset.modalities.items()}

    def __len__(self) -> int:
        return len(self._id)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """``(N,)`` frames of each utterance, of its longest modality."""
        lengths = [source.lengths.numpy() for source in self._sources.values()]
        return np.asarray(np.maximum.reduce(lengths), dtype=np.int64)

    def __getitem__(self, index: Index) -> MultimodalBatch:
        """Batch of the rows of ``index``, in its order."""
        rows = torch.as_tensor(index, dtype=torch.int64)
        return MultimodalBatch(
            self._ids(rows.tolist()),
            {name: source.take(rows) for name, source in self._sources.items()},
            self.target.index_select(0, rows),
        )

    def _ids(self, rows: list[int]) -> tuple[str, ...]:
        # itemgetter takes many items in C, but unwraps a single one.
        if len(rows) < 2:
            return tuple(self._id[row] for row in rows)
        found: tuple[str, ...] = itemgetter(*rows)(self._id)
        return found


def batch(dataset: Dataset, index: Index) -> MultimodalBatch:
    """Some rows of a data set as one batch; use :class:`TensorView` to make many.

    Args:
        dataset: N utterances.
        index: ``(B,)`` row numbers.

    Returns:
        Values ``(B, T, d)`` right-padded with zeros, masks ``(B, T)``, target ``(B,)``.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> len(batch(dataset, [5, 6, 7]))
        3
    """
    return TensorView(dataset)[index]
