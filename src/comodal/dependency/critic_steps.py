"""Steps of a measure's own parameters on detached representations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency.distributed import Gathered, gather_batches
from comodal.dependency.finite import FiniteWatch
from comodal.dependency.gaps import mean_of_terms, parts_of
from comodal.dependency.measure import Measure
from comodal.dependency.views import Batch, Batches, ViewLayout, full_precision

__all__ = ["CriticSource", "critic_batches", "critic_step", "freeze"]

CriticSource = Batches | Callable[[], Batch] | Iterable[Batch]


def freeze(parameters: list[nn.Parameter]) -> None:
    """Take gradients from parameters until their next step."""
    for parameter in parameters:
        parameter.requires_grad = False
        parameter.grad = None  # else it would count when gradients of the model are clipped


def critic_step(measure: Measure, gathered: Gathered, optimizer: torch.optim.Adam, watch: FiniteWatch) -> Tensor | None:
    """Step the measure's own parameters, and return their loss; ``None`` where too few samples have the views."""
    parts = parts_of(measure, *gathered)
    if not parts:
        return None
    parameters: list[nn.Parameter] = optimizer.param_groups[0]["params"]
    for parameter in parameters:
        parameter.requires_grad = True
    try:
        with torch.enable_grad(), full_precision(gathered.views[0]):
            losses = [part.learn(views) for part, views in parts]
            loss, _ = mean_of_terms([(each, None) for each in losses if each is not None])
            watch.look(loss, *gathered, remedy="critic_lr")
            gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    finally:
        freeze(parameters)
    return loss.detach()


def critic_batches(
    source: CriticSource, *, layout: ViewLayout, pools: Sequence[str], steps: int, fresh: bool
) -> Iterator[Gathered]:
    """Yield detached views for each step: of one batch, or with ``fresh`` of a new one that the source gives."""
    if not fresh:
        if callable(source) or isinstance(source, Iterator):
            raise InputError(
                "update_critic got a source of batches, but fresh_batches is False: set it to True", code="conflict"
            )
        yield from repeat(_detached(layout, source, pools), steps)  # type: ignore[arg-type]
        return
    drawn = iter(source, None) if callable(source) else source
    if not isinstance(drawn, Iterator):
        raise InputError(
            "fresh_batches=True draws a new batch for every critic step: give update_critic a callable or an "
            f"iterator of representations, not a {type(source).__name__}",
            code="wrong_type",
        )
    for _ in range(steps):
        with torch.no_grad():
            given = next(drawn, None)
        if given is None:
            raise InputError(
                "update_critic ran out of batches: give an iterator of at least critic_steps", code="missing"
            )
        yield _detached(layout, given, pools)


def _detached(layout: ViewLayout, given: Batches, pools: Sequence[str]) -> Gathered:
    with torch.no_grad():  # pooling records no graph
        gathered = gather_batches(layout, given, pools)
    return gathered._replace(views=[view.detach() for view in gathered.views])
