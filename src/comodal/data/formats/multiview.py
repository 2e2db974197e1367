"""Read multi-view sets: a folder with ``data.npz``, one row per sample in every array.

``id`` and ``split`` or ``fold5`` are there, mostly ``group`` and ``transcript``. Arrays of floats with two or three
axes are views, all others facts of the samples and labels. A README beside the file may declare classes, and the views:
of two axes, floats that it does not name are labels. Without it a narrow array of a name that tells neither is refused.

Axis legend: N samples, T frames, d features of a frame.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Sentiment
from comodal.data import splits
from comodal.data.dataset import UNLABELLED
from comodal.data.formats.folders import archive_members, locate_folder
from comodal.data.formats.interface import Block, Division, Format, Label, Source
from comodal.data.formats.multiview_labels import (
    NAMES,
    README,
    USUAL,
    declared_tasks,
    declared_views,
    default_label,
    known_names,
    labels_of,
)
from comodal.data.formats.named_arrays import NamedArrays, open_arrays
from comodal.data.formats.names import MODALITIES, canonical_modality, canonical_part, in_order
from comodal.data.formats.texts import damaged, transcripts
from comodal.data.ragged import RaggedArray, run_offsets

__all__ = ["ENVIRONMENT", "FORMAT", "locate"]

ENVIRONMENT = "COMODAL_VIEWS_DIR"
_BESIDE = Path("shared") / "data" / "views"
_FILE = "data.npz"
_VARIANT = "_minilm"
_DIVIDES = re.compile(r"split|fold\d*|.+_(split|fold)")
_FACTS = frozenset({"id", "group", "start", "end", "speaker", "show", "n_segments"})
_GROUP_FOLDS = "group5"
_FOLDS = 5
_NONE = "none"
_TRANSCRIPT = "transcript"
_BEFORE = dict.fromkeys(("meld", "mosei_text"), ("before_minilm", "text_minilm"))
"""Sets of speech with one view, which get that of the turn before as a second one: its name, and the view it is of."""
_NARROW = 32
"""Columns of an array that may be labels; views whose name does not tell are wider."""

_FEW = 20
"""Different texts that may be classes in any set, however small."""

Table = Mapping[str, NDArray[Any]]


def locate(name: str) -> Path:
    """Return the folder of a set in ``$COMODAL_VIEWS_DIR``, else in the nearest ``shared/data/views``."""
    folder = locate_folder(ENVIRONMENT, _BESIDE, file=f"*/{_FILE}", title="sets of views")
    known = sorted(file.parent.name for file in folder.glob(f"*/{_FILE}"))
    if name not in known:
        raise InputError.unknown("set of views", name, known, where=str(folder))
    return folder / name


def recognises(path: Path) -> bool:
    """Whether a path is a folder with ``data.npz``, or an npz, with ids and with split names or folds."""
    file = path / _FILE if path.is_dir() else path
    members = archive_members(file)
    if members is None:  # opening it reports the damage
        return file.name == _FILE
    return "id" in members and any(map(_DIVIDES.fullmatch, members))


def open_source(path: Path) -> Source:
    """Read the facts of the samples; views are read when blocks are asked for."""
    file = path / _FILE if path.is_dir() else path
    declared = declared_tasks(file)
    with open_arrays(file) as archive:
        views = _views(file, archive)
        table = _table(file, archive, views)
    columns, divisions, facts = _divided(file, table)
    candidates, names = _label_arrays(table)
    held, labels = labels_of(candidates, known_names(file) | names, declared, file)
    label = default_label(labels, declared)
    chosen = _modalities(list(views))
    order = [*chosen.values(), *(name for name in views if name not in chosen.values())]
    readme = file.with_name(README)
    return Source(
        path=path,
        name=f"views:{file.parent.name}" if file.name == _FILE else file.stem,
        format=FORMAT.name,
        dims={name: views[name] for name in order},
        divisions={name: replace(each, features=chosen) for name, each in divisions.items()},
        blocks=lambda features: iter([_block(file, table, columns | held, labels[label], features)]),
        n_samples=len(table["id"]),
        task=labels[label].task or Sentiment(),
        label=label,
        labels=labels,
        files=tuple(each for each in (file, readme) if each.is_file()),
        facts=facts,
    )


def _views(file: Path, archive: NamedArrays) -> dict[str, int]:
    """Return name to features per frame of the views, after a check that all arrays have the same rows."""
    shapes = archive.shapes
    for name in ("id", *(each for each in ("group", _TRANSCRIPT) if each in shapes)):
        if len(shapes.get(name, ())) != 1 or 0 in shapes[name]:
            problem = f"shape {shapes.get(name, 'none')} where (N,) is expected"
            raise damaged(f"{file}, {name}", problem, remedy="give every sample one", code="wrong_shape")
    rows = shapes["id"][0]
    for name, shape in shapes.items():
        if not _names_another(name, shapes) and (shape[:1] != (rows,) or len(shape) > 3 or 0 in shape):
            problem = f"shape {shape} where the first of one to three axes has {rows} rows"
            raise damaged(f"{file}, {name}", problem, remedy="give every sample one row", code="wrong_shape")
    floats = [name for name, shape in shapes.items() if len(shape) > 1 and archive.kinds[name] == "f"]
    floats = [name for name in floats if f"{name}{NAMES}" not in shapes and name not in USUAL]
    declared = declared_views(file) & set(floats)
    views = {name: shapes[name][-1] for name in floats if _is_view(file, name, shapes[name], declared)}
    before, of = _BEFORE.get(file.parent.name, ("", ""))
    views |= {before: views[of]} if of in views else {}
    if not views:
        problem = "no view: no array of floats with two or three axes"
        raise damaged(file, problem, remedy="add one per modality", code="missing")
    return views


def _is_view(file: Path, name: str, shape: tuple[int, ...], declared: Collection[str]) -> bool:
    if len(shape) == 3 or declared:
        return len(shape) == 3 or name in declared
    if shape[1] > _NARROW or canonical_modality(name.removesuffix(_VARIANT)) in MODALITIES:
        return True
    problem = f"{shape[1]} columns of floats may be a view or labels"
    remedy = f"name all views in {README} beside the file, in a line such as Views: text, {name}"
    raise damaged(f"{file}, {name}", problem, remedy=remedy, code="missing")


def _names_another(name: str, shapes: Collection[str]) -> bool:
    return name.endswith(NAMES) and name.removesuffix(NAMES) in shapes


def _table(file: Path, archive: NamedArrays, views: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return all arrays but views and transcripts; every sample is its own group where the file has none."""
    table = {name: archive.read(name) for name in archive.shapes if name not in views and name != _TRANSCRIPT}
    for name, values in table.items():
        if values.dtype.kind not in "fiubU" or (values.ndim > 1 and values.dtype.kind == "U"):
            problem = f"{values.dtype} where numbers or text are expected"
            raise damaged(f"{file}, {name}", problem, code="wrong_type")
    table = {"group": table["id"], **table}
    for name in ("id", "group"):
        table[name] = table[name].astype(np.str_)
        if (table[name] == "").any():
            problem = f"sample {int((table[name] == '').argmax())} has none"
            raise damaged(f"{file}, {name}", problem, remedy="give every sample one", code="missing")
    return table


def _label_arrays(table: Table) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
    """Return the arrays that may be labels, and the names of classes and outputs; texts that vary much are neither."""
    another = [key for key in table if _names_another(key, table)]
    names = {key.removesuffix(NAMES): table[key] for key in another}
    rest = {key: each for key, each in table.items() if key not in {*_FACTS, *another} and not _DIVIDES.fullmatch(key)}
    most = max(_FEW, len(table["id"]) // 10)
    return {key: each for key, each in rest.items() if each.dtype.kind != "U" or len(np.unique(each)) <= most}, names


def _divided(file: Path, table: Table) -> tuple[dict[str, NDArray[Any]], dict[str, Division], dict[str, str]]:
    """Return the columns beside labels, the partitions that keep groups whole, and what to tell of the others."""
    rows = len(table["id"])
    columns = {key: each for key, each in table.items() if each.shape == (rows,) and key not in {"id", "group"}}
    divisions: dict[str, Division] = {}
    crossed = []
    for name in sorted(filter(_DIVIDES.fullmatch, columns), key=lambda each: each != "split"):
        columns[name], division = _division(file, name, columns[name])
        if _keeps_groups(table["group"], columns[name], division):
            divisions[name] = division
        else:
            crossed.append(name)
    if not crossed:
        return columns, divisions, {}
    said = f"{', '.join(crossed)} left out: a group is in several parts"
    if not divisions:
        said = f"{said}; {_GROUP_FOLDS} has {_FOLDS} random folds of whole groups"
        columns[_GROUP_FOLDS] = splits.fold_numbers(splits.grouped_k_fold(table["group"], folds=_FOLDS))
        divisions = {_GROUP_FOLDS: Division(_GROUP_FOLDS, folds=_FOLDS, drawn=True)}
    return columns, divisions, {"partitions": said}


def _keeps_groups(group: NDArray[np.str_], column: NDArray[Any], division: Division) -> bool:
    inside = column != (_NONE if division.folds is None else -1)
    column = np.where(column == UNLABELLED, "train", column) if division.folds is None else column
    homes = set(zip(group[inside].tolist(), column[inside].tolist(), strict=True))
    return len({each for each, _ in homes}) == len(homes)


def _division(file: Path, name: str, values: NDArray[Any]) -> tuple[NDArray[Any], Division]:
    """Return a column of split names or fold numbers in one form, and the partition that it gives."""
    if values.dtype.kind == "U":
        words = {word: canonical_part(word) or _NONE for word in np.unique(values).tolist()}
        return np.array([words[word] for word in values.tolist()]), Division(name)
    if values.dtype.kind not in "iu" or values.max() < 2 or values.min() < -1 or values.max() >= len(values):
        problem = "neither names of splits nor numbers of at least 3 folds"
        raise damaged(f"{file}, {name}", problem, remedy="number folds from 0, -1 for none", code="out_of_range")
    return values.astype(np.int64), Division(name, folds=int(values.max()) + 1)


def _modalities(views: list[str]) -> dict[str, str]:
    """Return modality to view; one that a pretrained encoder made stands in where there is no other."""
    found = {canonical_modality(name): name for name in views if not name.endswith(_VARIANT)}
    for name in views:
        found.setdefault(canonical_modality(name.removesuffix(_VARIANT)), name)
    return {modality: found[modality] for modality in in_order(list(found))}


def _block(
    file: Path, table: Table, columns: Mapping[str, NDArray[Any]], label: Label, features: Collection[str]
) -> Block:
    with open_arrays(file) as archive:
        views = {name: _view(file, archive, name, table) for name in features}
        words = archive.read(_TRANSCRIPT) if _TRANSCRIPT in archive.shapes else None
    spoken, changed = (None, {}) if words is None else transcripts(words, where=f"{file}, {_TRANSCRIPT}")
    target = np.full(len(table["id"]), np.nan, dtype=np.float32)
    if label.task is not None:
        held = [columns[name] for name in label.columns]
        values = np.stack(held, axis=1) if label.names else held[0]
        target = label.task.encode(label.taken(values, label.task.kind), where=str(file))
    return Block(
        id=table["id"],
        group=table["group"],
        target=target,
        modalities=views,
        columns=columns,
        transcript=spoken,
        normalised=changed,
    )


def _view(file: Path, archive: NamedArrays, name: str, table: Table) -> RaggedArray:
    before, of = _BEFORE.get(file.parent.name, ("", ""))
    if name == before:
        return _turns_before(RaggedArray.from_vectors(archive.read(of), where=f"{file}, {of}"), table)
    array = archive.read(name)
    make = RaggedArray.from_vectors if array.ndim == 2 else RaggedArray.from_dense
    return make(array, where=f"{file}, {name}")


def _turns_before(vectors: RaggedArray, table: Table) -> RaggedArray:
    """Return the vector of the turn before in the same group; absent for the first of each.

    Turns are in the order of their start where it is known, else in that of the rows.
    """
    rows = np.arange(len(vectors))
    order = np.lexsort((table.get("start", rows), table["group"]))
    group = table["group"][order]
    before = np.full(len(rows), -1)
    before[order[1:]] = np.where(group[1:] == group[:-1], order[:-1], -1)
    return RaggedArray(vectors.values[before[before >= 0]], run_offsets((before >= 0).astype(np.int64)))


FORMAT = Format("multiview", recognises, open_source)
