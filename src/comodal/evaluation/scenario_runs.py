"""Predict with finished runs in many scenarios; checkpoints are read, and clean modalities encoded, only once.

Axis legend: R runs, n samples of a test part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError, MultimodalBatch
from comodal.encoders import encode_once
from comodal.evaluation.fitted import STANDARDIZER, WEIGHTS, FittedFold
from comodal.evaluation.pool import Advance, no_advance, run_each
from comodal.evaluation.runs import RunSet, SavedRun, open_runs
from comodal.evaluation.scenario_predictions import ScenarioPredictions
from comodal.evaluation.scenarios import Scenario, Variants
from comodal.fusion import fusion_family
from comodal.training.data import EVALUATION_BATCH

__all__ = ["ScenarioRun", "predict_scenarios", "run_scenarios", "scenario_batches"]

_FORMAT = b"1"  # raise it when the meaning of a corruption changes, so that saved predictions are made again
_TOGETHER = 8  # runs that share each corrupted batch


@dataclass(frozen=True)
class ScenarioRun:
    """A run, the scenarios to predict in, and the file of the predictions."""

    run: SavedRun
    scenarios: tuple[Scenario, ...]
    path: Path


def predict_scenarios(
    found: RunSet, runs: Sequence[SavedRun], scenarios: Sequence[Scenario]
) -> list[ScenarioPredictions]:
    """Return one table per run of one architecture and its modalities: its test parts in every scenario.

    All R models of a partition are in memory together.
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
            task=found.dataset.spec.task,
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
        """Return scenario name to ``(R, n)`` or ``(R, n, K)`` predictions."""
        found: dict[str, list[NDArray[np.float32]]] = {scenario.name: [] for scenario in scenarios}
        view = self.fitted[0].fold.view
        with torch.inference_mode():
            for number, rows in enumerate(scenario_batches(self.rows)):
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
    prediction: NDArray[np.float32] = fitted.task.predict(fitted.model(batch).logits).float().cpu().numpy()
    return prediction


def scenario_batches(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split rows into batches as evaluation does, but never leave a single sample, which could not be swapped."""
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
    advance: Advance = no_advance,
) -> None:
    """Make and save all predictions that are missing; a file of other weights, or without a scenario, is made again.

    Other processes open the runs again, with the ``source`` and ``replication`` that ``found`` was opened with.
    """
    todo = [each for each in wanted if not _is_saved(each)]
    advance(len(wanted) - len(todo))
    chunks = _chunks(todo)
    work = partial(_save, found) if jobs == 1 else partial(_open_and_save, found.folder, source, replication)
    for chunk, _ in run_each(work, chunks, jobs):
        advance(len(chunk))


def _open_and_save(folder: Path, source: str | None, replication: bool, chunk: Sequence[ScenarioRun]) -> None:
    _save(_opened(folder, source, replication), chunk)


@lru_cache(maxsize=1)
def _opened(folder: Path, source: str | None, replication: bool) -> RunSet:
    return open_runs(folder, source=source, replication=replication)


def _save(found: RunSet, chunk: Sequence[ScenarioRun]) -> None:
    made = predict_scenarios(found, [each.run for each in chunk], chunk[0].scenarios)
    for each, predictions in zip(chunk, made, strict=True):
        write_atomic(each.path, predictions.to_parquet)


def _chunks(todo: Sequence[ScenarioRun]) -> list[tuple[ScenarioRun, ...]]:
    """Group runs that read the same tensors in the same scenarios; a language model is large and runs alone."""
    alike: dict[tuple[str, str, tuple[Scenario, ...]], list[ScenarioRun]] = {}
    for each in todo:
        alike.setdefault((each.run.arm.fusion, each.run.arm.modality, each.scenarios), []).append(each)
    chunks = []
    for (fusion, _, _), group in alike.items():
        size = _TOGETHER if fusion_family(fusion).tokenizer is None else 1
        chunks += [tuple(group[start : start + size]) for start in range(0, len(group), size)]
    return chunks


def _is_saved(wanted: ScenarioRun) -> bool:
    digest = _digest(wanted.run)
    try:
        saved = ScenarioPredictions.from_parquet(wanted.path)
        return saved.digest == digest and all(each.name in saved.prediction for each in wanted.scenarios)
    except InputError:
        return False


def _digest(run: SavedRun) -> str:
    """Return a digest of the weights and training statistics of every partition."""
    digest = hashlib.blake2b(_FORMAT, digest_size=16)
    for folder in run.folders:
        for name in (WEIGHTS, STANDARDIZER):
            try:
                digest.update((folder / name).read_bytes())
            except FileNotFoundError as error:
                message = f"{folder / name}: weights were not saved; train again (a comparison: no --no-weights)"
                raise InputError(message, code="missing") from error
    return digest.hexdigest()
