"""Fit one model on one partition: the only place where a Trainer is made."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import callbacks
from torch import nn

from comodal.contracts import DatasetSpec, InputError, MultimodalBatch
from comodal.dependency import DependencyPenalty
from comodal.fusion import fusion_family
from comodal.training.augment import Augmentation
from comodal.training.callbacks import BestWeights, Patience
from comodal.training.checkpoint import CHECKPOINT, WholeCheckpoints, resumable
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.loggers import build_logger
from comodal.training.module import FusionTraining
from comodal.training.streams import stream_seed
from comodal.training.weights import restore_weights

__all__ = ["CHECKPOINT", "FitResult", "build_model", "build_penalty", "fit", "require_device"]


@dataclass(frozen=True)
class FitResult:
    """A fitted model, at the weights that validation selected.

    Attributes:
        model: the fusion model, in evaluation mode, on the device that it was trained on.
        penalty: the penalty with its critic, or ``None``, on the same device.
        valid_loss: lowest validation task loss.
        best_epoch: epoch of that loss, from 0.
        epochs: epochs run.
        seconds: wall-clock seconds of the fit.
        history: what was logged, an entry an epoch.
    """

    model: nn.Module
    penalty: DependencyPenalty | None
    valid_loss: float
    best_epoch: int
    epochs: int
    seconds: float
    history: list[dict[str, float]]


def build_model(spec: DatasetSpec, config: RunConfig) -> Any:
    """The fusion model with the initial weights of the run's seed; PyTorch's global random stream is left alone.

    Raises:
        InputError: sizes or rates of the fusion config that make no model.

    Example:
        >>> spec = DatasetSpec("toy", {"text": 4}, {"text": 1})
        >>> one, two = (build_model(spec, RunConfig(seed=5)) for _ in range(2))
        >>> bool((one.head.weight == two.head.weight).all())
        True
    """
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(config.seed, "init"))
        try:
            return fusion_family(config.fusion).build(spec, config.build_fusion_config())
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:  # PyTorch's own refusal of a size or a rate
            reason = str(error).splitlines()[0]
            raise InputError(f"{config.fusion} fusion cannot be built ({reason}): change fusion_config") from error


def build_penalty(model: Any, config: RunConfig, steps_per_epoch: int) -> DependencyPenalty | None:
    """The penalty that a config asks for, ``None`` for measure ``none``; it needs two representations at least."""
    options = config.penalty
    if options.measure == "none":
        return None
    dims: dict[str, int] = dict(model.dims)
    if options.between == "fusion":
        dims = {"fused": model.fused_dim, "modalities": sum(dims.values())}
    return options.build(
        dims, measure=options.measure, seed=stream_seed(config.seed, "critic"), steps_per_epoch=steps_per_epoch
    )


def require_device(training: TrainingConfig) -> None:
    """Check that this machine has what a run asks for, before anything is written.

    Raises:
        InputError: the accelerator is not there, or Lightning knows no such accelerator or precision.

    Example:
        >>> require_device(TrainingConfig(precision="33-true"))
        Traceback (most recent call last):
        comodal.contracts.InputError: training.accelerator 'cpu' with training.precision '33-true': ...
    """
    try:
        with _quiet_lightning():
            pl.Trainer(
                accelerator=training.accelerator,
                devices=1,
                precision=training.precision,  # type: ignore[arg-type]
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
    except (ValueError, MisconfigurationException) as error:
        asked = f"training.accelerator {training.accelerator!r} with training.precision {training.precision!r}"
        raise InputError(f"{asked}: {' '.join(str(error).split())}; choose others") from error


def fit(
    spec: DatasetSpec,
    train: Any,
    valid: Any,
    config: RunConfig,
    *,
    fresh_batches: Callable[[int], MultimodalBatch] | None = None,
    folder: Path | None = None,
    logger: str = "csv",
    progress: bool = False,
) -> FitResult:
    """Train until the validation loss stops improving; the test part is not even an argument.

    Args:
        spec: what the data set holds.
        train: iterable with a length that yields training batches, in an order that depends on the epoch alone.
        valid: iterable of validation batches.
        config: model, penalty, optimisation and seed.
        fresh_batches: position to training batch, endlessly, for a penalty with ``fresh_batches``.
        folder: where checkpoints and logs go; a checkpoint found there is resumed. ``None`` writes nothing.
        logger: a key of ``LOGGERS``; used with a folder only.
        progress: show Lightning's progress bar.

    Returns:
        The model at the epoch with the lowest validation loss. The same seed gives the same weights, bit for bit, on
        one machine with one number of threads, whether or not the run was interrupted.

    Raises:
        InputError: the checkpoint in ``folder`` is truncated or belongs to another configuration, or an augmentation
            makes no sense for the data.
    """
    model = build_model(spec, config)
    batches = len(train)
    penalty = build_penalty(model, config, batches)
    augment = Augmentation.of(spec, config)
    module = FusionTraining(model, penalty, config, batches=batches, fresh_batches=fresh_batches, augment=augment)
    best = BestWeights()
    started = time.perf_counter()
    with _quiet_lightning(), _interruptible(), torch.random.fork_rng(devices=[]):
        trainer = _trainer(config, best, folder=folder, logger=logger, progress=progress)
        trainer.fit(module, train, valid, ckpt_path=resumable(folder, config), weights_only=True)
    if best.epoch < 0:
        raise InputError(
            f"{config.fusion} fusion, seed {config.seed}: the validation loss was never finite; lower training.lr "
            f"(now {config.training.lr:g}) or penalty.weight (now {config.penalty.weight:g})"
        )
    restore_weights(model, penalty, best.weights)
    for part in (model, penalty):  # Lightning has taken them to the CPU, where a large model would predict slowly
        if part is not None:
            part.to(trainer.strategy.root_device)
    _let_go(trainer, module, best)
    return FitResult(
        model.eval(),
        penalty,
        best.loss,
        best.epoch,
        len(best.history),
        time.perf_counter() - started,
        best.history,
    )


def _let_go(trainer: pl.Trainer, module: FusionTraining, best: BestWeights) -> None:
    """Take weights and optimiser states from objects that refer to each other.

    Python frees such circles when it has made enough objects, not when they are large: run after run, several language
    models would lie in memory.
    """
    trainer.strategy.optimizers = []
    trainer.strategy.lr_scheduler_configs = []
    module.release()
    best.weights = {}


def _trainer(config: RunConfig, best: BestWeights, *, folder: Path | None, logger: str, progress: bool) -> pl.Trainer:
    hooks: list[pl.Callback] = [
        best,
        Patience(monitor="valid_loss", patience=config.training.patience),
    ]
    if folder is not None:
        hooks.append(
            callbacks.ModelCheckpoint(
                dirpath=folder, filename=CHECKPOINT.removesuffix(".ckpt"), enable_version_counter=False
            )
        )
    if progress:
        hooks.append(callbacks.RichProgressBar(leave=False))
    return pl.Trainer(
        accelerator=config.training.accelerator,
        devices=1,
        precision=config.training.precision,  # type: ignore[arg-type]
        max_epochs=config.training.max_epochs,
        logger=False if folder is None else build_logger(logger, folder, f"{config.fusion}-{config.penalty.measure}"),
        callbacks=hooks,
        plugins=[WholeCheckpoints()],
        enable_checkpointing=folder is not None,
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be what it is elsewhere: Lightning turns it into an exit of the process and is deaf from then on."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as leaving:
        if not isinstance(leaving.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from leaving


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's banners and its advice on data-loader workers are not about the user's run."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*log_every_n_steps.*")
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning 2.6 on the PyTorch that deprecates it
        try:
            for name in names:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
