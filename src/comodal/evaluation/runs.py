"""The finished runs of a folder, be it one of `comodal train` or of `comodal compare`, with the models in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from comodal.contracts import InputError, PredictionTable
from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.data.standardize import Standardizer
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.fitted import STANDARDIZER, WEIGHTS, FittedFold, load_fitted
from comodal.evaluation.grid import NONE, Arm, Trial
from comodal.fusion import fusion_family
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare_with
from comodal.training.run_folder import METRICS, read_config, read_json

__all__ = [
    "FINGERPRINT",
    "PREDICTIONS",
    "RESULT",
    "SELECTION",
    "SUMMARY",
    "RunSet",
    "SavedRun",
    "choose_run",
    "find_runs",
    "open_runs",
]

FINGERPRINT = "fingerprint"
PREDICTIONS = "predictions.parquet"
RESULT = "result.json"
SELECTION = "selection.json"
SUMMARY = "summary.json"


@dataclass(frozen=True)
class SavedRun:
    """One seed of one arm: a model for every partition of the data set.

    Attributes:
        arm: fusion architecture, measure, and the only modality it has (empty when it has all).
        weight: the penalty's weight, the mean over partitions when each chose its own.
        seed: the number that pairs it with the other arms.
        configs: the configuration of each partition's model.
        folders: where the weights of each lie.
        tables: files of the predictions.
    """

    arm: Arm
    weight: float
    seed: int
    configs: tuple[RunConfig, ...]
    folders: tuple[Path, ...]
    tables: tuple[Path, ...]

    def predictions(self) -> PredictionTable:
        """The kept predictions on the test part of every partition."""
        return PredictionTable.concatenate([PredictionTable.from_parquet(path) for path in self.tables])

    @property
    def has_weights(self) -> bool:
        """Whether its models can be loaded."""
        return all((folder / WEIGHTS).exists() for folder in self.folders)


@dataclass(frozen=True)
class RunSet:
    """The finished runs of a folder, and the data they share.

    Attributes:
        folder: where they lie.
        dataset: the data set all were trained on.
        runs: ordered by arm, the arms as in the table of the comparison, then by seed.
        parents: label of a single-modality arm to the fusion whose reference it is compared with.
    """

    folder: Path
    dataset: Dataset
    runs: tuple[SavedRun, ...]
    parents: Mapping[str, str] = field(default_factory=dict)
    _folds: dict[tuple[str, str, int], FoldData] = field(default_factory=dict, repr=False)

    def arms(self) -> dict[Arm, list[SavedRun]]:
        """The runs of every arm, in order."""
        found: dict[Arm, list[SavedRun]] = {}
        for run in self.runs:
            found.setdefault(run.arm, []).append(run)
        return found

    def fitted(self, run: SavedRun) -> Iterator[FittedFold]:
        """The model of every partition, loaded when its turn comes; data are standardised once for all runs.

        Raises:
            InputError: the run kept no weights, or they are damaged.
        """
        for position, (config, folder) in enumerate(zip(run.configs, run.folders, strict=True)):
            if not (folder / WEIGHTS).exists():
                raise InputError(
                    f"{folder / WEIGHTS}: weights are missing or damaged; train again (a comparison: no --no-weights)"
                )
            yield load_fitted(self._fold(run, position), config, folder)

    def _fold(self, run: SavedRun, position: int) -> FoldData:
        config = run.configs[position]
        # A language model's word pieces are its own; every other architecture reads the same tensors.
        words = json.dumps([config.fusion, config.fusion_config]) if fusion_family(config.fusion).tokenizer else ""
        key = (words, run.arm.modality, position)
        if key not in self._folds:
            standardizer = Standardizer.load(run.folders[position] / STANDARDIZER)
            partition = self.dataset.partitions[position]
            self._folds[key] = prepare_with(self.dataset, partition, config, standardizer, modality=run.arm.modality)
        return self._folds[key]


def open_runs(folder: str | Path, *, source: str | Dataset | None = None, replication: bool = False) -> RunSet:
    """Find the finished runs of a folder.

    Args:
        folder: what `comodal train` or `comodal compare` wrote.
        source: other data with the same modalities and partitions; the runs' own when not given.
        replication: the runs of a comparison on fresh seeds instead of the first ones.

    Raises:
        InputError: not such a folder, no finished run in it, or data that cannot be read.

    Example:
        >>> import tempfile
        >>> from comodal.evaluation.experiment import train
        >>> from comodal.training.config import TrainingConfig
        >>> folder = tempfile.mkdtemp()
        >>> short = RunConfig(training=TrainingConfig(max_epochs=1))
        >>> report = train(DataConfig(source="synthetic"), short, out=folder)
        >>> [(run.arm.fusion, run.seed) for run in open_runs(folder).runs]
        [('early', 0)]
    """
    path = Path(folder)
    kept = read_config(path)
    data = kept.pop("data")
    if "runs" in kept:
        return _comparison(path, kept, _data(path, data, source), "replication" if replication else "runs")
    if replication:
        raise InputError(f"{path}: a single run has no replication; give a folder of `comodal compare --replicate`")
    if not (path / METRICS).exists():
        raise InputError(
            f"{path}: not a finished run; start the command that made it again, which goes on from there",
            code="missing",
        )
    dataset = _data(path, data, source)
    folders = tuple(path / partition.name for partition in dataset.partitions)
    return RunSet(path, dataset, (_single(path, RunConfig.from_dict(kept), folders),))


def choose_run(runs: Iterable[SavedRun], *, arm: str, seed: int | None, where: Path) -> SavedRun:
    """One run by the name of its arm and its seed.

    Args:
        runs: to choose from.
        arm: ``fusion/measure``, such as ``"early/kl"``.
        seed: the arm's lowest when ``None``.
        where: their folder, for the message.

    Raises:
        InputError: no such arm, or no such seed of it.
    """
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
    """The finished runs of a folder without their data, which need not be there.

    How many folds there are, the kept weights say.

    Args:
        folder: what `comodal train` or `comodal compare` wrote.

    Raises:
        InputError: not such a folder, no finished run in it, or none that kept its weights.
    """
    path = Path(folder)
    kept = read_config(path)
    kept.pop("data", None)
    if "runs" in kept:
        folds = len({weights.parent.name for weights in path.glob(f"runs/*/*/seed-*/part-*/{WEIGHTS}")})
        found = _found(path, kept, folds, "runs") if folds else ()
    elif not (path / METRICS).exists():
        raise InputError(
            f"{path}: not a finished run; start the command that made it again, which goes on from there",
            code="missing",
        )
    else:
        folders = sorted((weights.parent for weights in path.glob(f"*/{WEIGHTS}")), key=_number)
        found = (_single(path, RunConfig.from_dict(kept), tuple(folders)),) if folders else ()
    if not found:
        raise InputError(f"{path}: no finished run kept its weights; train again (a comparison: no --no-weights)")
    return found


def _number(folder: Path) -> tuple[int, str]:
    """Fold 10 comes after fold 9."""
    digits = "".join(filter(str.isdigit, folder.name))
    return int(digits or 0), folder.name


def _single(path: Path, config: RunConfig, folders: tuple[Path, ...]) -> SavedRun:
    arm, count = Arm(config.fusion, config.penalty.measure), len(folders)
    weight = config.penalty.weight if arm.has_penalty else 0.0
    return SavedRun(arm, weight, config.seed, (config,) * count, folders, (path / PREDICTIONS,))


def _comparison(path: Path, kept: Mapping[str, Any], dataset: Dataset, stage: str) -> RunSet:
    runs = _found(path, kept, len(dataset.partitions), stage)
    single = read_json(path / SELECTION)["single_modality"]
    return RunSet(path, dataset, runs, {f"{fusion}:{name}": fusion for fusion, name in single.items()})


def _found(path: Path, kept: Mapping[str, Any], partitions: int, stage: str) -> tuple[SavedRun, ...]:
    if not (path / SELECTION).exists():
        raise InputError(
            f"{path}: no finished run; start the comparison again, which goes on from there", code="missing"
        )
    found = _Comparison(path / stage, kept, read_json(path / SELECTION), partitions).runs()
    if not found:
        raise InputError(
            f"{path}: no finished run in {stage!r}; start the comparison again, which goes on from there",
            code="missing",
        )
    return tuple(found)


@dataclass(frozen=True)
class _Comparison:
    root: Path
    kept: Mapping[str, Any]
    selection: Mapping[str, Any]
    partitions: int

    @cached_property
    def _bases(self) -> dict[str, RunConfig]:
        return {fusion: RunConfig.from_dict(values) for fusion, values in self.kept["runs"].items()}

    def runs(self) -> list[SavedRun]:
        seeds = sorted({int(folder.name.removeprefix("seed-")) for folder in self.root.glob("*/*/seed-*")})
        return [run for arm in self._arms() for seed in seeds if (run := self._run(arm, seed)) is not None]

    def _arms(self) -> Iterator[Arm]:
        measures = [NONE, *(measure for measure in self.kept["measures"] if measure != NONE)]
        for fusion in self.kept["fusions"]:
            yield from (Arm(fusion, measure) for measure in measures)
            if modality := self.selection["single_modality"].get(fusion):
                yield Arm(fusion, NONE, modality)

    def _run(self, arm: Arm, seed: int) -> SavedRun | None:
        """The run of one seed, unless a partition of it is not finished."""
        weights = self.selection["weights"].get(f"{arm.label}/{arm.measure}", [0.0] * self.partitions)
        tasks = [Trial(arm, weight, seed, part, reads_test=True) for part, weight in enumerate(weights)]
        folders = tuple(task.folder(self.root) for task in tasks)
        if not all((folder / RESULT).exists() for folder in folders):
            return None
        configs = tuple(task.config(self._bases[arm.fusion]) for task in tasks)
        tables = tuple(folder / PREDICTIONS for folder in folders)
        return SavedRun(arm, sum(weights) / len(weights), seed, configs, folders, tables)


def _data(path: Path, kept: dict[str, Any], source: str | Dataset | None) -> Dataset:
    if isinstance(source, Dataset):
        return load(source)
    if source is None and FINGERPRINT in kept:
        raise InputError(f"{path}: was trained on a data set in memory; give that data set (source=)")
    known = {key: value for key, value in kept.items() if key != FINGERPRINT}
    data = DataConfig(**known)
    return (data if source is None else dataclasses.replace(data, source=source)).load()
