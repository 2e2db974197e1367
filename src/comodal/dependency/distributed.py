"""Gather representations of all processes with gradients, so that N processes compute what one would.

A mean can be averaged over processes, but not a logarithm of a mean, nor a pairing of the whole batch. So every
process gathers all representations and evaluates the same measure of the same global batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from comodal.contracts import InputError
from comodal.dependency.pools import pooled
from comodal.dependency.views import Batch, Batches, MaskedViews, ViewLayout

__all__ = ["Gathered", "gather_batches", "gather_views"]


class Gathered(NamedTuple):
    """The views of a global batch.

    Attributes:
        views: ``(n, D_m)`` each, in the order of the layout.
        present: ``(n, M)`` bool, where a sample has a view; ``None`` where nothing says that one is absent.
    """

    views: list[Tensor]
    present: Tensor | None


def gather_batches(layout: ViewLayout, given: Batches, pools: Sequence[str]) -> Gathered:
    """Return the views of all processes in the order of a layout, their sequences pooled by a rule for each view.

    Several batches follow each other, each with the rows of all processes: in the order that one process has them.
    """
    several = (
        not isinstance(given, Mapping | MaskedViews) and len(given) > 0 and isinstance(given[0], Mapping | MaskedViews)
    )
    gathered = [_gather(layout, each, pools) for each in (given if several else [given])]  # type: ignore[arg-type]
    if len(gathered) == 1:
        return gathered[0]
    views = [torch.cat(parts) for parts in zip(*(each.views for each in gathered), strict=True)]
    known = [each.present for each in gathered]
    if all(each is None for each in known):
        return Gathered(views, None)
    return Gathered(views, torch.cat([_or_all(each.present, each.views) for each in gathered]))


def _gather(layout: ViewLayout, given: Batch, pools: Sequence[str]) -> Gathered:
    views, present = _pooled(layout, given, pools)
    if present is None or not _several_processes():
        return Gathered(gather_views(views), present)
    # The mask travels with the views: one more collective would cost more than a few columns.
    *views, columns = gather_views([*views, present.to(views[0])])
    return Gathered(views, (columns.detach() > 0.5).cpu())


def _pooled(layout: ViewLayout, given: Batch, pools: Sequence[str]) -> tuple[list[Tensor], Tensor | None]:
    if not isinstance(given, MaskedViews):
        views = layout.ordered(given)
        if all(view.ndim != 3 for view in views):
            return layout.match(views), None
        given = MaskedViews(views, {})
    masks = dict(given.mask)
    for name in masks:
        if name not in layout.names:
            raise InputError.unknown("view", name, layout.names, where="mask")
    views = layout.ordered(given.views)
    both = [
        pooled(name, view, masks.get(name), rule) for name, view, rule in zip(layout.names, views, pools, strict=True)
    ]
    matched, known = layout.match([view for view, _ in both]), [present for _, present in both]
    if all(each is None for each in known):
        return matched, None
    device = next(each.device for each in known if each is not None)
    columns = [torch.ones(len(matched[0]), dtype=torch.bool) if each is None else each for each in known]
    return matched, torch.stack([column.to(device) for column in columns], dim=1)


def _or_all(present: Tensor | None, views: list[Tensor]) -> Tensor:
    return torch.ones(len(views[0]), len(views), dtype=torch.bool) if present is None else present.cpu()


def _several_processes() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gather_views(views: list[Tensor]) -> list[Tensor]:
    """Return the rows ``(n, D_m)`` of all processes, in order of rank; the given views outside a process group.

    Processes may hold different numbers of rows. The gradient of a process's own rows is multiplied by the number of
    processes, which all evaluate the same scalar: that is the sum of their gradients. ``DistributedDataParallel``
    averages gradients and so restores that of one process with the global batch, without communication here.
    """
    if not _several_processes():
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
