"""Data sets by name that need no files, in memory and as sources."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from comodal.contracts import InputError
from comodal.data.dataset import UNLABELLED, Dataset
from comodal.data.digits import digits
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.synthetic import PRESETS, synthetic

__all__ = ["EMBEDDED", "embedded", "is_embedded", "source_in_memory"]

EMBEDDED: tuple[str, ...] = ("digits", "synthetic", *(f"synthetic:{preset}" for preset in PRESETS))
"""Names of the data sets."""

_FAMILIES = frozenset(name.partition(":")[0] for name in EMBEDDED)


def is_embedded(source: str | Path) -> bool:
    """Return whether a name is of a family that needs no files."""
    return str(source).partition(":")[0] in _FAMILIES


def embedded(name: str) -> Dataset:
    """Return a data set by its name.

    Raises:
        InputError: an unknown name.

    Example:
        >>> len(embedded("digits")), len(embedded("synthetic:single"))
        (1797, 936)
    """
    if name == "digits":
        return digits()
    family, _, preset = name.partition(":")
    if family != "synthetic":
        raise InputError.unknown("data set", name, EMBEDDED)
    if preset and preset not in PRESETS:
        raise InputError.unknown("preset of synthetic", preset, PRESETS)
    return synthetic(PRESETS[preset or "default"], name=name)


def source_in_memory(dataset: Dataset) -> Source:
    """Return a data set of one partition as a source of one block."""
    (partition,) = dataset.partitions
    split = np.full(len(dataset), "none", dtype=f"U{len(UNLABELLED)}")
    for name, rows in partition.splits.items():
        split[rows] = name
    columns = {**dataset.columns, partition.name: split}

    def blocks(features: Collection[str]) -> Iterator[Block]:
        modalities = {name: dataset.modalities[name] for name in features}
        yield Block(dataset.id, dataset.group, dataset.target, modalities, columns, dataset.transcript)

    return Source(
        path=Path(dataset.spec.name),
        format="embedded",
        dims=dataset.spec.dims,
        divisions={partition.name: Division(partition.name, note=dataset.spec.note)},
        blocks=blocks,
        n_samples=len(dataset),
        task=dataset.spec.task,
        name=dataset.spec.name,
    )
