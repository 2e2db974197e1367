"""One way to any data set, to train on or to predict: a name, a path, or one already in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from comodal.contracts import InputError, NoTask, Task
from comodal.data import store
from comodal.data.arrays import of_arrays
from comodal.data.assemble import assemble, chosen_features, read_all, require_division
from comodal.data.cache import cached
from comodal.data.checks import check, check_ids, refuse
from comodal.data.cleaning import clean as repaired
from comodal.data.dataset import PARTS, Dataset
from comodal.data.embedded_sets import EMBEDDED, embedded, is_embedded, source_in_memory
from comodal.data.formats import FORMATS, Source, mosi_utterances, multiview, recognise
from comodal.data.formats.named_arrays import views_from_npz
from comodal.data.formats.names import canonical_modality, in_order
from comodal.data.labels import with_label, without_labels
from comodal.data.manifest import read_manifest
from comodal.data.rules import RULES
from comodal.data.splits import hide
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.data.targets import is_missing, task_named

__all__ = ["SOURCES", "find_source", "load", "open_source", "read_inputs"]

SOURCES: tuple[str, ...] = (
    *EMBEDDED,
    *(f"mosi:{protocol}" for protocol in mosi_utterances.PROTOCOLS),
    "views:NAME",
)
_FACTS = {"id": "id", "label": "target", "target": "target", "group": "group", "transcript": "transcript"}
_LENGTHS = "_lengths"
_FOREIGN = "cleaned: non-finite features were filled in from the train part of another protocol"


def load(
    source: str | Path | Dataset | SyntheticConfig,
    *,
    features: Mapping[str, str] | None = None,
    protocol: str | None = None,
    label: str | None = None,
    task: Task | str | None = None,
    clean: bool = False,
) -> Dataset:
    """Find, read, clean where asked, and check a data set.

    Args:
        source: ``"digits"``, ``"synthetic:redundant"``, ``"mosi:nested"`` and the others of :data:`SOURCES`; the path
            of a file or folder that a reader knows; a configuration to draw from; or a data set in memory.
        features: modality to the source's name of its features, which also chooses the modalities and their order.
        protocol: partition of a path that offers several, its first when ``None``.
        label: name of a label or column of a path, or several columns separated by commas; its own label when ``None``.
        task: what is predicted, as :func:`comodal.data.targets.task_named` takes it; follows from the label when
            ``None``. Nothing for :class:`~comodal.contracts.NoTask` (``none``): no label is kept, none is needed.
        clean: repair non-finite features; ``dataset.cleaning`` says what was done.

    Returns:
        A data set that has passed all checks.

    Raises:
        InputError: an unknown name, a file that cannot be read, or data that cannot be used.

    Example:
        >>> dataset = load("synthetic", features={"text": "text", "audio": "audio"})
        >>> len(dataset), dataset.spec.modalities
        (1200, ('text', 'audio'))
    """
    task = task_named(task) if isinstance(task, str) else task
    if isinstance(source, str | Path):
        if not is_embedded(source):

            def read(label: str | None, task: Task | str | None) -> Dataset:
                opened, division = open_source(source, protocol=protocol, label=label, task=task)
                return _from_files(opened, division, features, clean=clean, where=str(source))

            return _of_no_task(read, label, task) if isinstance(task, NoTask) else read(label, task)
        dataset = embedded(str(source))
    else:
        dataset = synthetic(source) if isinstance(source, SyntheticConfig) else source
    name = dataset.spec.name
    if protocol is not None:
        raise InputError(f"protocol {protocol!r}: {name} has one partition only; leave protocol out", code="conflict")
    _require_own_label(dataset, label, task)
    dataset = dataset.select_modalities(features) if features else dataset
    dataset = dataset.without_labels() if isinstance(task, NoTask) else dataset
    return check(repaired(dataset) if clean else dataset, source=name)


def _require_own_label(dataset: Dataset, label: str | None, task: Task | str | None) -> None:
    """Refuse another label or task than that of a data set in memory; no task is legal."""
    own = dataset.spec.task
    if label is not None or task not in {None, own, own.kind, NoTask()}:
        raise InputError(
            f"{dataset.spec.name}: has one label, a {own.kind}; leave label and task out (--label, --task)",
            code="conflict",
        )


def open_source(
    source: str | Path, *, protocol: str | None = None, label: str | None = None, task: Task | str | None = None
) -> tuple[Source, str | None]:
    """Return the files behind a name or path, recognised by their content, and the protocol that was asked for.

    Raises:
        InputError: an unknown name, nothing there, files that no reader knows, or a label that they do not have.
    """
    opened, division = find_source(source, protocol)
    if isinstance(task, NoTask):
        return without_labels(opened, task), division
    return with_label(opened, label=label, task=task), division


def find_source(source: str | Path, protocol: str | None = None) -> tuple[Source, str | None]:
    """Return what :func:`open_source` does, whether it says which label is predicted or not."""
    family, _, member = str(source).partition(":")
    if family == "mosi" and not Path(source).exists():
        if member and protocol and member != protocol:
            raise InputError(f"mosi:{member} with protocol {protocol!r}: name the protocol once", code="conflict")
        return mosi_utterances.open_source(mosi_utterances.locate()), member or protocol
    path = Path(source)
    if family == "views" and not path.exists():
        return multiview.FORMAT.open(multiview.locate(member)), protocol
    if is_embedded(source) and not path.exists():
        return source_in_memory(embedded(str(source))), protocol
    if isinstance(source, str) and not path.exists() and path.name == source and not path.suffix:
        raise InputError.unknown("data set", source, SOURCES)
    reader = store.FORMAT if store.FORMAT.recognises(path) else recognise(path)
    return reader.open(path), protocol


def _of_no_task(read: Callable[[str | None, Task | str | None], Dataset], label: str | None, task: NoTask) -> Dataset:
    """Return the samples of a path without the labels that they have, which stratify its random folds."""
    try:
        return read(label, None).without_labels()  # it shares what was converted with the runs that read the labels
    except InputError:
        if label is not None:
            raise
        return read(None, task)  # no label that can be used


def _from_files(
    source: Source, protocol: str | None, features: Mapping[str, str] | None, *, clean: bool, where: str
) -> Dataset:
    """Return a data set from files that were converted, now if need be; converting has counted and repaired them."""
    require_division(source, protocol)
    used = chosen_features(source, protocol, features)
    raw = source.format != store.FORMAT.name or _is_relabelled(source)
    stored = cached(source) if raw else source
    manifest = read_manifest(stored.path)
    report = manifest.cleaning.of(used)
    foreign = any(report.replaced_values.values()) and protocol not in {None, next(iter(source.divisions))}
    if raw and foreign and clean:  # with the medians of this protocol
        return check(repaired(assemble(source, protocol=protocol, features=features)), source=where)
    dataset = assemble(replace(stored, path=source.path), protocol=protocol, features=features)
    if foreign:
        note = "; ".join(each for each in (dataset.spec.note, _FOREIGN) if each)
        dataset = replace(dataset, spec=replace(dataset.spec, note=note))
    counts = {modality: manifest.inspection.features[name] for modality, name in used.items()}
    rules = [rule for rule in RULES if not (rule.repaired and (clean or not raw))]
    refuse(dataset, replace(manifest.inspection, features=counts), where=where, rules=rules)
    return replace(dataset, cleaning=report if clean or report.changed else None)


def _is_relabelled(source: Source) -> bool:
    """Return whether a converted data set was converted with another label or task."""
    manifest = read_manifest(source.path)
    return (source.label, source.task) != (manifest.label, manifest.task)


def read_inputs(
    source: str | Path,
    *,
    features: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
    protocol: str | None = None,
    split: str | None = None,
    label: str | None = None,
    task: Task | str | None = None,
) -> Dataset:
    """Read every sample of a source, or those of one split; only ids are checked, and nothing is cleaned.

    Args:
        source: what :func:`comodal.data.load.load` takes; also an ``.npz`` file with one array a modality, ``(N, d)``
            or ``(N, T, d)`` with ``<modality>_lengths``, and perhaps ``id``, ``label``, ``group`` and ``transcript``.
        features: modality to the source's name of its features.
        usual: the same, for modalities that are not named in ``features``, where the source has such features.
        protocol: partition of a source that offers several.
        split: ``train`` (its samples with a label, where the source has any), ``unlabelled`` (those of the training
            part without one), ``valid`` or ``test``; all samples when ``None``.
        label: the label of a path, as in :func:`load`; without it the samples have no labels.
        task: what is predicted; a label that is of another task stays what it is.

    Returns:
        A data set whose labels may be NaN and which may have no partition.

    Raises:
        InputError: a source that cannot be read, two samples with one id, or a split that it does not define.

    Example:
        >>> len(read_inputs("synthetic")), len(read_inputs("synthetic", split="test"))
        (1200, 400)
    """
    path = Path(source)
    if is_embedded(source) and not path.exists():
        dataset = load(source, features=features, protocol=protocol)
    elif path.suffix == ".npz" and path.is_file() and not any(each.recognises(path) for each in FORMATS.values()):
        dataset = _of_npz(path)
        dataset = dataset.select_modalities(features) if features else dataset
    else:
        opened, division = find_source(source, protocol)
        opened = _labelled_where_possible(opened, label, task)
        dataset = read_all(opened, protocol=division, features=features, usual=usual)
    check_ids(dataset, source=str(source))
    return dataset if split is None else _of_split(dataset, split, source=str(source))


def _labelled_where_possible(source: Source, label: str | None, task: Task | str | None) -> Source:
    """Return a source with a label and task, or without labels where it does not have that label."""
    try:
        return with_label(source, label=label, task=task)
    except InputError:
        return source if label in {None, source.label} else without_labels(source)


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
    if split not in PARTS:
        raise InputError.unknown("split", split, PARTS)
    if len(dataset.partitions) != 1:
        has = f"{len(dataset.partitions)} folds, whose splits differ" if dataset.partitions else "no splits"
        raise InputError(f"{source}: has {has}; leave the split out, which predicts every sample", code="missing")
    missing = is_missing(dataset.target)
    part = dataset.partitions[0] if missing.all() else hide(dataset.partitions[0], missing)
    rows = getattr(part, split)
    if not len(rows):
        raise InputError(f"{source}: its split {split!r} holds no sample; leave the split out", code="empty")
    return replace(dataset, partitions=()).subset(rows)
