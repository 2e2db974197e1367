"""Fit a model on a data set, predict and score its test part, and save everything in a run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError, NoTask, PredictionTable
from comodal.contracts.option_names import REFERENCE_NAMES
from comodal.data.dataset import SPLITS, Dataset
from comodal.data.load import load
from comodal.evaluation.data_config import DataConfig, in_memory, note_of
from comodal.evaluation.fitted import FittedFold, save_fitted, save_history
from comodal.evaluation.fitted_part import FittedPart
from comodal.evaluation.predictor import Predictor
from comodal.evaluation.preflight import preflight, require_test_part
from comodal.evaluation.reference_runs import reference_scores, unbeaten
from comodal.evaluation.runs import PREDICTIONS, START, open_runs
from comodal.evaluation.score import score
from comodal.evaluation.starting_weights import Weights, digest_of, starting_weights
from comodal.metrics import METRICS, metrics_named
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, inputs, prepare
from comodal.training.devices import is_writer, make_accelerator
from comodal.training.fit import FitResult, fit_fold
from comodal.training.loggers import require_logger
from comodal.training.run_folder import RunFolder

__all__ = ["RunReport", "evaluate", "fit", "train"]


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
        known = self.metrics.get("references", {})
        if not known:
            return ()
        name = next(iter(self.metrics))
        others = {each: known[each][name] for each in REFERENCE_NAMES if name in known.get(each, ())}
        return unbeaten(self.metrics[name]["value"], others, higher=METRICS[name].higher_is_better)


def fit(
    data: DataConfig | Dataset,
    config: RunConfig | None = None,
    *,
    task: Literal["own"] | None = "own",
    start: Predictor | str | Path | None = None,
    progress: bool = False,
) -> Predictor:
    """Fit a model on the training and validation parts of a data set and return it, ready to predict.

    Writes nothing and reads no test part, which the data set need not have; :func:`train` saves, tests and scores.

    Without a task the encoders learn from the dependency measure alone, on all training samples, and no label is read.
    The best epoch is then the one with the largest dependency of the validation part.

    Args:
        data: where the data come from, or a data set in memory.
        config: model, penalty, optimisation and seed; the defaults when not given.
        task: ``"own"``, that of the data set, or ``None`` for none, which is that of a data set without labels, too.
        start: a trained model or its folder, from whose weights the encoders start, for example one without a task; of
            one fold, or of as many as the data set.
        progress: show a progress bar on standard error.

    Returns:
        One model per partition, at the epoch with the lowest validation loss; the mean is the prediction. A model
        without a task has :meth:`~comodal.Predictor.representations` and no prediction.

    Raises:
        InputError: bad data or a bad option; no task and no measure, a weight of 0, or a label budget; or a start with
            other modalities, widths or encoders.

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
        >>> measure = comodal.PenaltyConfig(measure="gaussian")
        >>> pretrained = comodal.fit(dataset, comodal.RunConfig(penalty=measure, training=config.training), task=None)
        >>> pretrained.representations({"eeg": rng.normal(size=(3, 8))})["eeg"].shape
        (3, 32)
    """
    config = config or RunConfig()
    if task not in {"own", None}:
        raise InputError(
            f"task={task!r}: give None for no task, or leave it out; another task is chosen where the data are loaded",
            code="unsupported",
        )
    wanted = NoTask() if task is None else None
    dataset = load(data, task=wanted) if isinstance(data, Dataset) else data.load(task=wanted)
    preflight(dataset, config)
    parts = [
        FittedPart(config, fold.view.spec, fold.standardizer, result.model, result.penalty)
        for fold, result in _fits(dataset, config, None, starting_weights(start, dataset, config), progress=progress)
    ]
    if isinstance(data, Dataset):
        return Predictor(parts)
    return Predictor(parts, features=data.features, label=data.label)


def train(
    data: DataConfig | Dataset,
    config: RunConfig | None = None,
    *,
    out: str | Path | None = None,
    start: Predictor | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    logger: str = "csv",
    progress: bool = False,
) -> RunReport:
    """Fit a model on every partition of a data set, then predict and score the test part once.

    Of a data set without a task (``DataConfig(source, task="none")``, or no labels) nothing is predicted or scored; its
    table holds the validation part with its critic scores. The folder is one for :func:`comodal.load_model` and
    :func:`comodal.probe`.

    Args:
        data: where the data come from, or a data set in memory.
        config: model, penalty, optimisation and seed; the defaults when not given.
        out: run folder. A finished one is read back, a half one is resumed, one of another configuration is refused.
        start: as for :func:`fit`; a folder is that of its weights, too.
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
    if dataset.spec.task.predicts:
        require_test_part(dataset)
    metrics_named(metrics, dataset.spec.task)
    preflight(dataset, config)
    begin = starting_weights(start, dataset, config)
    if out is None:
        return _train_partitions(dataset, config, None, begin, metrics=metrics, logger=logger, progress=progress)
    require_logger(logger)
    source = dataclasses.asdict(data) if isinstance(data, DataConfig) else in_memory(dataset)
    with make_accelerator(config.training).main_process_first():
        kept = {"data": source, "task": dataset.spec.task.to_dict(), **config.to_dict()}
        run = RunFolder(out, kept if start is None else {**kept, START: digest_of(begin)})
    if run.finished:
        return _read_back(run, metrics)
    report = _train_partitions(dataset, config, run.path, begin, metrics=metrics, logger=logger, progress=progress)
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
    dataset: Dataset,
    config: RunConfig,
    path: Path | None,
    start: Sequence[Weights | None],
    *,
    logger: str = "csv",
    progress: bool = False,
) -> Iterator[tuple[FoldData, FitResult]]:
    """Fit every partition; with a path each is saved in a folder of its own."""
    for partition, weights in zip(dataset.partitions, start, strict=True):
        folder = None if path is None else path / partition.name
        fold = prepare(dataset, partition, config)
        result = fit_fold(fold, config, folder=folder, start=weights, logger=logger, progress=progress)
        if folder is not None and is_writer():
            save_fitted(fold, result, folder)
            save_history(result, folder)
        yield fold, result


def _train_partitions(
    dataset: Dataset,
    config: RunConfig,
    path: Path | None,
    start: Sequence[Weights | None],
    *,
    metrics: Sequence[str] | None,
    logger: str,
    progress: bool,
) -> RunReport:
    split = "test" if dataset.spec.task.predicts else "valid"
    tables, results, rows = [], [], []
    for fold, result in _fits(dataset, config, path, start, logger=logger, progress=progress):
        tables.append(FittedFold.of(fold, config, result).predict(split))
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
        f"n_{split}": len(predictions),
        "note": note_of(inputs(dataset, config)),
        "references": reference_scores(dataset, config) if is_writer() else {},  # one process reports
    }
    return RunReport(path, {**_scores(predictions, metrics), **fits}, predictions)


def _scores(predictions: PredictionTable, metrics: Sequence[str] | None) -> dict[str, Any]:
    return {name: each.plain() for name, each in score(predictions, metrics=metrics).items()}
