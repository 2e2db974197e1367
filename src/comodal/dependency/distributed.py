"""Gather representations of all processes with gradients, so that N processes compute what one would.

A mean can be averaged over processes, but not a logarithm of a mean, nor a pairing of the whole batch. So every
process gathers all representations and evaluates the same measure of the same global batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from comodal.dependency.views import Batches, ViewLayout

__all__ = ["gather_batches", "gather_views"]


def gather_batches(layout: ViewLayout, given: Batches) -> list[Tensor]:
    """Return the views of all processes in the order of a layout.

    Several batches follow each other, each with the rows of all processes: in the order that one process has them.
    """
    several = not isinstance(given, Mapping) and len(given) > 0 and isinstance(given[0], Mapping)
    gathered = [gather_views(layout.match(each)) for each in (given if several else [given])]  # type: ignore[arg-type]
    return gathered[0] if len(gathered) == 1 else [torch.cat(views) for views in zip(*gathered, strict=True)]


def gather_views(views: list[Tensor]) -> list[Tensor]:
    """Return the rows ``(n, D_m)`` of all processes, in order of rank; the given views outside a process group.

    Processes may hold different numbers of rows. The gradient of a process's own rows is multiplied by the number of
    processes, which all evaluate the same scalar: that is the sum of their gradients. ``DistributedDataParallel``
    averages gradients and so restores that of one process with the global batch, without communication here.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return views
    packed = torch.cat(views, dim=1)
    gathered: Tensor = _Gather.apply(packed)  # type: ignore[no-untyped-call]
    return list(torch.split(gathered, [view.shape[1] for view in views], dim=1))


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        world, rank = dist.get_world_size(), dist.get_rank()
        counts = [torch.zeros(1, dtype=torch.long, device=local.device) for _ in range(world)]
        dist.all_gather(counts, torch.tensor([local.shape[0]], device=local.device))
        rows = [int(count) for count in counts]
        # Collectives need equal shapes: pad to the longest, cut after.
        padded = local.new_zeros(max(rows), local.shape[1])
        padded[: local.shape[0]] = local
        parts = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(parts, padded)
        ctx.start, ctx.rows, ctx.world = sum(rows[:rank]), rows[rank], world
        return torch.cat([part[:n] for part, n in zip(parts, rows, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        own: Tensor = gradients[0].narrow(0, ctx.start, ctx.rows)
        return own * float(ctx.world)
