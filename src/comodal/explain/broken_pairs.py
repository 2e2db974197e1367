"""Broken pairs: samples that get one modality from a sample of another group.

Axis legend: n samples, R rounds, M modalities, k tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from comodal.contracts import InputError, ModalitySequence, MultimodalBatch

__all__ = ["draw_donors", "rearranged"]


def draw_donors(groups: ArrayLike, *, share: float, rounds: int, seed: int) -> NDArray[np.int64]:
    """Return, for each round, the row each sample takes a modality from: its own, or one of another group.

    A random share of the samples is broken; their donors are drawn from all samples of all other groups, which share
    neither speaker nor microphone with them.

    Args:
        groups: ``(n,)`` group of each sample.
        share: of the samples whose pairing is broken, in (0, 1); at least one is broken and one stays.
        rounds: independent draws, R.
        seed: of all draws.

    Returns:
        ``(R, n)`` row numbers; a sample that is not broken has its own.

    Raises:
        InputError: a share outside (0, 1), no round, or fewer than two groups.
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    _check(share, rounds, len(sizes))
    n, rng = len(codes), np.random.default_rng(seed)
    broken = min(max(round(share * n), 1), n - 1)
    # Rows are sorted by group; a donor is drawn from the n - size other rows, skipping the block of the own group.
    order, start = np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes
    donors = np.tile(np.arange(n), (rounds, 1))
    for row in donors:
        chosen = rng.permutation(n)[:broken]
        size, first = sizes[codes[chosen]], start[codes[chosen]]
        place = rng.integers(n - size)
        row[chosen] = order[np.where(place < first, place, place + size)]
    return donors


def rearranged(batch: MultimodalBatch, rows: Mapping[str, Tensor]) -> MultimodalBatch:
    """Return a batch of k samples that takes each modality from the row numbers ``(k,)`` of its name in ``rows``.

    Ids and targets come from the rows of the first modality.
    """
    first: Any = next(iter(rows.values()))
    modalities = {
        name: ModalitySequence(batch.modalities[name].values[chosen], batch.modalities[name].mask[chosen])
        for name, chosen in rows.items()
    }
    return replace(
        batch, id=tuple(batch.id[i] for i in first.tolist()), modalities=modalities, target=batch.target[first]
    )


def _check(share: float, rounds: int, groups: int) -> None:
    if not 0 < share < 1:
        raise InputError(f"share is {share}: give a share of pairs to break between 0 and 1", code="out_of_range")
    if rounds < 1:
        raise InputError(f"repetitions is {rounds}: give 1 or more", code="out_of_range")
    if groups < 2:
        raise InputError("all test samples are of one group: broken pairs need 2 or more groups", code="empty")
