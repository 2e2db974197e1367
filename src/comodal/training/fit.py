"""Fit one model on one partition."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from comodal.contracts import InputError
from comodal.dependency import DependencyPenalty
from comodal.training.build import build_model, build_penalty
from comodal.training.checkpoint import load_checkpoint
from comodal.training.config import RunConfig
from comodal.training.data import FoldData
from comodal.training.devices import make_accelerator
from comodal.training.loggers import build_logger
from comodal.training.loop import LoopState, TrainingLoop
from comodal.training.termination import noting_termination
from comodal.training.weights import restore_weights, start_encoders

__all__ = ["FitResult", "fit_fold"]


@dataclass(frozen=True)
class FitResult:
    """A fitted model, at the weights that validation selected.

    Attributes:
        model: the fusion model, in evaluation mode, on the device that it was trained on.
        penalty: the penalty with its critic, or ``None``, likewise.
        valid_loss: lowest validation task loss.
        best_epoch: epoch of that loss, from 0.
        epochs: epochs run.
        seconds: wall-clock seconds of the fit.
        history: what was logged, one entry per epoch.
    """

    model: nn.Module
    penalty: DependencyPenalty | None
    valid_loss: float
    best_epoch: int
    epochs: int
    seconds: float
    history: list[dict[str, float]]


def fit_fold(
    fold: FoldData,
    config: RunConfig,
    *,
    folder: Path | None = None,
    start: Mapping[str, Tensor] | None = None,
    logger: str = "csv",
    progress: bool = False,
) -> FitResult:
    """Train on a partition until the validation loss stops improving; its test rows are not read.

    Args:
        fold: the partition, standardised.
        config: model, penalty, optimisation and seed.
        folder: where checkpoints and logs go; a checkpoint found there is resumed. ``None`` writes nothing.
        start: weights of another model, as :func:`~comodal.training.weights.copy_weights` gives them, from which the
            encoders start.
        logger: a key of :data:`~comodal.training.loggers.LOGGERS`; used with a folder only.
        progress: show a progress bar on standard error.

    Returns:
        The model at the epoch with the lowest validation loss. The same seed gives the same weights, bit for bit, on
        one machine with one number of threads, whether or not the run was interrupted. Processes that ``torchrun`` or
        ``accelerate launch`` started share the work, and each returns the same model.

    Raises:
        InputError: the checkpoint in ``folder`` is truncated or belongs to another configuration, an augmentation
            makes no sense for the data, or the validation loss was never finite.
        SystemExit: with status 143, after a checkpoint, on SIGTERM with a folder.
    """
    started = time.perf_counter()
    tracker = None if folder is None else build_logger(logger, folder, f"{config.fusion}-{config.penalty.measure}")
    accelerator = make_accelerator(config.training, tracker)
    accelerator.init_trackers("comodal")
    model = build_model(fold.view.spec, config)
    if start is not None:
        start_encoders(model, start)
    penalty = build_penalty(model, config, len(fold.samplers(config, processes=accelerator.num_processes)[0]))
    loop = TrainingLoop(model, penalty, fold, config, accelerator=accelerator, folder=folder)
    if (content := load_checkpoint(folder, config)) is not None:
        loop.restore(content)
    end_at_once = contextlib.nullcontext(lambda: False)
    with (
        torch.random.fork_rng(devices=[]),
        noting_termination() if folder is not None else end_at_once as terminated,
        _bar(config, show=progress and accelerator.is_main_process) as on_batch,
    ):
        loop.run(terminated=terminated, on_batch=on_batch)
    for each in accelerator.trackers:
        each.finish()
    best = loop.state
    if best.best_epoch < 0:
        raise InputError(
            f"{config.fusion} fusion, seed {config.seed}: the validation loss was never finite; lower training.lr "
            f"(now {config.training.lr:g}) or penalty.weight (now {config.penalty.weight:g})",
            code="diverged",
        )
    restore_weights(model, penalty, best.best_weights)
    if penalty is not None:
        penalty.eval()
    seconds = time.perf_counter() - started
    return FitResult(model.eval(), penalty, best.best_loss, best.best_epoch, len(best.history), seconds, best.history)


@contextlib.contextmanager
def _bar(config: RunConfig, *, show: bool) -> Iterator[Callable[[LoopState], None]]:
    """Yield what is called after every batch: it draws the epoch and the best validation loss, or nothing."""
    if not show:
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only drawing needs it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=config.training.max_epochs)

        def draw(state: LoopState) -> None:
            text = f"epoch {state.epoch + 1}, batch {state.batch}, best validation loss {state.best_loss:.4f}"
            progress.update(bar, completed=state.epoch, description=text)

        yield draw
