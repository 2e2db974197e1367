"""Runs in many scenarios: each checkpoint is read once, each clean modality encoded once, each prediction made once.

Axis legend: R runs, N utterances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError, MultimodalBatch
from comodal.encoders import encode_once
from comodal.evaluation.fitted import STANDARDIZER, WEIGHTS, FittedFold
from comodal.evaluation.pool import in_processes, one_thread
from comodal.evaluation.runs import RunSet, SavedRun, open_runs
from comodal.evaluation.scenario_predictions import ScenarioPredictions
from comodal.evaluation.scenarios import Scenario, Variants
from comodal.fusion import fusion_family
from comodal.training.data import EVALUATION_BATCH

__all__ = ["ScenarioRun", "predict_scenarios", "run_scenarios"]

_FORMAT = b"1"  # another number when a corruption changes its meaning: what was predicted before is then of no use
_TOGETHER = 8  # runs that share each corrupted batch


@dataclass(frozen=True)
class ScenarioRun:
    """A run, the scenarios it is wanted in, and the file of its predictions."""

    run: SavedRun
    scenarios: tuple[Scenario, ...]
    path: Path

    @property
    def names(self) -> list[str]:
        """Names of the scenarios."""
        return [scenario.name for scenario in self.scenarios]


def predict_scenarios(
    found: RunSet, runs: Sequence[SavedRun], scenarios: Sequence[Scenario]
) -> list[ScenarioPredictions]:
    """What runs predict on their test parts in every scenario.

    Args:
        found: where the runs are from.
        runs: R runs of one architecture on the same modalities; all of their models of a partition are in memory.
        scenarios: all of them must suit the data of these runs.

    Returns:
        One a run, in order.

    Raises:
        InputError: a run kept no weights, or a corruption that makes no sense for its data.
    """
    rows, positions, columns = [], [], []
    for position, fitted in enumerate(zip(*map(found.fitted, runs), strict=True)):
        part = _Partition(position, fitted)
        rows.append(part.rows)
        positions.append(np.full(len(part.rows), position))
        columns.append(part.predictions(scenarios))
    order = np.concatenate(rows)
    return [
        ScenarioPredictions(
            id=found.dataset.id[order].astype(str),
            group=found.dataset.group[order].astype(str),
            target=found.dataset.target[order],
            partition=np.concatenate(positions),
            prediction={each.name: np.concatenate([part[each.name][k] for part in columns]) for each in scenarios},
            digest=_digest(run),
        )
        for k, run in enumerate(runs)
    ]


@dataclass(frozen=True)
class _Partition:
    position: int
    fitted: tuple[FittedFold, ...]

    @property
    def rows(self) -> NDArray[np.int64]:
        return self.fitted[0].fold.partition.test

    def predictions(self, scenarios: Sequence[Scenario]) -> dict[str, NDArray[np.float32]]:
        """Name of the scenario to ``(R, n)``, n the utterances of the test part."""
        found: dict[str, list[NDArray[np.float32]]] = {scenario.name: [] for scenario in scenarios}
        view = self.fitted[0].fold.view
        with torch.inference_mode():
            for number, rows in enumerate(_batches(self.rows)):
                variants = Variants(view[rows], partition=self.position, number=number, tokens=view.spec.tokens)
                for name, values in self._batch(variants, scenarios):
                    found[name].append(values)
        return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}

    def _batch(self, variants: Variants, scenarios: Sequence[Scenario]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        with ExitStack() as stack:
            for each in self.fitted:
                stack.enter_context(encode_once(each.model, variants.shared))
            for scenario in scenarios:
                batch = variants.of(scenario)
                yield scenario.name, np.stack([_predicted(each, batch) for each in self.fitted])


def _predicted(fitted: FittedFold, batch: MultimodalBatch) -> NDArray[np.float32]:
    prediction: NDArray[np.float32] = fitted.model(batch).logits.squeeze(1).float().cpu().numpy()
    return prediction


def _batches(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """As in evaluation, but that none is of a single utterance: it would have no other to be swapped with."""
    starts = list(range(0, len(rows), EVALUATION_BATCH))
    if len(starts) > 1 and len(rows) - starts[-1] == 1:
        starts.pop()
    return np.split(rows, starts[1:])


def run_scenarios(
    found: RunSet,
    wanted: Sequence[ScenarioRun],
    *,
    source: str | None = None,
    replication: bool = False,
    jobs: int = 1,
    advance: Callable[[int], Any] = lambda count: None,  # noqa: ARG005 - counts for nobody
) -> None:
    """Predict whatever is not kept yet, and keep it; interrupted, the same call goes on.

    Args:
        found: where the runs are from.
        wanted: runs, their scenarios and files. A file of other weights, or one that lacks a scenario, is made again.
        source: as ``found`` was opened; not asked for with one job.
        replication: likewise.
        jobs: processes, one thread each.
        advance: called with the number of runs that are done, for a progress bar.

    Raises:
        InputError: a run kept no weights, or the data cannot be read by other processes.
    """
    todo = [each for each in wanted if not _kept(each)]
    advance(len(wanted) - len(todo))
    chunks = _chunks(todo)
    if jobs == 1 or len(chunks) < 2:
        with one_thread():
            for chunk in chunks:
                _keep(found, chunk)
                advance(len(chunk))
        return
    items = [_Work(found.folder, source, replication, chunk) for chunk in chunks]
    for item, _ in in_processes(_work, items, jobs):
        advance(len(item.chunk))


@dataclass(frozen=True)
class _Work:
    folder: Path
    source: str | None
    replication: bool
    chunk: tuple[ScenarioRun, ...]


def _work(item: _Work) -> None:
    _keep(_opened(item.folder, item.source, item.replication), item.chunk)


@lru_cache(maxsize=1)
def _opened(folder: Path, source: str | None, replication: bool) -> RunSet:
    return open_runs(folder, source=source, replication=replication)


def _keep(found: RunSet, chunk: Sequence[ScenarioRun]) -> None:
    made = predict_scenarios(found, [each.run for each in chunk], chunk[0].scenarios)
    for each, predictions in zip(chunk, made, strict=True):
        write_atomic(each.path, predictions.to_parquet)


def _chunks(todo: Sequence[ScenarioRun]) -> list[tuple[ScenarioRun, ...]]:
    """Runs that read the same tensors in the same scenarios; a language model is large enough to be alone."""
    alike: dict[tuple[str, str, tuple[Scenario, ...]], list[ScenarioRun]] = {}
    for each in todo:
        alike.setdefault((each.run.arm.fusion, each.run.arm.modality, each.scenarios), []).append(each)
    chunks = []
    for (fusion, _, _), group in alike.items():
        size = _TOGETHER if fusion_family(fusion).tokenizer is None else 1
        chunks += [tuple(group[start : start + size]) for start in range(0, len(group), size)]
    return chunks


def _kept(wanted: ScenarioRun) -> bool:
    digest = _digest(wanted.run)
    try:
        return ScenarioPredictions.from_parquet(wanted.path).holds(wanted.names, digest)
    except InputError:
        return False


def _digest(run: SavedRun) -> str:
    """Of the weights and the statistics of every partition.

    Raises:
        InputError: they were not kept.
    """
    digest = hashlib.blake2b(_FORMAT, digest_size=16)
    for folder in run.folders:
        for name in (WEIGHTS, STANDARDIZER):
            try:
                digest.update((folder / name).read_bytes())
            except FileNotFoundError as error:
                raise InputError(
                    f"{folder / name}: the run kept no weights; train again (a comparison: no --no-weights)"
                ) from error
    return digest.hexdigest()
