"""Experiment loggers by name, each Lightning's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch import loggers

from comodal.contracts import InputError

__all__ = ["LOGGERS", "build_logger", "require_logger"]


def _csv(folder: Path, name: str) -> Any:
    del name
    return loggers.CSVLogger(folder, name="log")


def _tensorboard(folder: Path, name: str) -> Any:
    del name
    return loggers.TensorBoardLogger(folder, name="log")


def _mlflow(folder: Path, name: str) -> Any:
    return loggers.MLFlowLogger(experiment_name="comodal", run_name=name, save_dir=str(folder / "mlruns"))


def _wandb(folder: Path, name: str) -> Any:
    return loggers.WandbLogger(project="comodal", name=name, save_dir=str(folder))


LOGGERS: dict[str, Callable[[Path, str], Any]] = {
    "csv": _csv,
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
"""Name to factory of ``(folder, run name)``."""


def require_logger(name: str) -> None:
    """Check that a logger can be made, before anything is written.

    Raises:
        InputError: unknown logger, or its package is not installed.

    Example:
        >>> require_logger("cvs")
        Traceback (most recent call last):
        comodal.contracts.InputError: unknown logger 'cvs': did you mean 'csv'? (known: csv, tensorboard, mlflow, wandb)
    """
    if name not in LOGGERS:
        raise InputError.unknown("logger", name, LOGGERS)
    if name != "csv" and importlib.util.find_spec(name) is None:
        raise InputError(f"logger {name!r} needs a package that is missing: pip install 'comodal[{name}]'")


def build_logger(name: str, folder: Path, run: str) -> pl.loggers.Logger:
    """Construct a logger that writes below a folder.

    Raises:
        InputError: unknown logger, or its package is not installed.
    """
    require_logger(name)
    logger: pl.loggers.Logger = LOGGERS[name](folder, run)
    return logger
