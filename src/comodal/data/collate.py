"""Collate rows of a data set into one padded batch.

Axis legend: B samples of a batch, T longest sequence of the batch, d features per frame.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Scale, Standardizer

__all__ = ["TensorView", "batch", "pad"]

Index = Tensor | NDArray[np.int64] | Sequence[int]


def pad(array: RaggedArray, index: NDArray[np.int64], scale: Scale | None = None) -> ModalitySequence:
    """Return some samples of one modality, right-padded to the longest of them (at least 1).

    Args:
        array: the modality, in memory or on disk.
        index: ``(B,)`` row numbers.
        scale: standardisation of the frames, if any.

    Returns:
        Values ``(B, T, d)``, zero on padding, and mask ``(B, T)``, false on padding; an absent modality is all padding.

    Example:
        >>> array = RaggedArray.from_rows([[[1.0]], [[2.0], [3.0], [4.0]]])
        >>> sequence = pad(array, np.array([1, 0]))
        >>> sequence.values.squeeze(-1)
        tensor([[2., 3., 4.],
                [1., 0., 0.]])
        >>> sequence.mask[1]
        tensor([ True, False, False])
    """
    lengths = array.lengths[index]
    longest = int(lengths.max(initial=1))
    padded = np.empty((len(lengths), longest, array.dim), dtype=array.dtype)
    # A run is copied in one piece: ten times as fast as an index of every frame where sequences are long. What is done
    # to it is done at once, while it is in the cache of the processor.
    for row, number, length in zip(padded, index.tolist(), lengths.tolist(), strict=True):
        run = row[:length]
        array.copy_run(number, run)
        if scale is not None:
            scale(run, run)
        row[length:] = 0.0
    return ModalitySequence(torch.from_numpy(padded), torch.arange(longest) < torch.from_numpy(lengths).unsqueeze(1))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Share memory with an array, also a read-only one: nothing here writes, so PyTorch's warning does not apply."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class TensorView(torch.utils.data.Dataset[MultimodalBatch]):
    """A data set as tensors; an index of many rows gives a whole batch.

    It is a PyTorch data set whose items are batches, for ``DataLoader(view, sampler=..., batch_size=None)``. A data set
    that is mapped from disk stays there: each batch reads what it needs.

    Args:
        dataset: source of the rows; its arrays are shared, not copied.
        standardizer: standardisation of the features; ``None`` for none.

    Attributes:
        lengths: ``(N,)`` frames per sample, of its longest modality.
        has_gaps: whether a sample lacks a modality.

    Raises:
        InputError: the standardiser knows other features.

    Example:
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
        self.lengths = np.maximum.reduce([array.lengths for array in dataset.modalities.values()])
        self.has_gaps = any(0 in array.lengths for array in dataset.modalities.values())
        self._take = {name: _taker(name, array, standardizer) for name, array in dataset.modalities.items()}

    def __len__(self) -> int:
        return len(self._id)

    def __getitem__(self, index: Index) -> MultimodalBatch:
        """Return the batch of the rows of ``index``, in its order."""
        rows = torch.as_tensor(index, dtype=torch.int64)
        return MultimodalBatch(
            tuple([self._id[row] for row in rows.tolist()]),
            {name: take(rows) for name, take in self._take.items()},
            self.target.index_select(0, rows),
        )


def _taker(name: str, array: RaggedArray, standardizer: Standardizer | None) -> Callable[[Tensor], ModalitySequence]:
    """Return what gives a batch of one modality. Vectors are small: they stay in memory, standardised once."""
    if array.is_vectors:
        values = (array if standardizer is None else standardizer.scale(name, array)).values
        return partial(_vectors, _tensor(values).unsqueeze(1))
    return partial(_runs, array, None if standardizer is None else standardizer.of(name))


def _vectors(values: Tensor, index: Tensor) -> ModalitySequence:
    return ModalitySequence(values.index_select(0, index), torch.ones(1, 1, dtype=torch.bool).expand(len(index), 1))


def _runs(array: RaggedArray, scale: Scale | None, index: Tensor) -> ModalitySequence:
    return pad(array, index.numpy(), scale)


def batch(dataset: Dataset, index: Index) -> MultimodalBatch:
    """Return some rows of a data set as one batch, right-padded with zeros; use :class:`TensorView` to make many.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> len(batch(dataset, [5, 6, 7]))
        3
    """
    return TensorView(dataset)[index]
