"""Read one file per modality and split: ``audio_train.h5``, ``text_train_emb.h5``, ..., ``y_train.h5``.

Each holds one array under ``d1``. Any of the modalities will do.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.h5_splits import Columns, SplitFiles, files_beside, single_array, split_source
from comodal.data.formats.hdf5 import Stored, has_signature, opened
from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import MODALITIES, canonical_modality, canonical_split, in_order
from comodal.data.formats.texts import damaged

__all__ = ["FORMAT", "open_source", "recognises"]

_KEY = "d1"
_NAME = re.compile(r"(?P<kind>[a-z]+)_(?P<split>[a-z]+)(?P<emb>_emb)?\.(h5|hdf5)")
_LABELS = ("y", "label", "labels")
_SOME = 512


def recognises(path: Path) -> bool:
    """Whether a path is a folder with HDF5 files of labels and of a modality, or one file of such a folder.

    The name of a file gives its modality; its content must be an array, or not readable at all.
    """
    try:
        files = _files(path)
    except InputError:
        return False
    if path.is_file() and path not in [file for files_of in files.values() for file in files_of.values()]:
        return False
    some = [file for files_of in files.values() for kind, file in files_of.items() if kind != "y"]
    labels = [files_of["y"] for files_of in files.values() if "y" in files_of]
    return any(map(_may_hold_array, some)) and any(map(has_signature, labels))


def _may_hold_array(file: Path) -> bool:
    if not has_signature(file):
        return False
    try:
        with opened(file) as root:
            return len(single_array(root, _KEY)[1].shape) in (2, 3)
    except InputError:
        return True


def _files(path: Path) -> dict[str, dict[str, Path]]:
    """Return split to modality (``y`` for labels, ``text_emb`` for embedded text) to file."""
    found: dict[str, dict[str, Path]] = {split: {} for split in SPLITS}
    for file in files_beside(path):
        match = _NAME.fullmatch(file.name.lower())
        split = canonical_split(match["split"]) if match else ""
        if not match or not split:
            continue
        kind = "y" if match["kind"] in _LABELS else canonical_modality(match["kind"])
        if kind == "y" or kind in MODALITIES:
            found[split][kind + (match["emb"] or "")] = file
    return {split: files for split, files in found.items() if files}


def open_source(path: Path) -> Source:
    """Open the files of each split."""
    files = _files(path)
    left: list[str] = []
    splits = {split: _split(path, split, files[split], left) for split in SPLITS if split in files}
    facts = {"not read": f"{', '.join(left)}: numbers of words, or words that are embedded in another file"}
    return split_source(path, name=FORMAT.name, splits=splits, key=_KEY, facts=facts if left else {})


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
    """Whether a file of text holds word ids, which are not features."""
    with opened(file) as root:
        _, array = single_array(root, _KEY)
        return len(array.shape) == 2 and array.dtype.kind != "S" and _whole(array)


def _whole(array: Stored) -> bool:
    rows = np.asarray(array.rows(0, min(_SOME, 2**22 // max(1, array.row_bytes))))
    return bool(np.isfinite(rows).all() and (rows >= 0).all() and (rows % 1 == 0).all() and rows.any())


FORMAT = Format("modality_h5", recognises, open_source)
