"""Explain a run: each sample by the model and the critic that were not trained on it.

Axis legend: N samples, B of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import Attribution, DatasetSpec, ExplanationTable, InputError, MultimodalBatch
from comodal.data.dataset import Dataset
from comodal.dependency.catalog import measure_spec
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.grid import Arm
from comodal.evaluation.runs import RunSet, SavedRun, choose_run
from comodal.explain.attribution import attributions_of, integrated_gradients
from comodal.explain.critic import PointwiseCritic, fit_afterwards, from_penalty
from comodal.explain.exchange import DONORS, exchanged, exchanged_inputs
from comodal.explain.partition_tables import joined_tables, partition_table
from comodal.explain.ranking import rankings
from comodal.explain.representation_file import require_enough
from comodal.explain.representations import represent, represent_training, without_each
from comodal.fusion import fusion_family

__all__ = ["Explanation", "ExplanationConfig", "critic_of", "explain", "explained_run"]

Names = dict[str, Sequence[str]]
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
        output: name of the class, label or output to explain; empty for the most probable class or label of each
            sample, or for every one of several numbers.
    """

    fit_critic: str = ""
    donors: int = DONORS
    attributions: int = 100
    map: str = "pca"
    seed: int = 0
    output: str = ""

    def __post_init__(self) -> None:
        if self.donors < 1:
            raise InputError(f"donors is {self.donors}: give 1 or more", code="out_of_range")
        if self.attributions < 0:
            raise InputError(f"attributions is {self.attributions}: give 0 or more", code="out_of_range")


class Explanation(NamedTuple):
    """An explanation of every test sample, and attributions of some predictions."""

    table: ExplanationTable
    attributions: tuple[Attribution, ...] = ()


def explained_run(runs: RunSet, *, arm: str = "", seed: int | None = None) -> SavedRun:
    """Return the run of an arm such as ``"early/kl"``; by default the first with a critic, or else the first.

    Raises:
        InputError: no such arm or seed.
    """
    first = next((run.arm for run in runs.runs if _scores_samples(run.arm)), runs.runs[0].arm)
    return choose_run(runs.runs, arm=arm or first.name, seed=seed, where=runs.folder)


def _scores_samples(arm: Arm) -> bool:
    return arm.has_penalty and measure_spec(arm.measure).facts.pointwise is not None


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
    train, valid = (each.compared(between) for each in (represent_training(fitted), represent(fitted, "valid")))
    return fit_afterwards(train, measure=config.fit_critic, seed=config.seed, validation=valid, between=between)


def explain(runs: RunSet, run: SavedRun, config: ExplanationConfig | None = None) -> Explanation:
    """Explain the test part of every partition of a run.

    Each sample is explained by the model that was neither trained nor selected on it. Percentiles are within a
    partition, because critics of different models have different scales.

    Raises:
        InputError: the run kept no weights, has no critic and none is to be fitted, explains too few samples, or has
            no such output.
    """
    config = config or ExplanationConfig()
    if config.output:
        runs.dataset.spec.task.output_number(config.output)
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
        "output": config.output,
    }
    table = joined_tables(parts, {**known, **facts})
    found = tuple(_attributed(runs, run, _chosen(table, config.attributions))) if config.attributions else ()
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


def _chosen(table: ExplanationTable, length: int) -> dict[str, list[int]]:
    """Return id of the samples on the rank lists to the numbers of their explained outputs."""
    explained = table.explained.tolist()
    return {str(table.id[row]): explained[row] for ranking in rankings(table, length) for row in ranking.rows.tolist()}


def _attributed(runs: RunSet, run: SavedRun, outputs: Mapping[str, Sequence[int]]) -> Iterator[Attribution]:
    for fitted in runs.fitted(run):
        rows = fitted.fold.partition.test
        wanted = rows[np.isin(runs.dataset.id[rows].astype(str), list(outputs))]
        words = _frame_words(runs.dataset, fitted)
        for some in torch.split(torch.from_numpy(wanted), _AT_ONCE):
            if len(some):
                batch = fitted.fold.view[some]
                numbers = torch.tensor([outputs[str(name)] for name in batch.id])
                for each in numbers.T:
                    yield from _of_output(fitted, batch, each, words(some))


def _of_output(fitted: FittedFold, batch: MultimodalBatch, output: Tensor, words: list[Names]) -> list[Attribution]:
    """Return the attributions of one output ``(B,)`` of each sample."""
    task, tokens = fitted.task, fitted.fold.view.spec.tokens
    found = integrated_gradients(fitted.model, batch, task=task, output=output, tokens=tokens)
    names = [task.all_names[number] for number in output.tolist()] if task.all_names else ()
    return attributions_of(batch, found, words, outputs=names, pieces=tokens is not None)


def _frame_words(dataset: Dataset, fitted: FittedFold) -> Callable[[Tensor], list[Names]]:
    """Return a function that names the frames of rows ``(B,)``: modality to names, for each sample.

    Frames are the word pieces that a language model reads; else the words of the transcript, for the text and
    modalities aligned with it, if they are as many as the words and the data set has more than one frame per sample.
    """
    family = fusion_family(fitted.config.fusion)
    if family.tokenizer is not None:
        to_pieces = family.tokenizer(fitted.config.build_fusion_config()).convert_ids_to_tokens
        return lambda rows: _pieces(fitted.fold.view[rows], to_pieces)
    if dataset.transcript is None:
        return lambda rows: [{} for _ in rows]
    named = _word_by_word(fitted.fold.view.spec)
    said = dataset.transcript
    return lambda rows: [dict.fromkeys(named, tuple(str(said[row] or "").split())) for row in rows.tolist()]


def _word_by_word(spec: DatasetSpec) -> tuple[str, ...]:
    sequences = [name for name, longest in spec.max_lengths.items() if longest > 1]
    return tuple(name for name in sequences if name == "text" or spec.aligned)


def _pieces(batch: MultimodalBatch, to_pieces: Callable[[list[int]], list[str]]) -> list[Names]:
    text = batch.modalities["text"]
    pieces = [to_pieces(ids[mask].tolist()) for ids, mask in zip(text.values[..., 0], text.mask, strict=True)]
    return [dict.fromkeys(batch.modalities, names) for names in pieces]
