"""Scorers of pairings: critics, and linear CCA as a baseline.

A scorer takes tuples ``(M, k)``, the test row of each modality, and returns their dependency ``(k,)``. In every model
the representation of a modality depends on that modality alone, so tuples are formed from representations and the model
runs once. Only a critic of the fused representation needs one run per tuple.

Axis legend: n test samples, M modalities, k tuples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import InputError, MultimodalBatch
from comodal.dependency import views_of
from comodal.dependency.estimation import EstimationConfig
from comodal.dependency.fitting import FitConfig
from comodal.evaluation.fitted import FittedFold
from comodal.explain.broken_pairs import rearranged
from comodal.explain.critic import PointwiseCritic, fit_afterwards, from_penalty
from comodal.explain.linear_cca import choose_cca
from comodal.explain.representations import represent, represent_batches, represent_training

__all__ = ["CCA", "CRITIC", "FEATURE_CCA", "FITTED_CRITIC", "RowScorer", "cca_scorer", "critic_scorer", "scorers_of"]

CRITIC, FITTED_CRITIC = "critic", "critic fitted afterwards"
CCA, FEATURE_CCA = "linear CCA", "linear CCA of features"
RowScorer = Callable[[Tensor], Tensor]
"""Function from tuples ``(M, k)``, the row of each modality, to dependency ``(k,)``, low where modalities disagree."""
Views = Mapping[str, Tensor]
_CHUNK = 4096
# Few steps suffice, because the fit starts from the closed form for Gaussians.
_QUICK = EstimationConfig(validation_tuples=4000, fit=FitConfig(steps=100, checks=10, batch_size=128))


def scorers_of(
    fitted: FittedFold, rows: NDArray[np.int64], *, measure_to_fit: str | None
) -> tuple[dict[str, RowScorer], dict[str, str]]:
    """Return the scorers of one partition, and a note on each; tuples refer to ``rows`` of the data set.

    Raises:
        InputError: the model has only one modality, or there is no critic.
    """
    names = list(fitted.fold.view.spec.modalities)
    if len(names) < 2:
        raise InputError(f"this run has only the modality {names[0]!r}: choose another arm (--arm)", code="unsupported")
    critic = from_penalty(fitted) if fitted.has_critic or not measure_to_fit else None
    parts = represent_training(fitted), represent(fitted, "valid")
    train, valid = ({name: part.views[name] for name in names} for part in parts)
    output = represent_batches(fitted.model, [fitted.fold.view[rows]], group=fitted.fold.groups[rows], task=fitted.task)
    views = {name: output.views[name] for name in names}
    scorers: dict[str, RowScorer] = {}
    notes: dict[str, str] = {}
    if critic is not None:
        scorers[CRITIC] = _critic(critic, fitted, rows, views)
        notes[CRITIC] = f"{critic.measure}, {critic.origin}"
    if measure_to_fit:
        scorers[FITTED_CRITIC], notes[FITTED_CRITIC] = critic_scorer(train, valid, views, measure=measure_to_fit)
    scorers[CCA] = cca_scorer(train, valid, views)
    return scorers | _of_features(fitted, rows), notes


def critic_scorer(
    train: Views, valid: Views | None, views: Views, *, measure: str, seed: int = 0
) -> tuple[RowScorer, str]:
    """Return a critic fitted on representations, and a note on it.

    ``train`` is fitted on, ``valid`` (default: a part of ``train``) selects the weights, ``views`` are the test
    samples.
    """
    critic = fit_afterwards(train, measure=measure, seed=seed, validation=valid, config=_QUICK)
    return partial(critic.of_rows, critic.prepare(views)), critic.measure


def cca_scorer(train: Views, valid: Views, views: Views) -> RowScorer:
    """Return linear CCA of representations, its ridge selected on ``valid``; arguments: see :func:`critic_scorer`."""
    cca = choose_cca(train, valid)
    return partial(cca.of_rows, cca.prepare(views))


def _critic(
    critic: PointwiseCritic, fitted: FittedFold, rows: NDArray[np.int64], views: Mapping[str, Tensor]
) -> RowScorer:
    if critic.between != "modalities":
        return partial(_through_the_model, critic, fitted, fitted.fold.view[rows])
    places = [list(views).index(name) for name in critic.names]
    prepared = critic.prepare(views)
    return lambda tuples: critic.of_rows(prepared, tuples[places])


def _through_the_model(critic: PointwiseCritic, fitted: FittedFold, batch: MultimodalBatch, tuples: Tensor) -> Tensor:
    found = []
    for piece in torch.split(tuples, _CHUNK, dim=1):
        chosen = dict(zip(batch.modalities, piece, strict=True))
        found.append(critic(views_of(fitted.model(rearranged(batch, chosen)), between=critic.between)))
    return torch.cat(found)


def _of_features(fitted: FittedFold, rows: NDArray[np.int64]) -> dict[str, RowScorer]:
    """Return linear CCA of standardised features averaged over frames; empty where a modality is word pieces."""
    batch = fitted.fold.view[rows]
    if not all(sequence.values.is_floating_point() for sequence in batch.modalities.values()):
        return {}
    parts = fitted.fold.partition
    training = np.concatenate([parts.train, parts.unlabelled])
    cca = choose_cca(_means(fitted.fold.view[training]), _means(fitted.fold.view[parts.valid]))
    return {FEATURE_CCA: partial(cca.of_rows, cca.prepare(_means(batch)))}


def _means(batch: MultimodalBatch) -> dict[str, Any]:
    """Return the mean over valid frames, ``(n, d_m)``."""
    return {
        name: (each.values * each.mask.unsqueeze(-1)).sum(dim=1) / each.mask.sum(dim=1, keepdim=True).clamp(min=1)
        for name, each in batch.modalities.items()
    }
