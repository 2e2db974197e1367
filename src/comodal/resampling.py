"""Break the pairing of modalities: turn joint samples into samples of the product of marginals."""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["cyclic_order"]


def cyclic_order(n: int, views: int, *, pairings: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """Return row indices that pair every modality of a sample with modalities of other samples only.

    One random cyclic order of the ``n`` samples is drawn; view ``k`` of the tuple that starts at a sample is taken from
    its ``k``-th successor. No tuple holds two views of one sample, while a random permutation leaves ``1/n`` of the
    pairs aligned; and every sample is used once per view and pairing. All tuples of distinct samples are equally
    likely, so means over the tuples are unbiased.

    Args:
        n: samples in the batch.
        views: modalities in a tuple, ``M``.
        pairings: independent orders drawn at once; more of them lower the variance of a mean over the tuples.
        generator: source of randomness on the CPU; ``None`` is PyTorch's global one.

    Returns:
        ``(M, pairings * n)`` int64 on the CPU; row ``k`` indexes the samples of view ``k``.

    Raises:
        InputError: fewer samples than views, for which no such pairing exists; or fewer than 2 views or 1 round.

    Example:
        >>> import torch
        >>> order = cyclic_order(4, 3, generator=torch.Generator().manual_seed(0))
        >>> order.shape
        torch.Size([3, 4])
        >>> bool((order[0] == order[1]).any() or (order[1] == order[2]).any() or (order[0] == order[2]).any())
        False
    """
    if views < 2:
        raise InputError(
            f"a pairing needs at least 2 views, got {views}: give the representations of 2 or more", code="missing"
        )
    if n < views:
        raise InputError(
            f"a batch of {n} samples cannot pair {views} modalities without keeping some of them aligned: "
            f"use batches of at least {views}, or drop the last batch",
            code="out_of_range",
        )
    if pairings < 1:
        raise InputError(f"pairings={pairings}: draw at least 1 pairing", code="out_of_range")
    orders = [torch.randperm(n, generator=generator) for _ in range(pairings)]
    # Each order is closed into a ring; row k of the windows starts at its k-th place.
    windows = [torch.cat([order, order[: views - 1]]).unfold(0, n, 1) for order in orders]
    return windows[0] if pairings == 1 else torch.cat(windows, dim=1)
