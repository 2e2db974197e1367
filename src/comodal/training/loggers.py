"""Experiment loggers by name: Accelerate's trackers, and one that writes CSV."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import tracking

from comodal.contracts import InputError

__all__ = ["LOGGERS", "CSVTracker", "build_logger", "require_logger"]


class CSVTracker(tracking.GeneralTracker):  # type: ignore[misc]
    """Write one row per epoch to a CSV file."""

    name = "csv"
    requires_logging_directory = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] = []

    @property
    def tracker(self) -> Path:
        """The file."""
        return self.path

    @tracking.on_main_process  # type: ignore[untyped-decorator]
    def log(self, values: dict[str, float], step: int | None = None, **options: Any) -> None:
        """Append a row; the first one begins the file with the names of its values."""
        del step, options
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a" if self._columns else "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if not self._columns:
                self._columns = list(values)
                writer.writerow(self._columns)
            writer.writerow([values[name] for name in self._columns])


LOGGERS: dict[str, Callable[[Path, str], Any]] = {
    "csv": lambda folder, _: CSVTracker(folder / "log" / "metrics.csv"),
    "tensorboard": lambda folder, _: tracking.TensorBoardTracker("log", folder),
    "mlflow": lambda folder, run: tracking.MLflowTracker("comodal", logging_dir=str(folder / "mlruns"), run_name=run),
    "wandb": lambda folder, run: tracking.WandBTracker("comodal", name=run, dir=str(folder)),
}
"""Name to factory of ``(folder, run name)``."""


def require_logger(name: str) -> None:
    """Check that a logger can be made, before anything is written."""
    if name not in LOGGERS:
        raise InputError.unknown("logger", name, LOGGERS)
    if name != "csv" and importlib.util.find_spec(name) is None:
        raise InputError.needs_extra(name, f"logs for {name}")


def build_logger(name: str, folder: Path, run: str) -> Any:
    """Return a logger that writes below a folder."""
    require_logger(name)
    return LOGGERS[name](folder, run)
