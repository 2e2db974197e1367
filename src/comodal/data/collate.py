"""Rows of a data set as one padded batch, without a Python loop over utterances or frames.

Axis legend: B utterances of a batch, T longest sequence of the batch, d features of a frame, F frames of the data set.
"""

from __future__ import annotations

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

__all__ = ["TensorView", "batch", "pad"]

Index = Tensor | NDArray[np.int64] | Sequence[int]


def pad(values: Tensor, starts: Tensor, lengths: Tensor) -> ModalitySequence:
    """Runs of frames, right-padded to the longest of them (at least 1) by one gather.

    Args:
        values: ``(F, d)`` frames of all utterances.
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
    steps = torch.arange(longest, device=values.device)
    mask = steps < lengths.unsqueeze(1)
    if not len(values):
        return ModalitySequence(values.new_zeros(len(lengths), longest, values.shape[1]), mask)
    # Padding points at frame 0, which exists, and is then blanked.
    frames = torch.where(mask, starts.unsqueeze(1) + steps, 0)
    rows = values.index_select(0, frames.reshape(-1)).view(len(lengths), longest, values.shape[1])
    return ModalitySequence(rows.masked_fill_(~mask.unsqueeze(-1), 0.0), mask)


class _Vectors:
    """Every utterance has one frame: a batch is one row selection, and the mask is all true."""

    def __init__(self, array: RaggedArray) -> None:
        self.values = _tensor(array.values).unsqueeze(1)
        self.all_true = torch.ones(1, 1, dtype=torch.bool)

    def take(self, index: Tensor) -> ModalitySequence:
        return ModalitySequence(self.values.index_select(0, index), self.all_true.expand(len(index), 1))


class _Runs:
    """Sequences of any lengths, 0 included."""

    def __init__(self, array: RaggedArray) -> None:
        self.values = _tensor(array.values)
        self.starts = _tensor(array.offsets[:-1])
        self.lengths = _tensor(array.lengths)

    def take(self, index: Tensor) -> ModalitySequence:
        return pad(self.values, self.starts.index_select(0, index), self.lengths.index_select(0, index))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Share memory where PyTorch allows it: it warns of arrays that are read-only."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())


class TensorView(torch.utils.data.Dataset[MultimodalBatch]):
    """A data set as tensors, made once; an index of many rows gives a whole batch at once.

    It is a PyTorch data set whose items are batches, for ``DataLoader(view, sampler=..., batch_size=None)``.

    Args:
        dataset: where the rows come from; its arrays are shared, not copied, where possible.

    Example:
        >>> import torch
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> view = TensorView(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)))
        >>> view[torch.tensor([3, 1])].modalities["text"].values.shape
        torch.Size([2, 1, 24])
    """

    def __init__(self, dataset: Dataset) -> None:
        self.spec = dataset.spec
        self.target = _tensor(dataset.target)
        self._id: list[str] = [str(each) for each in dataset.id]
        self._sources = {
            name: _Vectors(array) if array.is_vectors else _Runs(array) for name, array in dataset.modalities.items()
        }

    def __len__(self) -> int:
        return len(self._id)

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
