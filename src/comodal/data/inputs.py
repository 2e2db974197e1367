"""Samples to predict: any source, with or without labels and splits, as far as it can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import InputError
from comodal.data.arrays import ragged
from comodal.data.assemble import chosen_features, concatenate, partitions_of, require_division
from comodal.data.checks import check_ids
from comodal.data.dataset import SPLITS, Dataset, Partition, describe
from comodal.data.formats import FORMATS, Source, table
from comodal.data.formats.interface import default_features
from comodal.data.formats.names import canonical_modality, in_order
from comodal.data.formats.npz_views import views_from_npz
from comodal.data.load import load, open_source
from comodal.data.ragged import RaggedArray

__all__ = ["of_arrays", "read_inputs"]

_FACTS = {"id": "id", "label": "target", "target": "target", "group": "group", "transcript": "transcript"}
_LENGTHS = "_lengths"


def read_inputs(
    source: str | Path,
    *,
    features: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
    protocol: str | None = None,
    split: str | None = None,
) -> Dataset:
    """Read every sample of a source, or those of one split; only ids are checked, and nothing is cleaned.

    Args:
        source: what :func:`comodal.data.load.load` takes; also a table without labels, and an ``.npz`` file with one
            array a modality, ``(N, d)`` or ``(N, T, d)`` with ``<modality>_lengths``, and perhaps ``id``, ``label``,
            ``group`` and ``transcript``.
        features: modality to the source's name of its features.
        usual: the same, for modalities that are not named in ``features``, where the source has such features.
        protocol: partition of a source that offers several.
        split: ``train``, ``valid`` or ``test``; all samples when ``None``.

    Returns:
        A data set whose labels may be NaN and which may have no partition.

    Raises:
        InputError: a source that cannot be read, two samples with one id, or a split that it does not define.

    Example:
        >>> len(read_inputs("synthetic")), len(read_inputs("synthetic", split="test"))
        (1200, 400)
    """
    dataset = _read(source, features=features, usual=usual, protocol=protocol)
    check_ids(dataset, source=str(source))
    return dataset if split is None else _of_split(dataset, split, source=str(source))


def of_arrays(
    features: Mapping[str, Any],
    *,
    id: ArrayLike | None = None,  # noqa: A002 - the name the column has everywhere
    transcript: Sequence[str] | None = None,
    target: ArrayLike | None = None,
    group: ArrayLike | None = None,
    name: str = "arrays",
) -> Dataset:
    """Make a data set from arrays, without a partition.

    Args:
        features: modality to ``(N, d)``, ``(N, T, d)`` or a list of N sequences ``(T_i, d)``, as in
            :func:`comodal.data.arrays.from_arrays`.
        id: ``(N,)``; row numbers when ``None``.
        transcript: N texts, which a language model reads.
        target: ``(N,)`` labels; NaN when ``None``.
        group: ``(N,)`` group of each sample; one group per sample when ``None``.
        name: named in errors.

    Raises:
        InputError: other shapes, no arrays, or different numbers of samples.

    Example:
        >>> len(of_arrays({"audio": np.zeros((3, 5))}))
        3
    """
    modalities = {each: ragged(values, f"{name}, {each!r}") for each, values in features.items()}
    counts = {each: len(values) for each, values in modalities.items()}
    counts |= {} if transcript is None else {"transcript": len(transcript)}
    if len(set(counts.values())) != 1:
        raise InputError(
            f"{name}: numbers of samples differ or are unknown ({counts}); give one row per sample", code="mismatch"
        )
    count = next(iter(counts.values()))
    ids = np.arange(count).astype(str) if id is None else np.asarray(id).astype(str)
    return Dataset(
        spec=describe(name, modalities),
        id=ids,
        group=ids if group is None else np.asarray(group).astype(str),
        target=np.full(count, np.nan, np.float32) if target is None else np.asarray(target, np.float32).reshape(-1),
        modalities=modalities,
        partitions=(),
        transcript=None if transcript is None else np.asarray(transcript, dtype=object),
    )


def _read(
    source: str | Path,
    *,
    features: Mapping[str, str] | None,
    usual: Mapping[str, str] | None,
    protocol: str | None,
) -> Dataset:
    path = Path(source)
    if str(source).partition(":")[0] == "synthetic" and not path.exists():
        return load(source, features=features, protocol=protocol)
    if path.suffix == ".npz" and path.is_file() and not any(each.recognises(path) for each in FORMATS.values()):
        dataset = _of_npz(path)
        return dataset.select_modalities(features) if features else dataset
    if path.exists() and table.is_unlabelled(path):
        opened, division = table.open_unlabelled(path), protocol
    else:
        opened, division = open_source(source, protocol=protocol)
    return _of_source(opened, division, features, usual or {})


def _of_npz(path: Path) -> Dataset:
    arrays = views_from_npz(path)
    facts: dict[str, Any] = {_FACTS[key]: arrays.pop(key) for key in list(arrays) if key in _FACTS}
    lengths = {key: arrays.pop(key) for key in list(arrays) if key.endswith(_LENGTHS)}
    named = {canonical_modality(key): _unpadded(path, key, array, lengths) for key, array in arrays.items()}
    if not named:
        raise InputError(f"{path}: no features; write one array per modality: text, audio, vision, ...", code="missing")
    return of_arrays({name: named[name] for name in in_order(list(named))}, **facts, name=str(path))


def _unpadded(path: Path, key: str, array: NDArray[Any], lengths: Mapping[str, NDArray[Any]]) -> Any:
    """Frames without their padding, where the file says how many are real."""
    if (counts := lengths.get(key + _LENGTHS)) is None:
        return array
    if array.ndim != 3 or counts.shape != array.shape[:1] or counts.min() < 0 or counts.max() > array.shape[1]:
        raise InputError(
            f"{path}: {key}{_LENGTHS} does not fit {key!r} of shape {array.shape}; give (N,) frame counts",
            code="mismatch",
        )
    return [frames[:count] for frames, count in zip(array, counts.astype(int), strict=True)]


def _of_source(
    source: Source, protocol: str | None, features: Mapping[str, str] | None, usual: Mapping[str, str]
) -> Dataset:
    division = require_division(source, protocol) if source.divisions or protocol else None
    chosen = default_features(source, protocol)
    chosen |= {modality: name for modality, name in usual.items() if name in source.dims}
    chosen = chosen_features(source, protocol, features or chosen)
    block = concatenate(list(source.blocks(list(dict.fromkeys(chosen.values())))), where=str(source.path))
    modalities: dict[str, RaggedArray] = {modality: block.modalities[name] for modality, name in chosen.items()}
    partitions: tuple[Partition, ...] = ()
    if division is not None:  # by rows of the source, whatever part of it they use
        partitions = partitions_of(block.columns[division.column], division, name=division.column)[1]
    return Dataset(
        spec=describe(source.name or source.path.stem, modalities, label_range=source.label_range),
        id=block.id,
        group=block.group,
        target=block.target,
        modalities=modalities,
        partitions=partitions,
        transcript=block.transcript,
    )


def _of_split(dataset: Dataset, split: str, *, source: str) -> Dataset:
    if split not in SPLITS:
        raise InputError.unknown("split", split, SPLITS)
    if len(dataset.partitions) != 1:
        has = f"{len(dataset.partitions)} folds, whose splits differ" if dataset.partitions else "no splits"
        raise InputError(f"{source}: has {has}; leave the split out, which predicts every sample", code="missing")
    rows = dataset.partitions[0].splits[split]
    if not len(rows):
        raise InputError(f"{source}: its split {split!r} holds no sample; leave the split out", code="empty")
    return replace(dataset, partitions=()).subset(rows)
