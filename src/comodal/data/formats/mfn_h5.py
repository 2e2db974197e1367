"""Read the files of the memory fusion network: ``X_train.h5`` with all modalities side by side, and ``y_train.h5``.

Each holds one array under ``data``: words padded on the left to 20, columns 0 to 299 GloVe, 300 to 304 COVAREP, 305 to
324 FACET; one label per utterance. There are no ids.
"""

from __future__ import annotations

from pathlib import Path

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS
from comodal.data.formats.h5_splits import Columns, SplitFiles, files_beside, single_array, split_source
from comodal.data.formats.hdf5 import has_signature, opened
from comodal.data.formats.interface import Format, Source
from comodal.data.formats.names import canonical_split
from comodal.data.formats.texts import damaged

__all__ = ["FORMAT", "open_source", "recognises"]

_KEY = "data"
_WIDTH = 325
_COLUMNS = {"text": (0, 300), "audio": (300, 305), "vision": (305, 325)}


def recognises(path: Path) -> bool:
    """Whether a path is a folder with an ``X_`` file of a split that has 325 columns, or one file of such a folder.

    A damaged HDF5 file in that place is taken too, so that opening it reports the damage.
    """
    try:
        files = _files(path)
    except InputError:
        return False
    here = [file for _, (kind, file) in files if kind == "x" and has_signature(file)]
    if path.is_file() and path not in [file for _, (_, file) in files]:
        return False
    widths = [_width(file) for file in here]
    return _WIDTH in widths or (bool(here) and set(widths) == {-1})


def _width(file: Path) -> int:
    """Return the columns of the array, -1 where nothing can be read."""
    try:
        with opened(file) as root:
            return single_array(root, _KEY)[1].shape[-1]
    except InputError:
        return -1


def _files(path: Path) -> list[tuple[str, tuple[str, Path]]]:
    """Return split, kind (x or y) and path of each file of the folder."""
    found = []
    for file in files_beside(path):
        kind, _, split = file.stem.lower().partition("_")
        if file.suffix.lower() in (".h5", ".hdf5") and kind in ("x", "y") and canonical_split(split):
            found.append((canonical_split(split), (kind, file)))
    return found


def open_source(path: Path) -> Source:
    """Open the files of each split."""
    kinds: dict[str, dict[str, Path]] = {}
    for split, (kind, file) in _files(path):
        if kind in kinds.setdefault(split, {}):
            problem = f"a second file of {split} beside {kinds[split][kind].name}"
            raise damaged(file, problem, remedy="keep one of the two", code="duplicate")
        kinds[split][kind] = file
    splits = {split: _split(path, kinds[split]) for split in SPLITS if split in kinds}
    return split_source(path, name=FORMAT.name, splits=splits, key=_KEY, facts={})


def _split(path: Path, kinds: dict[str, Path]) -> SplitFiles:
    for kind, other in (("x", "y"), ("y", "x")):
        if kind not in kinds:
            name = kind.upper() if kind == "x" else kind
            problem = f"{kinds[other].name} without {name}{kinds[other].name[1:]}"
            raise damaged(path, problem, remedy="get both files", code="missing")
    with opened(kinds["x"]) as root:
        _, array = single_array(root, _KEY)
    if len(array.shape) != 3 or array.shape[2] != _WIDTH:
        problem = f"features have shape {array.shape}"
        raise damaged(array.where, problem, remedy=f"give (N, frames, {_WIDTH})", code="wrong_shape")
    return SplitFiles(kinds["y"], {name: Columns(kinds["x"], *span) for name, span in _COLUMNS.items()})


FORMAT = Format("mfn_h5", recognises, open_source)
