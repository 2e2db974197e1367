"""Open the finished runs in a folder of `comodal train` or `comodal compare`, with their data and models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comodal.contracts import InputError, PredictionTable, Task
from comodal.contracts.json_records import read_json
from comodal.contracts.tasks import task_from_dict
from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.data.standardize import Standardizer
from comodal.evaluation.data_config import data_of_run
from comodal.evaluation.fitted import STANDARDIZER, WEIGHTS, FittedFold, load_fitted
from comodal.evaluation.grid import Arm, Trial, arms_of
from comodal.fusion import fusion_family
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare_with
from comodal.training.run_folder import METRICS, read_config

__all__ = [
    "PREDICTIONS",
    "RESULT",
    "SELECTION",
    "START",
    "SUMMARY",
    "RunSet",
    "SavedRun",
    "choose_run",
    "find_runs",
    "open_runs",
    "tokenizer_key",
]

PREDICTIONS = "predictions.parquet"
RESULT = "result.json"
START = "start"
"""Key of a run's configuration: digest of the weights that its encoders started from."""
SELECTION = "selection.json"
SUMMARY = "summary.json"
_RESUME = "start the command that made it again, which resumes from there"


@dataclass(frozen=True)
class SavedRun:
    """One seed of one arm: a model for every partition of the data set.

    Attributes:
        arm: its arm.
        weight: weight of the penalty, the mean over partitions when they chose separately.
        seed: seed that pairs it with the same seed of other arms.
        configs: configuration of the model of each partition.
        folders: folder of the weights of each partition.
        tables: files of the predictions.
    """

    arm: Arm
    weight: float
    seed: int
    configs: tuple[RunConfig, ...]
    folders: tuple[Path, ...]
    tables: tuple[Path, ...]

    def predictions(self) -> PredictionTable:
        """Read the saved predictions on the test part of every partition."""
        return PredictionTable.concatenate([PredictionTable.from_parquet(path) for path in self.tables])

    @property
    def has_weights(self) -> bool:
        """Return whether the weights of all its models were saved."""
        return all((folder / WEIGHTS).exists() for folder in self.folders)


@dataclass(frozen=True)
class RunSet:
    """The finished runs of a folder, and the data they share.

    Attributes:
        folder: their folder.
        dataset: the data set that all were trained on.
        runs: ordered by arm, as in the table of the comparison, then by seed.
    """

    folder: Path
    dataset: Dataset
    runs: tuple[SavedRun, ...]
    _folds: dict[tuple[str, str, int], FoldData] = field(default_factory=dict, repr=False)

    def arms(self) -> dict[Arm, list[SavedRun]]:
        """Return the runs of every arm, in order."""
        found: dict[Arm, list[SavedRun]] = {}
        for run in self.runs:
            found.setdefault(run.arm, []).append(run)
        return found

    def fitted(self, run: SavedRun) -> Iterator[FittedFold]:
        """Yield the model of every partition, loaded on demand; data are standardised once for all runs."""
        for position, (config, folder) in enumerate(zip(run.configs, run.folders, strict=True)):
            if not (folder / WEIGHTS).exists():
                message = f"{folder / WEIGHTS}: weights are missing; train again (a comparison: no --no-weights)"
                raise InputError(message, code="missing")
            yield load_fitted(self._fold(run, position), config, folder)

    def _fold(self, run: SavedRun, position: int) -> FoldData:
        config = run.configs[position]
        key = (tokenizer_key(config), run.arm.modality, position)
        if key not in self._folds:
            standardizer = Standardizer.load(run.folders[position] / STANDARDIZER)
            partition = self.dataset.partitions[position]
            self._folds[key] = prepare_with(self.dataset, partition, config, standardizer, modality=run.arm.modality)
        return self._folds[key]


def tokenizer_key(config: RunConfig) -> str:
    """Return a key of the tensors that a model reads: empty for features, its own for a language model."""
    return json.dumps([config.fusion, config.fusion_config]) if fusion_family(config.fusion).tokenizer else ""


def open_runs(folder: str | Path, *, source: str | Dataset | None = None, replication: bool = False) -> RunSet:
    """Return the finished runs of a folder with their data.

    Args:
        folder: folder of `comodal train` or `comodal compare`.
        source: other data with the same modalities and partitions; the data of the runs when not given.
        replication: the replication of a comparison instead of its first runs.

    Raises:
        InputError: not such a folder, no finished run in it, or data that cannot be read.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.data_config import DataConfig
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.training.config import TrainingConfig
        >>> folder = tempfile.mkdtemp()
        >>> short = RunConfig(training=TrainingConfig(max_epochs=1))
        >>> report = train(DataConfig(source="synthetic"), short, out=folder)
        >>> [(run.arm.fusion, run.seed) for run in open_runs(folder).runs]
        [('early', 0)]
    """
    path = Path(folder)
    config = read_config(path)
    data, task = config.pop("data"), task_from_dict(config.pop("task", {}))
    config.pop(START, None)
    if "runs" in config:
        dataset = _load_data(path, data, source, task)
        stage = "replication" if replication else "runs"
        return RunSet(path, dataset, _compared(path, config, len(dataset.partitions), stage))
    if replication:
        message = f"{path}: a single run has no replication; give a folder of `comodal compare --replicate`"
        raise InputError(message, code="missing")
    _require_finished(path)
    if not task.predicts:
        raise InputError(
            f"{path}: was trained without a task and predicts nothing; fit a probe on its representations "
            f"(comodal probe {path})",
            code="unsupported",
        )
    dataset = _load_data(path, data, source, task)
    folders = tuple(path / partition.name for partition in dataset.partitions)
    return RunSet(path, dataset, (_trained(path, RunConfig.from_dict(config), folders),))


def choose_run(runs: Iterable[SavedRun], *, arm: str, seed: int | None, where: Path) -> SavedRun:
    """Return the run of an arm, such as ``early/kl``, and of a seed, the lowest for ``None``."""
    by_arm: dict[str, dict[int, SavedRun]] = {}
    for run in runs:
        by_arm.setdefault(run.arm.name, {})[run.seed] = run
    if arm not in by_arm:
        raise InputError.unknown("arm", arm, by_arm, where=str(where))
    seeds = by_arm[arm]
    if seed is not None and seed not in seeds:
        raise InputError.unknown("seed", seed, sorted(seeds), where=f"{where}, {arm}")
    return seeds[min(seeds) if seed is None else seed]


def find_runs(folder: str | Path) -> tuple[SavedRun, ...]:
    """Return the finished runs of a folder with weights, without opening their data, which may be gone.

    The number of folds follows from the saved weights.
    """
    path = Path(folder)
    config = read_config(path)
    for name in ("data", "task", START):
        config.pop(name, None)
    if "runs" in config:
        folds = len({weights.parent.name for weights in path.glob(f"runs/*/*/seed-*/part-*/{WEIGHTS}")})
        found = _compared(path, config, folds, "runs") if folds else ()
    else:
        _require_finished(path)
        folders = sorted((weights.parent for weights in path.glob(f"*/{WEIGHTS}")), key=_number)
        found = (_trained(path, RunConfig.from_dict(config), tuple(folders)),) if folders else ()
    found = tuple(run for run in found if run.has_weights)
    if not found:
        message = f"{path}: no finished run has saved weights; train again (a comparison: no --no-weights)"
        raise InputError(message, code="missing")
    return found


def _number(folder: Path) -> tuple[int, str]:
    """Sort fold 10 after fold 9."""
    digits = "".join(filter(str.isdigit, folder.name))
    return int(digits or 0), folder.name


def _require_finished(path: Path) -> None:
    if not (path / METRICS).exists():
        raise InputError(f"{path}: not a finished run; {_RESUME}", code="missing")


def _trained(path: Path, config: RunConfig, folders: tuple[Path, ...]) -> SavedRun:
    arm = Arm(config.fusion, config.penalty.measure)
    weight = config.penalty.weight if arm.has_penalty else 0.0
    return SavedRun(arm, weight, config.seed, (config,) * len(folders), folders, (path / PREDICTIONS,))


def _compared(path: Path, config: Mapping[str, Any], partitions: int, stage: str) -> tuple[SavedRun, ...]:
    if not (path / SELECTION).exists():
        raise InputError(f"{path}: no finished run; {_RESUME}", code="missing")
    selection = read_json(path / SELECTION)
    bases = {fusion: RunConfig.from_dict(values) for fusion, values in config["runs"].items()}
    seeds = sorted({int(folder.name.removeprefix("seed-")) for folder in (path / stage).glob("*/*/seed-*")})
    found = []
    for arm in arms_of(config["fusions"], config["measures"], selection["single_modality"]):
        weights = selection["weights"].get(arm.name, [0.0] * partitions)
        for seed in seeds:
            trials = [Trial(arm, weight, seed, part, reads_test=True) for part, weight in enumerate(weights)]
            folders = tuple(trial.folder(path / stage) for trial in trials)
            if not all((folder / RESULT).exists() for folder in folders):
                continue  # a partition of this seed is not finished
            configs = tuple(trial.config(bases[arm.fusion]) for trial in trials)
            tables = tuple(folder / PREDICTIONS for folder in folders)
            found.append(SavedRun(arm, sum(weights) / len(weights), seed, configs, folders, tables))
    if not found:
        raise InputError(f"{path}: no finished run in {stage!r}; {_RESUME}", code="missing")
    return tuple(found)


def _load_data(path: Path, config: dict[str, Any], source: str | Dataset | None, task: Task) -> Dataset:
    dataset = _found_data(path, config, source, task if task.classes else None)
    given = dataset.spec.task
    if (given.width, given.classes) != (task.width, task.classes):
        raise InputError(
            f"{dataset.spec.name}: {given.kind} of {given.width} outputs ({', '.join(given.classes)}), but {path} is "
            f"of {task.kind} of {task.width} ({', '.join(task.classes)}); give data of that task",
            code="mismatch",
        )
    return dataset


def _found_data(path: Path, config: dict[str, Any], source: str | Dataset | None, task: Task | None) -> Dataset:
    if isinstance(source, Dataset):
        return load(source)
    return data_of_run(config, source=source, where=path).load(task=task)
