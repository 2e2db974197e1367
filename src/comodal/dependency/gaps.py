"""What is measured where samples lack a view: complete tuples, or of a measure of pairs every complete pair.

Axis legend: n samples, M views.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from comodal.dependency.measure import Measure

__all__ = ["mean_of_terms", "parts_of"]

Part = tuple[Measure, list[Tensor]]


def parts_of(measure: Measure, views: list[Tensor], present: Tensor | None) -> list[Part]:
    """Return the measures and views whose mean is measured; none where too few samples are complete.

    Args:
        measure: of all views.
        views: ``(n, D_m)`` each.
        present: ``(n, M)`` bool, ``None`` where nothing is absent. On the CPU it needs no wait for another device.
    """
    if present is None or bool(present.all()):
        return [(measure, views)]
    found = []
    for places in combinations(range(len(views)), 2 if measure.facts.pairwise else len(views)):
        rows = present[:, places].all(dim=1).nonzero().flatten()
        if len(rows) >= len(places):
            rows = rows.to(views[0].device, non_blocking=True)
            part = measure if len(places) == len(views) else measure.of_pair(*places)
            found.append((part, [views[place].index_select(0, rows) for place in places]))
    return found


def mean_of_terms(terms: Sequence[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """Return the mean value and the mean regulariser of the parts of a measure."""
    if len(terms) == 1:
        return terms[0]
    regularisers = [regulariser for _, regulariser in terms if regulariser is not None]
    mean = torch.stack([value for value, _ in terms]).mean()
    return mean, torch.stack(regularisers).sum() / len(terms) if regularisers else None
