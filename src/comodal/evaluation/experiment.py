"""Fit a model on a data set, predict and score its test part, and save everything in a run folder."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError, PredictionTable
from comodal.data.dataset import SPLITS, Dataset
from comodal.data.load import load
from comodal.evaluation.data_config import DataConfig, note_of
from comodal.evaluation.fitted import FittedFold, save_fitted, save_history
from comodal.evaluation.predictor import FittedPart, Predictor
from comodal.evaluation.reference_runs import reference_scores
from comodal.evaluation.runs import FINGERPRINT, PREDICTIONS, open_runs
from comodal.evaluation.score import score
from comodal.metrics import METRICS, metrics_named
from comodal.training.augment import Augmentation
from comodal.training.build import build_model, build_penalty
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, inputs, prepare, train_sampler
from comodal.training.devices import is_writer, make_accelerator, require_device
from comodal.training.fit import FitResult, fit_fold
from comodal.training.loggers import require_logger
from comodal.training.optim import build_optimizer
from comodal.training.presets import load_preset
from comodal.training.run_folder import RunFolder
from comodal.training.training_rows import TrainingRows

__all__ = ["RunReport", "evaluate", "fit", "preflight", "require_test_part", "train"]


@dataclass(frozen=True)
class RunReport:
    """Metrics and predictions of a run.

    Attributes:
        folder: where it is saved, ``None`` if nowhere.
        metrics: metric to value and 95 % interval over groups (``None`` where it does not exist), plus seconds, epochs,
            validation loss, numbers of samples (training ones with and without a label, test), a note on the data, and
            as ``references`` what :func:`~comodal.evaluation.reference_runs.reference_scores` returns.
        predictions: the test part of every partition.
    """

    folder: Path | None
    metrics: dict[str, Any]
    predictions: PredictionTable

    @property
    def no_better_than(self) -> tuple[str, ...]:
        """Name the references, ``constant`` and ``linear``, that the model does not beat in the first metric."""
        name = next(iter(self.metrics))
        sign, own = (1 if METRICS[name].higher_is_better else -1), self.metrics[name]["value"]
        known = self.metrics.get("references", {})
        others = {each: known[each][name] for each in ("constant", "linear") if name in known.get(each, ())}
        return tuple(each for each, value in others.items() if own is None or sign * own <= sign * value)


def fit(data: DataConfig | Dataset, config: RunConfig | None = None, *, progress: bool = False) -> Predictor:
    """Fit a model on the training and validation parts of a data set and return it, ready to predict.

    Writes nothing and reads no test part, which the data set need not have; :func:`train` saves, tests and scores.

    Args:
        data: where the data come from, or a data set in memory.
        config: model, penalty, optimisation and seed; the defaults when not given.
        progress: show a progress bar on standard error.

    Returns:
        One model per partition, at the epoch with the lowest validation loss; the mean is the prediction.

    Raises:
        InputError: bad data or a bad option.

    Example:
        >>> import numpy as np
        >>> import comodal
        >>> rng = np.random.default_rng(0)
        >>> features = {"eeg": rng.normal(size=(60, 8)), "face": rng.normal(size=(60, 12, 4))}
        >>> split = ["train"] * 40 + ["valid"] * 20
        >>> dataset = comodal.from_arrays(features, features["eeg"][:, 0], split=split)
        >>> config = comodal.RunConfig(training=comodal.TrainingConfig(max_epochs=2))
        >>> model = comodal.fit(dataset, config)
        >>> model.predict({"eeg": rng.normal(size=(3, 8)), "face": rng.normal(size=(3, 12, 4))}).prediction.shape
        (3,)
    """
    config = config or RunConfig()
    dataset = load(data) if isinstance(data, Dataset) else data.load()
    preflight(dataset, config)
    parts = [
        FittedPart(config, fold.view.spec, fold.standardizer, result.model, result.penalty)
        for fold, result in _fits(dataset, config, None, progress=progress)
    ]
    if isinstance(data, Dataset):
        return Predictor(parts)
    return Predictor(parts, features=data.features, label=data.label)


def train(
    data: DataConfig | Dataset,
    config: RunConfig | None = None,
    *,
    out: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    logger: str = "csv",
    progress: bool = False,
) -> RunReport:
    """Fit a model on every partition of a data set, then predict and score the test part once.

    Args:
        data: where the data come from, or a data set in memory.
        config: model, penalty, optimisation and seed; the defaults when not given.
        out: run folder. A finished one is read back, a half one is resumed, one of another configuration is refused.
        metrics: names of the metrics, the leading one first; those that the task reports when ``None``.
        logger: ``csv``, ``tensorboard``, ``mlflow`` or ``wandb``.
        progress: show a progress bar on standard error.

    Raises:
        InputError: bad data, a bad option, no test part, or a folder that belongs to another run.

    Example:
        >>> from comodal.training.config import TrainingConfig
        >>> report = train(DataConfig(source="synthetic"), RunConfig(training=TrainingConfig(max_epochs=2)))
        >>> sorted(report.metrics)[:4]
        ['acc_2_nonneg', 'acc_2_pos', 'acc_5', 'acc_7']
    """
    config = config or RunConfig()
    dataset = data.load() if isinstance(data, DataConfig) else load(data)
    require_test_part(dataset)
    metrics_named(metrics, dataset.spec.task)
    preflight(dataset, config)
    if out is None:
        return _train_partitions(dataset, config, None, metrics=metrics, logger=logger, progress=progress)
    require_logger(logger)
    source = dataclasses.asdict(data) if isinstance(data, DataConfig) else _in_memory(dataset)
    with make_accelerator(config.training).main_process_first():
        run = RunFolder(out, {"data": source, "task": dataset.spec.task.to_dict(), **config.to_dict()})
    if run.finished:
        return _read_back(run, metrics)
    report = _train_partitions(dataset, config, run.path, metrics=metrics, logger=logger, progress=progress)
    if is_writer():
        write_atomic(run.path / PREDICTIONS, report.predictions.to_parquet)
        run.finish(report.metrics)
    return report


def _read_back(run: RunFolder, metrics: Sequence[str] | None) -> RunReport:
    """Return the report of a finished run, scored again where metrics are named."""
    found, predictions = run.metrics(), PredictionTable.from_parquet(run.path / PREDICTIONS)
    if metrics is not None:
        found = _scores(predictions, metrics) | {name: each for name, each in found.items() if name not in METRICS}
    return RunReport(run.path, found, predictions)


def preflight(dataset: Dataset, config: RunConfig) -> None:
    """Check a run on this data set before anything is written or trained."""
    require_device(config.training)
    if config.preset:
        load_preset(config.preset).require(len(np.unique(dataset.group)), source=dataset.spec.name)
    spec = inputs(dataset, config).spec
    model = build_model(spec, config)
    build_optimizer(model, config.training)
    build_penalty(model, config, 1)
    Augmentation.of(spec, config)
    for partition in dataset.partitions:
        rows = TrainingRows.of(partition, config, group=dataset.group, target=dataset.target, task=dataset.spec.task)
        train_sampler(rows.labelled, config, len(spec.modalities))


def require_test_part(dataset: Dataset) -> None:
    """Check that every partition has samples to test on."""
    for partition in dataset.partitions:
        if len(partition.test) == 0:
            raise InputError(
                f"{dataset.spec.name}, {partition.name}: split 'test' is empty; give test samples, or fit a model "
                "without them (comodal.fit)",
                code="empty",
            )


def evaluate(
    run: str | Path, *, split: str = "test", metrics: Sequence[str] | None = None, source: str | Dataset | None = None
) -> RunReport:
    """Predict and score again with the weights of a finished run.

    Args:
        run: a run folder.
        split: ``train``, ``valid`` or ``test``.
        metrics: names of the metrics, the leading one first; those that the task reports when ``None``.
        source: other data with the same modalities and partitions; the run's own when not given. A run on a data set in
            memory needs it.

    Raises:
        InputError: not a finished run folder, or its weights are damaged or do not fit the data.
    """
    found = open_runs(run, source=source)
    if len(found.runs) > 1:
        raise InputError(
            f"{run}: a comparison of {len(found.runs)} runs; `comodal robustness` evaluates them all",
            code="unsupported",
        )
    if split not in SPLITS:
        raise InputError.unknown("split", split, SPLITS)
    metrics_named(metrics, found.dataset.spec.task)
    predictions = PredictionTable.concatenate([fitted.predict(split) for fitted in found.fitted(found.runs[0])])
    return RunReport(found.folder, _scores(predictions, metrics), predictions)


def _fits(
    dataset: Dataset, config: RunConfig, path: Path | None, *, logger: str = "csv", progress: bool = False
) -> Iterator[tuple[FoldData, FitResult]]:
    """Fit every partition; with a path each is saved in a folder of its own."""
    for partition in dataset.partitions:
        folder = None if path is None else path / partition.name
        fold = prepare(dataset, partition, config)
        result = fit_fold(fold, config, folder=folder, logger=logger, progress=progress)
        if folder is not None and is_writer():
            save_fitted(fold, result, folder)
            save_history(result, folder)
        yield fold, result


def _train_partitions(
    dataset: Dataset,
    config: RunConfig,
    path: Path | None,
    *,
    metrics: Sequence[str] | None,
    logger: str,
    progress: bool,
) -> RunReport:
    tables, results, rows = [], [], []
    for fold, result in _fits(dataset, config, path, logger=logger, progress=progress):
        tables.append(FittedFold.of(fold, config, result).predict())
        results.append(result)
        rows.append(fold.rows(config))
    predictions = PredictionTable.concatenate(tables)
    fits = {
        "valid_loss": float(np.mean([r.valid_loss for r in results])),
        "epochs": [r.epochs for r in results],
        "best_epoch": [r.best_epoch for r in results],
        "seconds": float(sum(r.seconds for r in results)),
        "n_train": [len(each.labelled) for each in rows],
        "n_unlabelled": [len(each.unlabelled) for each in rows],
        "n_test": len(predictions),
        "note": note_of(inputs(dataset, config)),
        "references": reference_scores(dataset, config),
    }
    return RunReport(path, {**_scores(predictions, metrics), **fits}, predictions)


def _in_memory(dataset: Dataset) -> dict[str, str]:
    """Return name and digest of a data set in memory, so that no other data set of that name passes for it."""
    digest = hashlib.blake2b(digest_size=16)
    for names in (dataset.id, dataset.group):
        digest.update("\0".join(map(str, names)).encode())
    arrays: list[NDArray[Any]] = [
        dataset.target,
        *(rows for partition in dataset.partitions for rows in partition.splits.values()),
    ]
    for array in arrays:
        _digest(digest, array.shape, [array])
    for ragged in dataset.modalities.values():
        _digest(digest, ragged.offsets.shape, [ragged.offsets])
        _digest(digest, (int(ragged.offsets[-1]), ragged.dim), ragged.parts())
    return {"source": dataset.spec.name, FINGERPRINT: digest.hexdigest()}


def _digest(digest: Any, shape: tuple[int, ...], parts: Iterable[NDArray[Any]]) -> None:
    """Digest an array part by part: one on disk is never in memory as a whole."""
    digest.update(repr(shape).encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part))


def _scores(predictions: PredictionTable, metrics: Sequence[str] | None) -> dict[str, Any]:
    return {name: each.plain() for name, each in score(predictions, metrics=metrics).items()}
