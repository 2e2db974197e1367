"""Where the data of a run come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Task
from comodal.data.dataset import Dataset
from comodal.data.load import load

__all__ = ["FINGERPRINT", "DataConfig", "data_of_run", "in_memory", "note_of"]

FINGERPRINT = "fingerprint"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data of a run come from.

    Attributes:
        source: what :func:`comodal.data.load.load` takes.
        features: modality to feature name, ``None`` for the source's default.
        protocol: partition of a source that offers several, ``None`` for its first.
        label: which label of several, ``None`` for the source's own.
        task: what is predicted, as :func:`comodal.data.targets.task_named` takes it; ``None`` where the labels say it.
        clean: replace values that are not finite instead of refusing them.
    """

    source: str
    features: dict[str, str] | None = None
    protocol: str | None = None
    label: str | None = None
    task: str | None = None
    clean: bool = False

    def load(self, *, task: Task | None = None) -> Dataset:
        """Read the data set, its labels as those of a task where one is given, such as that of a trained model."""
        return load(
            self.source,
            features=self.features,
            protocol=self.protocol,
            label=self.label,
            task=task or self.task,
            clean=self.clean,
        )


def data_of_run(kept: Mapping[str, Any], *, source: str | None = None, where: Path) -> DataConfig:
    """Return where the data of a run came from, or the same of another source, from what its folder keeps.

    Raises:
        InputError: they were in memory, and no source is given.
    """
    if source is None and FINGERPRINT in kept:
        message = f"{where}: was trained on a data set in memory; give the data (source=, SOURCE or --data)"
        raise InputError(message, code="missing")
    found = DataConfig(**{key: value for key, value in kept.items() if key != FINGERPRINT})
    return found if source is None else replace(found, source=source)


def note_of(dataset: Dataset) -> str:
    """Return the note of a data set and what cleaning changed."""
    cleaned = "" if dataset.cleaning is None else f"cleaned: {dataset.cleaning}"
    return "; ".join(part for part in (dataset.spec.note, cleaned) if part)


def in_memory(dataset: Dataset) -> dict[str, str]:
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
