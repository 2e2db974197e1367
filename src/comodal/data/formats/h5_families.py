"""Read HDF5 files that are named for a split, with one array each: a file of all modalities, or one of each.

The memory fusion network's ``X_train.h5`` holds all modalities side by side under ``data``: words padded on the left to
20, columns 0 to 299 GloVe, 300 to 304 COVAREP, 305 to 324 FACET; ``y_train.h5`` one label per utterance. Others are
``audio_train.h5``, ``text_train_emb.h5``, ..., ``y_train.h5`` with an array under ``d1``, of any of the modalities.
There are no ids. One of the files stands for its folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.h5_splits import Columns, SplitFiles, single_array, split_source
from comodal.data.formats.hdf5 import Stored, has_signature, opened
from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import MODALITIES, canonical_modality, canonical_split, files_beside, in_order
from comodal.data.formats.texts import damaged

__all__ = ["MFN_H5", "MODALITY_H5"]

_NAME = re.compile(r"(?P<kind>[a-z]+)_(?P<split>[a-z]+)(?P<emb>_emb)?\.(h5|hdf5)")
_LABELS = ("y", "label", "labels")
_SOME = 512
_MFN_KEY, _KEY = "data", "d1"
_WIDTH = 325
_COLUMNS = {"text": (0, 300), "audio": (300, 305), "vision": (305, 325)}


def _mfn_kind(name: str) -> str:
    return name if name in ("x", "y") else ""


def _kind(name: str) -> str:
    """Return ``y`` for labels, the modality of others, with ``_emb`` for embedded words; empty for any other file."""
    kind = "y" if name in _LABELS else canonical_modality(name.removesuffix("_emb"))
    return kind + "_emb" * name.endswith("_emb") if kind in ("y", *MODALITIES) else ""


def _named(path: Path, kind_of: Callable[[str], str]) -> list[tuple[str, str, Path]]:
    """Return split, kind and path of each file of the folder."""
    found = []
    for file in files_beside(path):
        match = _NAME.fullmatch(file.name.lower())
        split = canonical_split(match["split"]) if match else ""
        kind = kind_of(match["kind"] + (match["emb"] or "")) if match else ""
        if split and kind:
            found.append((split, kind, file))
    return found


def _seen(path: Path, kind_of: Callable[[str], str]) -> list[tuple[str, Path]]:
    """Return kind and path of each HDF5 file of the folder; nothing where the path is another file."""
    try:
        files = [(kind, file) for _, kind, file in _named(path, kind_of)]
    except InputError:
        return []
    here = path.is_dir() or path in [file for _, file in files]
    return [(kind, file) for kind, file in files if here and has_signature(file)]


def _by_split(path: Path, kind_of: Callable[[str], str]) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {split: {} for split in SPLITS}
    for split, kind, file in _named(path, kind_of):
        if kind in found[split]:
            problem = f"a second file of {split} beside {found[split][kind].name}"
            raise damaged(file, problem, remedy="keep one of the two", code="duplicate")
        found[split][kind] = file
    return {split: files for split, files in found.items() if files}


def _shape(file: Path, key: str) -> tuple[int, ...] | None:
    """Return the shape of the array, ``None`` where nothing can be read."""
    try:
        with opened(file) as root:
            return single_array(root, key)[1].shape
    except InputError:
        return None


def recognises_mfn(path: Path) -> bool:
    """Whether there is an ``X_`` file of a split that has 325 columns, or none of them can be read at all."""
    shapes = [_shape(file, _MFN_KEY) for kind, file in _seen(path, _mfn_kind) if kind == "x"]
    return any(shape is not None and shape[-1] == _WIDTH for shape in shapes) or set(shapes) == {None}


def open_mfn(path: Path) -> Source:
    """Open the files of each split, of 325 columns."""
    splits = {split: _mfn_split(path, files) for split, files in _by_split(path, _mfn_kind).items()}
    return split_source(path, name=MFN_H5.name, splits=splits, key=_MFN_KEY, facts={})


def _mfn_split(path: Path, kinds: dict[str, Path]) -> SplitFiles:
    for kind, other in (("X", "y"), ("y", "X")):
        if kind.lower() not in kinds:
            there = kinds[other.lower()].name
            raise damaged(path, f"{there} without {kind}{there[1:]}", remedy="get both files", code="missing")
    with opened(kinds["x"]) as root:
        _, array = single_array(root, _MFN_KEY)
    if len(array.shape) != 3 or array.shape[2] != _WIDTH:
        problem = f"features have shape {array.shape}"
        raise damaged(array.where, problem, remedy=f"give (N, frames, {_WIDTH})", code="wrong_shape")
    return SplitFiles(kinds["y"], {name: Columns(kinds["x"], *span) for name, span in _COLUMNS.items()})


def recognises(path: Path) -> bool:
    """Whether there are labels, and a file of a modality that holds an array or cannot be read at all."""
    files = _seen(path, _kind)
    shapes = [_shape(file, _KEY) for kind, file in files if kind != "y"]
    return any(shape is None or len(shape) in (2, 3) for shape in shapes) and "y" in dict(files)


def open_source(path: Path) -> Source:
    """Open the files of each split; numbers of words are no features."""
    left: list[str] = []
    splits = {split: _split(path, split, files, left) for split, files in _by_split(path, _kind).items()}
    facts = {"not read": f"{', '.join(left)}: numbers of words, or words that are embedded in another file"}
    return split_source(path, name=MODALITY_H5.name, splits=splits, key=_KEY, facts=facts if left else {})


def _split(path: Path, split: str, files: dict[str, Path], left: list[str]) -> SplitFiles:
    if "y" not in files:
        raise damaged(path, f"no y_{split}.h5 with the labels of {split}", remedy="get that file too", code="missing")
    chosen: dict[str, Path] = {}
    for kind, file in files.items():
        name = kind.removesuffix("_emb")
        if kind == name and (f"{name}_emb" in files or (name == "text" and _word_numbers(file))):
            left.append(file.name)
        elif kind != "y":
            chosen[name] = file
    return SplitFiles(files["y"], {name: Columns(chosen[name]) for name in in_order(list(chosen))})


def _word_numbers(file: Path) -> bool:
    with opened(file) as root:
        _, array = single_array(root, _KEY)
        return len(array.shape) == 2 and array.dtype.kind != "S" and _whole(array)


def _whole(array: Stored) -> bool:
    rows = np.asarray(array.rows(0, min(_SOME, 2**22 // max(1, array.row_bytes))))
    return bool(np.isfinite(rows).all() and (rows >= 0).all() and (rows % 1 == 0).all() and rows.any())


MFN_H5 = Format("mfn_h5", recognises_mfn, open_mfn)
MODALITY_H5 = Format("modality_h5", recognises, open_source)
