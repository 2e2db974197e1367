"""Explain a run: each sample by the model and the critic that were not trained on it.

Axis legend: N samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import Attribution, ExplanationTable, InputError
from comodal.data.dataset import Dataset
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.runs import RunSet, SavedRun, choose_run
from comodal.explain.attribution import attributions_of, integrated_gradients
from comodal.explain.critic import PointwiseCritic, fit_afterwards, from_penalty
from comodal.explain.exchange import DONORS, exchanged, exchanged_inputs
from comodal.explain.frame_words import frame_words
from comodal.explain.partition_tables import joined_tables, partition_table
from comodal.explain.ranking import rankings
from comodal.explain.removal import without_each
from comodal.explain.representation_file import require_enough
from comodal.explain.representations import represent

__all__ = ["Explanation", "ExplanationConfig", "critic_of", "explain", "explained_run"]

_AT_ONCE = 128


@dataclass(frozen=True, kw_only=True)
class ExplanationConfig:
    """Options of an explanation.

    Attributes:
        fit_critic: dependency measure of a critic to fit afterwards; empty for the critic trained with the model.
        donors: largest number of other samples that a modality is taken from.
        attributions: how many samples of each rank list get attributions; 0 for none.
        map: ``pca`` or ``umap``.
        seed: of donors and of a critic fitted afterwards.
    """

    fit_critic: str = ""
    donors: int = DONORS
    attributions: int = 100
    map: str = "pca"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.donors < 1:
            raise InputError(f"donors is {self.donors}: give 1 or more", code="out_of_range")
        if self.attributions < 0:
            raise InputError(f"attributions is {self.attributions}: give 0 or more", code="out_of_range")


@dataclass(frozen=True, eq=False)
class Explanation:
    """An explanation of every test sample, and attributions of some predictions."""

    table: ExplanationTable
    attributions: tuple[Attribution, ...] = ()


def explained_run(runs: RunSet, *, arm: str = "", seed: int | None = None) -> SavedRun:
    """Return the run to explain.

    Args:
        runs: at least one.
        arm: ``fusion/measure``, such as ``"early/kl"``; default: the first with a penalty, or else the first.
        seed: default: the lowest.

    Raises:
        InputError: no such arm or seed.
    """
    first = next((run.arm for run in runs.runs if run.arm.has_penalty), runs.runs[0].arm)
    return choose_run(runs.runs, arm=arm or first.name, seed=seed, where=runs.folder)


def critic_of(fitted: FittedFold, config: ExplanationConfig) -> PointwiseCritic:
    """Return the critic of one partition: trained with the model, or fitted on its training part now.

    Raises:
        InputError: the run has no critic and none is to be fitted, or it has a single modality.
    """
    if len(fitted.fold.view.spec.modalities) < 2:
        raise InputError("this run has only one modality: choose another arm (--arm)", code="unsupported")
    if not config.fit_critic:
        return from_penalty(fitted)
    between = fitted.config.penalty.between
    train, valid = (represent(fitted, split).compared(between) for split in ("train", "valid"))
    return fit_afterwards(train, measure=config.fit_critic, seed=config.seed, validation=valid, between=between)


def explain(runs: RunSet, run: SavedRun, config: ExplanationConfig | None = None) -> Explanation:
    """Explain the test part of every partition of a run.

    Each sample is explained by the model that was neither trained nor selected on it. Percentiles are within a
    partition, because critics of different models have different scales.

    Args:
        runs: of a folder, with their data.
        run: one of them.
        config: options.

    Raises:
        InputError: the run kept no weights, has no critic and none is to be fitted, or explains too few samples.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.evaluation.runs import open_runs
        >>> from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
        >>> folder, training = tempfile.mkdtemp(), TrainingConfig(max_epochs=1)
        >>> short = RunConfig(penalty=PenaltyConfig(measure="kl", weight=0.1), training=training)
        >>> _ = train(DataConfig(source="synthetic:redundant"), short, out=folder)
        >>> runs = open_runs(folder)
        >>> found = explain(runs, runs.runs[0], ExplanationConfig(donors=5, attributions=1))
        >>> len(found.table), found.table.facts["unit"], sorted(found.table.swapped)
        (800, 'nats', ['audio', 'text', 'vision'])
    """
    config = config or ExplanationConfig()
    facts: dict[str, Any] = {}
    parts = []
    for fitted in runs.fitted(run):
        critic = critic_of(fitted, config)
        facts |= {"measure": critic.measure, "unit": critic.unit, "critic": critic.origin, "between": critic.between}
        parts.append(_part(runs.dataset, fitted, critic, config))
    require_enough(sum(map(len, parts)), str(runs.folder))
    known = {
        "source": runs.dataset.spec.name,
        "note": runs.dataset.spec.note,
        "fusion": run.arm.label,
        "trained_with": run.arm.measure,
        "weight": run.weight,
        "seed": run.seed,
        "split": "test",
        "modalities": list(parts[0].without),
    }
    table = joined_tables(parts, {**known, **facts})
    found = tuple(_attributed(runs, run, _chosen(table, config.attributions)))
    return Explanation(table, found)


def _part(dataset: Dataset, fitted: FittedFold, critic: PointwiseCritic, config: ExplanationConfig) -> ExplanationTable:
    views = represent(fitted)
    if critic.between == "modalities":
        swapped, donors = exchanged(critic, views, donors=config.donors, seed=config.seed)
    else:
        swapped, donors = exchanged_inputs(critic, fitted, donors=config.donors, seed=config.seed)
    return partition_table(
        views,
        critic,
        swapped=swapped,
        donors=donors,
        without={name: values.numpy() for name, values in without_each(fitted).items()},
        transcript=_transcripts(dataset, fitted.fold.partition.test),
        plane=config.map,
    )


def _transcripts(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[Any]:
    if dataset.transcript is None:
        return np.full(len(rows), "")
    return np.asarray([each if isinstance(each, str) else "" for each in dataset.transcript[rows].tolist()])


def _chosen(table: ExplanationTable, length: int) -> frozenset[str]:
    rows = [ranking.rows for ranking in rankings(table, length)] if length else []
    return frozenset(table.id[np.concatenate(rows)].tolist()) if rows else frozenset()


def _attributed(runs: RunSet, run: SavedRun, ids: frozenset[str]) -> Iterator[Attribution]:
    for fitted in runs.fitted(run) if ids else ():
        spec, rows = fitted.fold.view.spec, fitted.fold.partition.test
        wanted = rows[np.isin(runs.dataset.id[rows].astype(str), list(ids))]
        words = frame_words(runs.dataset, fitted)
        for some in torch.split(torch.from_numpy(wanted), _AT_ONCE):
            if len(some):
                batch = fitted.fold.view[some]
                found = integrated_gradients(fitted.model, batch, tokens=spec.tokens)
                yield from attributions_of(batch, found, words(some), pieces=spec.tokens is not None)
