"""Pointwise dependency when one modality comes from another sample: which modality disagrees with the others.

Axis legend: N samples, M views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from comodal.contracts import FusionOutput
from comodal.dependency import views_of
from comodal.dependency.fitting import aligned_rows
from comodal.evaluation.fitted import FittedFold
from comodal.explain.broken_pairs import rearranged
from comodal.explain.critic import PointwiseCritic
from comodal.explain.representations import Representations

__all__ = ["DONORS", "exchanged", "exchanged_inputs", "mean_over_donors"]

DONORS = 200
"""Largest number of donors per sample."""

TUPLES = 4_000_000
FEWEST = 20


def mean_over_donors(score: Callable[[Tensor], Tensor], n: int, *, donors: int, generator: torch.Generator) -> Tensor:
    """Return the mean score ``(N,)`` of each sample over donors, other samples whose modality it is given.

    Donors lie at drawn distances in one random cyclic order. Distances do not repeat, so a sample never has the same
    donor twice, all other samples are equally likely, and the mean is over all of them where ``donors >= N - 1``.
    ``score`` maps the donor of each sample ``(N,)`` to the score of each ``(N,)``.
    """
    order = torch.randperm(n, generator=generator)
    distances = (1 + torch.randperm(n - 1, generator=generator))[:donors].tolist()
    total = torch.zeros(n, dtype=torch.float64)
    for distance in distances:
        donor = torch.empty_like(order).scatter_(0, order, order.roll(-distance))
        total += score(donor)
    return (total / len(distances)).float()


def exchanged(
    critic: PointwiseCritic, views: Representations, *, donors: int = DONORS, seed: int = 0
) -> tuple[dict[str, Tensor], int]:
    """Return the mean dependency ``(N,)`` of each sample when each modality in turn comes from another sample.

    Representations are exchanged. This equals exchanging the inputs, because every architecture computes the
    representation of a modality from that modality alone. The number of donors, which is also returned, is at most
    ``donors``, and smaller for so many samples that it would take minutes.
    """
    scaled = critic.prepare(views.compared(critic.between))
    count = min(donors, max(FEWEST, TUPLES // (len(views) * len(critic.names))))

    def score(name: str, donor: Tensor) -> Tensor:
        rows = aligned_rows(scaled).clone()
        rows[critic.names.index(name)] = donor
        return critic.of_rows(scaled, rows)

    return _means(score, critic.names, len(views), donors=count, seed=seed), min(count, len(views) - 1)


def exchanged_inputs(
    critic: PointwiseCritic, fitted: FittedFold, *, split: str = "test", donors: int = FEWEST, seed: int = 0
) -> tuple[dict[str, Tensor], int]:
    """Return the same for a critic that also sees the fused representation: the model runs once per donor."""
    batch = fitted.fold.view[torch.from_numpy(fitted.fold.partition.splits[split])]
    itself = torch.arange(len(batch))

    def score(name: str, donor: Tensor) -> Tensor:
        rows = {each: donor if each == name else itself for each in batch.modalities}
        output: FusionOutput = fitted.model(rearranged(batch, rows))
        return critic(views_of(output, between=critic.between))

    with torch.no_grad():
        found = _means(score, batch.modalities, len(batch), donors=donors, seed=seed)
    return found, min(donors, len(batch) - 1)


def _means(
    score: Callable[[str, Tensor], Tensor], names: Iterable[str], n: int, *, donors: int, seed: int
) -> dict[str, Tensor]:
    """Return the mean over donors for each modality; all modalities have the same donors."""
    return {
        name: mean_over_donors(partial(score, name), n, donors=donors, generator=torch.Generator().manual_seed(seed))
        for name in names
    }
