"""Find the files of a trained model, one part per fold, in a run folder, a comparison or an exported folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comodal.contracts import InputError, Task
from comodal.contracts.json_records import read_json
from comodal.contracts.tasks import task_from_dict
from comodal.evaluation.fitted import STANDARDIZER, WEIGHTS
from comodal.evaluation.runs import SavedRun, choose_run, find_runs
from comodal.training.config import RunConfig
from comodal.training.run_folder import read_config

__all__ = [
    "BACKBONE",
    "EXPORTED_WEIGHTS",
    "KIND",
    "MODEL_FILE",
    "SavedModel",
    "SavedPart",
    "find_model",
    "is_exported",
    "only_run",
]

KIND = "comodal model"
MODEL_FILE = "config.json"
"""The file that marks and describes an exported model."""
EXPORTED_WEIGHTS = "model.safetensors"
BACKBONE = "backbone"
"""Folder of a language model's own files in an exported model."""


@dataclass(frozen=True)
class SavedPart:
    """The files of the model of one fold, and how it was trained."""

    config: RunConfig
    weights: Path  # those of its critic, too
    standardizer: Path


@dataclass(frozen=True)
class SavedModel:
    """A trained model on disk, one part per fold."""

    folder: Path
    parts: tuple[SavedPart, ...]
    data: Mapping[str, Any]  # its training data: source, and features and protocol where they were chosen
    task: Task


def find_model(folder: str | Path, *, arm: str = "", seed: int | None = None) -> SavedModel:
    """Return the files of a model; the data it was trained on need not be there."""
    path = Path(folder)
    if is_exported(path):
        if arm or seed is not None:
            raise InputError(f"{path}: an exported model is one run; leave the arm and the seed out", code="conflict")
        return _exported(path)
    run = only_run(path, arm=arm, seed=seed)
    parts = [
        SavedPart(config, place / WEIGHTS, place / STANDARDIZER)
        for config, place in zip(run.configs, run.folders, strict=True)
    ]
    kept = read_config(path)
    return SavedModel(path, tuple(parts), kept["data"], task_from_dict(kept.get("task", {})))


def is_exported(folder: Path) -> bool:
    """Return whether `comodal export` wrote a folder."""
    file = folder / MODEL_FILE
    return file.is_file() and KIND in file.read_text(encoding="utf-8", errors="replace")[:200]


def only_run(folder: Path, *, arm: str = "", seed: int | None = None) -> SavedRun:
    """Return one run of a folder; of several arms one must be named."""
    runs = find_runs(folder)
    arms = list(dict.fromkeys(run.arm.name for run in runs))
    if not arm and len(arms) > 1:
        raise InputError(
            f"{folder}: a comparison of {len(arms)} arms; choose one: --arm {' or '.join(arms)}", code="missing"
        )
    return choose_run(runs, arm=arm or arms[0], seed=seed, where=folder)


def _exported(path: Path) -> SavedModel:
    kept = read_json(path / MODEL_FILE)
    try:
        parts = tuple(_part(path, each["folder"], each["config"]) for each in kept["folds"])
        return SavedModel(path, parts, kept["data"], task_from_dict(kept.get("task", {})))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path / MODEL_FILE}: lacks {error}; export the run again", code="damaged") from error


def _part(path: Path, name: str, config: dict[str, Any]) -> SavedPart:
    options = config["fusion_config"]
    if options.get("backbone") == BACKBONE:  # its files travel with the model
        config = {**config, "fusion_config": {**options, "backbone": str(path / BACKBONE)}}
    return SavedPart(RunConfig.from_dict(config), path / name / EXPORTED_WEIGHTS, path / name / STANDARDIZER)
