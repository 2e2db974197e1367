"""Which utterances get a modality of another video, and a batch in which they have it.

Axis legend: n utterances, R rounds, M modalities, k tuples.
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
    """In each round, whose modality every utterance gets: its own, or that of an utterance of another video.

    A random share of the utterances gets another's; each donor is drawn from all utterances of all other videos,
    which share neither speaker nor microphone with it.

    Args:
        groups: ``(n,)`` the video of each utterance.
        share: of the utterances whose pairing is broken, in (0, 1); at least one is broken and one stays.
        rounds: independent draws, R.
        seed: of all draws.

    Returns:
        ``(R, n)`` row numbers; a row's own number where the pairing stays.

    Raises:
        InputError: a share outside (0, 1), no round, or fewer than two videos.

    Example:
        >>> donor = draw_donors(["a", "a", "b", "b"], share=0.5, rounds=2, seed=0)
        >>> (donor != range(4)).sum(axis=1).tolist()
        [2, 2]
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    _check(share, rounds, len(sizes))
    n, rng = len(codes), np.random.default_rng(seed)
    broken = min(max(round(share * n), 1), n - 1)
    # Videos side by side: a donor is drawn among the rows outside one's own video, whose block is stepped over.
    order, start = np.argsort(codes, kind="stable"), np.cumsum(sizes) - sizes
    donors = np.tile(np.arange(n), (rounds, 1))
    for row in donors:
        chosen = rng.permutation(n)[:broken]
        size, first = sizes[codes[chosen]], start[codes[chosen]]
        place = rng.integers(n - size)
        row[chosen] = order[np.where(place < first, place, place + size)]
    return donors


def rearranged(batch: MultimodalBatch, rows: Mapping[str, Tensor]) -> MultimodalBatch:
    """A batch of any tuples of a batch's utterances.

    Args:
        batch: where modalities are taken from.
        rows: modality to ``(k,)`` row numbers; id and target are those of the first modality's row.

    Returns:
        ``k`` utterances.

    Example:
        >>> import torch
        >>> sequence = ModalitySequence(torch.tensor([[[1.0]], [[2.0]]]), torch.ones(2, 1).bool())
        >>> batch = MultimodalBatch(("a", "b"), {"text": sequence, "audio": sequence}, torch.zeros(2))
        >>> mixed = rearranged(batch, {"text": torch.tensor([0, 1]), "audio": torch.tensor([1, 1])})
        >>> mixed.id, mixed.modalities["audio"].values.flatten().tolist()
        (('a', 'b'), [2.0, 2.0])
    """
    first: Any = next(iter(rows.values()))
    modalities = {
        name: ModalitySequence(batch.modalities[name].values[chosen], batch.modalities[name].mask[chosen])
        for name, chosen in rows.items()
    }
    return replace(
        batch, id=tuple(batch.id[i] for i in first.tolist()), modalities=modalities, target=batch.target[first]
    )


def _check(share: float, rounds: int, videos: int) -> None:
    if not 0 < share < 1:
        raise InputError(f"share={share}: give the share of pairs to break, between 0 and 1, both excluded")
    if rounds < 1:
        raise InputError(f"repetitions={rounds}: give at least 1")
    if videos < 2:
        raise InputError("the test utterances are of one video only: a broken pair needs a second one; give group")
