"""The folder of a run: its configuration, its environment, its metrics."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from comodal.atomic_write import write_text
from comodal.contracts import InputError
from comodal.contracts.json_records import read_json

__all__ = ["ENVIRONMENT", "METRICS", "RunFolder", "read_config"]

ENVIRONMENT = "environment.json"
METRICS = "metrics.json"
_CONFIG = "config.yaml"
_PACKAGES = ("comodal", "torch", "accelerate", "numpy", "scipy", "pyarrow")


class RunFolder:
    """A folder that one configuration owns.

    Opening it writes the configuration and the versions of the software. A folder of another configuration is refused:
    a finished run is never overwritten, and an interrupted one is resumed with its own configuration.
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any]) -> None:
        self.path = Path(path)
        plain = json.loads(json.dumps(config))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / _CONFIG).exists():
                _refuse_other(self.path, read_config(self.path), plain)
            elif any(not _is_leftover(path) for path in self.path.iterdir()):
                raise InputError(f"{self.path}: folder holds other files; give an empty or a new folder", code="exists")
            else:
                write_text(self.path / ENVIRONMENT, json.dumps(_environment(), indent=2))
                write_text(self.path / _CONFIG, yaml.safe_dump(plain, sort_keys=False))
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); give another folder", code="cannot_write"
            ) from error

    @property
    def finished(self) -> bool:
        """Return whether the metrics are written, the last step of a run."""
        return (self.path / METRICS).exists()

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics, and so mark the run as finished."""
        write_text(self.path / METRICS, json.dumps(metrics, indent=2))

    def metrics(self) -> Any:
        """Return the metrics of a finished run."""
        return read_json(self.path / METRICS)


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration in a run folder."""
    try:
        values = yaml.safe_load((path / _CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        inner = [found.parent.name for found in sorted(path.glob(f"*/{_CONFIG}"))]
        remedy = f"one of the folders in it: {', '.join(inner)}" if inner else "the --out of `comodal train`"
        raise InputError(f"{path}: not a run folder (no {_CONFIG}); give {remedy}", code="missing") from error
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f"{path / _CONFIG}: cannot be read; restore it, or train into another folder", code="damaged"
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"{path / _CONFIG}: holds no configuration; restore it, or train into another folder", code="damaged"
        )
    return values


def _is_leftover(path: Path) -> bool:
    """Return whether a file was left by a process that was killed while it opened the folder."""
    return path.name == ENVIRONMENT or path.name.endswith(".partial")


def _environment() -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "packages": versions,
    }


def _refuse_other(path: Path, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
    flat_kept, flat_wanted = _flatten(kept), _flatten(wanted)
    for key in [*flat_wanted, *flat_kept]:
        old, new = flat_kept.get(key, "unset"), flat_wanted.get(key, "unset")
        if old != new:
            raise InputError(
                f"{path}: run folder of another configuration ({key} was {old}, is {new}); give another --out",
                code="mismatch",
            )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
