"""Pointwise dependency when one modality is another utterance's: which modality disagrees with the others.

Axis legend: N utterances, M views.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from comodal.contracts import FusionOutput, ModalitySequence, MultimodalBatch
from comodal.dependency import views_of
from comodal.dependency.fitted_critic import aligned_rows
from comodal.evaluation.fitted import FittedFold
from comodal.explain.critic import PointwiseCritic
from comodal.explain.representations import Representations

__all__ = ["DONORS", "exchanged", "exchanged_inputs", "mean_over_donors"]

DONORS = 200
"""Most donors of an utterance."""

TUPLES = 4_000_000
FEWEST = 20


def mean_over_donors(
    score: Callable[[Tensor], Tensor], n: int, *, donors: int, generator: torch.Generator
) -> tuple[Tensor, int]:
    """Mean score of each utterance over donors, never itself: exact over all others where ``donors`` allows.

    Donors are those at so many places further on in one random cyclic order; the distances are drawn without
    repeats, so an utterance has no donor twice, and any other utterance is as likely as the next.

    Args:
        score: donor of each utterance ``(N,)`` to score of each ``(N,)``.
        n: N, at least 2.
        donors: most donors an utterance.
        generator: source of randomness.

    Returns:
        ``(N,)``, and the number of donors.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 6.0])
        >>> mean_over_donors(lambda donor: values[donor], 3, donors=9, generator=torch.Generator())
        (tensor([4.0000, 3.5000, 1.5000]), 2)
    """
    order = torch.randperm(n, generator=generator)
    distances = (1 + torch.randperm(n - 1, generator=generator))[:donors].tolist()
    total = torch.zeros(n, dtype=torch.float64)
    for distance in distances:
        donor = torch.empty_like(order).scatter_(0, order, order.roll(-distance))
        total += score(donor)
    return (total / len(distances)).float(), len(distances)


def exchanged(
    critic: PointwiseCritic, views: Representations, *, donors: int = DONORS, seed: int = 0
) -> tuple[dict[str, Tensor], int]:
    """The mean dependency of each utterance with each modality in turn another utterance's.

    The representation is exchanged, which is what the model would make of the other utterance's modality: every
    architecture makes it of that modality alone.

    Args:
        critic: of the modalities.
        views: N utterances, at least 2.
        donors: most donors of an utterance; fewer where there are so many utterances that it would take minutes.
        seed: of the donors.

    Returns:
        Modality to ``(N,)``, and the number of donors.
    """
    scaled = critic.prepare(views.compared(critic.between))
    count = min(donors, max(FEWEST, TUPLES // (len(views) * len(critic.names))))

    def mean(place: int) -> tuple[Tensor, int]:
        def score(donor: Tensor) -> Tensor:
            rows = aligned_rows(scaled).clone()
            rows[place] = donor
            return critic.of_rows(scaled, rows)

        generator = torch.Generator().manual_seed(seed)
        return mean_over_donors(score, len(views), donors=count, generator=generator)

    found = {name: mean(place) for place, name in enumerate(critic.names)}
    return {name: values for name, (values, _) in found.items()}, min(count, len(views) - 1)


def exchanged_inputs(
    critic: PointwiseCritic, fitted: FittedFold, *, split: str = "test", donors: int = FEWEST, seed: int = 0
) -> tuple[dict[str, Tensor], int]:
    """The same through the model, for a critic that also sees the fused representation: a pass for every donor."""
    rows = torch.from_numpy(fitted.fold.partition.splits[split])
    modalities = list(fitted.fold.view.spec.modalities)

    def mean(name: str) -> tuple[Tensor, int]:
        def score(donor: Tensor) -> Tensor:
            output: FusionOutput = fitted.model(_mixed(fitted, rows, name, donor))
            return critic(views_of(output, between=critic.between))

        generator = torch.Generator().manual_seed(seed)
        return mean_over_donors(score, len(rows), donors=donors, generator=generator)

    with torch.no_grad():
        found = {name: mean(name) for name in modalities}
    return {name: values for name, (values, _) in found.items()}, min(donors, len(rows) - 1)


def _mixed(fitted: FittedFold, rows: Tensor, name: str, donor: Tensor) -> MultimodalBatch:
    batch = fitted.fold.view[rows]
    sequence = batch.modalities[name]
    given = ModalitySequence(sequence.values[donor], sequence.mask[donor])
    return MultimodalBatch(batch.id, {**batch.modalities, name: given}, batch.target)
