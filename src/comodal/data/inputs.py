"""Samples to predict: any source, with or without labels and splits, as far as it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.arrays import of_arrays
from comodal.data.assemble import read_all
from comodal.data.checks import check_ids
from comodal.data.dataset import SPLITS, Dataset
from comodal.data.formats import FORMATS
from comodal.data.formats.interface import default_features
from comodal.data.formats.named_arrays import views_from_npz
from comodal.data.formats.names import canonical_modality, in_order
from comodal.data.load import load, open_source

__all__ = ["read_inputs"]

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
        source: what :func:`comodal.data.load.load` takes; also an ``.npz`` file with one array a modality, ``(N, d)``
            or ``(N, T, d)`` with ``<modality>_lengths``, and perhaps ``id``, ``label``, ``group`` and ``transcript``.
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
    path = Path(source)
    if str(source).partition(":")[0] == "synthetic" and not path.exists():
        dataset = load(source, features=features, protocol=protocol)
    elif path.suffix == ".npz" and path.is_file() and not any(each.recognises(path) for each in FORMATS.values()):
        dataset = _of_npz(path)
        dataset = dataset.select_modalities(features) if features else dataset
    else:
        opened, division = open_source(source, protocol=protocol)
        known = {modality: name for modality, name in (usual or {}).items() if name in opened.dims}
        dataset = read_all(opened, protocol=division, features=features or default_features(opened, division) | known)
    check_ids(dataset, source=str(source))
    return dataset if split is None else _of_split(dataset, split, source=str(source))


def _of_npz(path: Path) -> Dataset:
    arrays = views_from_npz(path)
    facts: dict[str, Any] = {_FACTS[key]: arrays.pop(key) for key in list(arrays) if key in _FACTS}
    lengths = {key: arrays.pop(key) for key in list(arrays) if key.endswith(_LENGTHS)}
    named = {canonical_modality(key): _unpadded(path, key, array, lengths) for key, array in arrays.items()}
    if not named:
        raise InputError(f"{path}: no features; write one array per modality: text, audio, vision, ...", code="missing")
    if "target" in facts:
        facts["target"] = facts["target"].reshape(-1)
    return of_arrays({name: named[name] for name in in_order(list(named))}, **facts, name=str(path))


def _unpadded(path: Path, key: str, array: NDArray[Any], lengths: Mapping[str, NDArray[Any]]) -> Any:
    """Return frames without their padding, where the file says how many are real."""
    if (counts := lengths.get(key + _LENGTHS)) is None:
        return array
    if array.ndim != 3 or counts.shape != array.shape[:1] or counts.min() < 0 or counts.max() > array.shape[1]:
        raise InputError(
            f"{path}: {key}{_LENGTHS} does not fit {key!r} of shape {array.shape}; give (N,) frame counts",
            code="mismatch",
        )
    return [frames[:count] for frames, count in zip(array, counts.astype(int), strict=True)]


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
