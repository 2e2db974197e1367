"""Batch orders as pure functions of seed and epoch, and the PyTorch loaders made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from comodal.contracts import InputError, MultimodalBatch
from comodal.data.collate import TensorView

__all__ = ["CycledSampler", "EpochSampler", "loader", "ordered"]


class EpochSampler(Sampler[Tensor]):
    """Batches of row numbers in the random order of an epoch.

    The last batch may be short; it is left out when it is shorter than ``minimum``, because a batch with fewer samples
    than modalities has no sample of the product of marginals.

    Args:
        index: ``(n,)`` row numbers of the training part.
        batch_size: samples per batch.
        seed: of the run, 0 or more.
        minimum: fewest samples per batch, usually the number of modalities.
        lengths: ``(n,)`` frames of each row; with them a batch holds samples of similar length and little padding.
        pool: with ``lengths``, this many batches are drawn at random and then sorted by length. A large pool pads
            least, a small one is most random.

    Raises:
        InputError: there is no legal batch.

    Example:
        >>> sampler = EpochSampler([10, 11, 12, 13, 14], batch_size=2, seed=0, minimum=2)
        >>> [len(rows) for rows in sampler]
        [2, 2]
    """

    def __init__(
        self,
        index: Sequence[int] | NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
        minimum: int = 1,
        lengths: NDArray[np.int64] | None = None,
        pool: int = 16,
    ) -> None:
        _check_sizes(len(index), batch_size, minimum)
        if seed < 0:
            raise InputError(f"seed {seed} of the batch order: give 0 or more", code="out_of_range")
        if pool < 1:
            raise InputError(f"pool of {pool} batches: give 1 or more", code="out_of_range")
        self.index = np.asarray(index, dtype=np.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.minimum = minimum
        self.lengths = lengths
        self.pool = pool
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration takes."""
        self.epoch = epoch

    def batches(self, epoch: int) -> list[Tensor]:
        """Row numbers ``(B,)`` of every batch of an epoch."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.index))
        if self.lengths is None:
            return self._cut(order)[: len(self)]
        step = self.pool * self.batch_size
        pools = [order[start : start + step] for start in range(0, len(order), step)]
        # Batches are cut from the long end, so that the one that may be short, and left out, is not of the longest.
        sorted_pools = [each[np.argsort(-self.lengths[each], kind="stable")] for each in pools]
        batches = [cut for each in sorted_pools for cut in self._cut(each)][: len(self)]
        return [batches[k] for k in np.random.default_rng([self.seed, epoch, 1]).permutation(len(batches))]

    def _cut(self, order: NDArray[np.int64]) -> list[Tensor]:
        return list(torch.split(torch.from_numpy(self.index[order]), self.batch_size))

    def __iter__(self) -> Iterator[Tensor]:
        yield from self.batches(self.epoch)

    def __len__(self) -> int:
        full, rest = divmod(len(self.index), self.batch_size)
        return full + (rest >= max(1, self.minimum))

    @property
    def shortest(self) -> int:
        """Number of samples in its shortest batch, the last one or any other."""
        rest = len(self.index) % self.batch_size
        return rest if rest >= max(1, self.minimum) else self.batch_size


class CycledSampler:
    """So many batches of a sampler per epoch, more or fewer than a pass over its rows: one pass follows another.

    Args:
        sampler: whose passes they are.
        steps: batches per epoch.

    Example:
        >>> cycled = CycledSampler(EpochSampler([7, 8], batch_size=1, seed=0), steps=3)
        >>> [len(cycled.batches(epoch)) for epoch in (0, 1)]
        [3, 3]
    """

    def __init__(self, sampler: EpochSampler, *, steps: int) -> None:
        self.sampler, self.steps = sampler, steps

    def __len__(self) -> int:
        return self.steps

    def batches(self, epoch: int) -> list[Tensor]:
        """Row numbers ``(B,)`` of every batch of an epoch."""
        first, own = epoch * self.steps, len(self.sampler)
        done, skipped = divmod(first, own)
        passes = range(done, (first + self.steps - 1) // own + 1)
        return [rows for each in passes for rows in self.sampler.batches(each)][skipped : skipped + self.steps]


def ordered(index: Sequence[int] | NDArray[np.int64], *, batch_size: int) -> tuple[Tensor, ...]:
    """Return batches of row numbers in the order given, none left out: for validation and test.

    Example:
        >>> [rows.tolist() for rows in ordered([4, 2, 7], batch_size=2)]
        [[4, 2], [7]]
    """
    _check_sizes(len(index), batch_size, 1)
    return torch.split(torch.from_numpy(np.asarray(index, dtype=np.int64)), batch_size)


def loader(view: TensorView, sampler: Iterable[Tensor]) -> DataLoader[MultimodalBatch]:
    """A PyTorch loader that fetches whole batches; it draws nothing from PyTorch's own generator.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> sampler = EpochSampler(dataset.partitions[0].train, batch_size=16, seed=0, minimum=3)
        >>> [len(batch) for batch in loader(TensorView(dataset), sampler)]
        [16, 16, 8]
    """
    # Without a generator of its own a loader takes a number from the global one at every epoch.
    return DataLoader(view, sampler=sampler, batch_size=None, generator=torch.Generator())


def _check_sizes(n: int, batch_size: int, minimum: int) -> None:
    if batch_size < max(1, minimum):
        raise InputError(
            f"batch_size {batch_size}: a batch needs at least {max(1, minimum)} samples; give a larger batch_size",
            code="out_of_range",
        )
    if n < max(1, minimum):
        raise InputError(f"{n} samples make no batch of at least {max(1, minimum)}; give more samples", code="empty")
