"""HDF5 files of each split, with one array each, as a source that is read some hundred samples at a time.

Axis legend: N samples, T padded frames.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from comodal.data.formats.hdf5 import Stored, members, opened, stored
from comodal.data.formats.interface import Source
from comodal.data.formats.label_fields import Fields, fields_of, label_values, offering, shared_fields
from comodal.data.formats.padding import dense
from comodal.data.formats.parts import DIVISIONS, Part, blocks_of, shared_dims
from comodal.data.formats.texts import column, damaged

__all__ = ["Columns", "SplitFiles", "single_array", "split_source"]

_ROWS = 512
_BYTES = 2**25


class Columns(NamedTuple):
    """The place of a modality: a file with one array ``(N, T, columns)`` or ``(N, columns)``, and which columns."""

    path: Path
    first: int = 0
    end: int | None = None


class SplitFiles(NamedTuple):
    """The files of one split: that of the labels, and modality to its columns."""

    labels: Path
    features: Mapping[str, Columns]

    @property
    def paths(self) -> list[Path]:
        """Each file once."""
        return list(dict.fromkeys([*(each.path for each in self.features.values()), self.labels]))


def single_array(root: Any, expected: str) -> tuple[str, Stored]:
    """Return the array of a file that should hold one, by its expected name where there are several."""
    names = members(root)
    if not names:
        raise damaged(root.file.filename, "an HDF5 file without an array", code="missing")
    if len(names) > 1 and expected not in names:
        raise damaged(root.file.filename, f"several arrays {names[:9]}", remedy=f"give a file with {expected!r} alone")
    name = expected if expected in names else names[0]
    return name, stored(root, name)


def split_source(
    path: Path, *, name: str, splits: Mapping[str, SplitFiles], key: str, facts: Mapping[str, str]
) -> Source:
    """Return a source from the files of each split, whose arrays are mostly called ``key``.

    Features of one length everywhere are aligned word by word.
    """
    if len(splits) < 2 and "train" not in splits:
        given = ", ".join(splits) or "none"
        problem = f"of train, valid and test, only {given} is there"
        raise damaged(path, problem, remedy="get the missing files", code="missing")
    shapes, names = _shapes(splits, key)
    widths = {
        f"{path}, {split}": {
            name: len(range(shapes[at.path][2])[at.first : at.end]) for name, at in files.features.items()
        }
        for split, files in splits.items()
    }
    dims = shared_dims(path, widths)
    aligned = all(len({shapes[each.path][1] for each in files.features.values()}) == 1 for files in splits.values())
    fields = shared_fields({str(each.labels): fields_of(shapes[each.labels], where="") for each in splits.values()})
    runs = [partial(_runs, split, files, names, fields) for split, files in splits.items()]
    others = [f"{path.name}: {name}" for path, name in names.items() if name != key]
    source = Source(
        path=path,
        format=name,
        dims=dims,
        divisions=DIVISIONS,
        blocks=lambda features: blocks_of(runs, dims, features, aligned=aligned),
        n_samples=sum(shapes[files.labels][0] for files in splits.values()),
        files=tuple(dict.fromkeys(each for files in splits.values() for each in files.paths)),
        facts={
            **facts,
            **({"arrays under other names": ", ".join(others)} if others else {}),
            "alignment": "all features have one length" if aligned else "features have lengths of their own",
        },
    )
    return offering(source, fields)


def _shapes(splits: Mapping[str, SplitFiles], key: str) -> tuple[dict[Path, tuple[int, ...]], dict[Path, str]]:
    """Return the shape of each file, ``(N, T, columns)`` of features, and the name of each array."""
    shapes: dict[Path, tuple[int, ...]] = {}
    names: dict[Path, str] = {}
    for files in splits.values():
        for path in files.paths:
            with opened(path) as root:
                names[path], array = single_array(root, key)
            shapes[path] = _label_shape(array) if path == files.labels else _frame_shape(array)
            if shapes[path][0] != shapes[files.paths[0]][0]:
                problem = f"{shapes[path][0]} samples but {shapes[files.paths[0]][0]} in {files.paths[0].name}"
                raise damaged(array.where, problem, remedy="get both files again", code="mismatch")
    return shapes, names


def _frame_shape(array: Stored) -> tuple[int, ...]:
    shape = (array.shape[0], 1, *array.shape[1:]) if len(array.shape) == 2 else array.shape
    if len(shape) != 3 or 0 in shape[1:] or array.dtype.kind == "S":
        problem = f"features of type {array.dtype} and shape {array.shape}"
        raise damaged(array.where, problem, remedy="give numbers (N, frames, features)", code="wrong_shape")
    return shape


def _label_shape(array: Stored) -> tuple[int, ...]:
    if array.dtype.kind == "S":
        raise damaged(array.where, f"labels of type {array.dtype}", remedy="give numbers", code="wrong_shape")
    fields_of(array.shape, where=array.where)
    return array.shape


def _runs(
    split: str, files: SplitFiles, names: Mapping[Path, str], fields: Fields, features: Collection[str]
) -> Iterator[Part]:
    """Yield a split in runs of rows that are few enough to hold at once."""
    with ExitStack() as stack:
        arrays = {path: stored(stack.enter_context(opened(path)), names[path]) for path in files.paths}
        step = max(1, min(_ROWS, _BYTES // max(1, *(array.row_bytes for array in arrays.values()))))
        for start in range(0, arrays[files.labels].shape[0], step):
            part = _run(split, files, arrays, features, slice(start, start + step))
            yield replace(part, columns={name: part.columns[name] for name in fields.others})


def _run(split: str, files: SplitFiles, arrays: Mapping[Path, Stored], features: Collection[str], rows: slice) -> Part:
    """Read some rows; each file once, however many modalities share it."""
    columns = {name: files.features[name] for name in features}
    read = {
        path: dense(arrays[path].rows(rows.start, rows.stop), where=arrays[path].where)
        for path in dict.fromkeys(each.path for each in columns.values())
    }
    labels = arrays[files.labels]
    found = label_values(labels.rows(rows.start, rows.stop), where=labels.where)
    ids = column([f"{split}_{rows.start + row}" for row in range(len(found))], where=labels.where)
    counts = {"samples without an id were numbered": len(found), **found.normalised}
    return Part(
        split=split,
        where=labels.where,
        id=ids,
        group=ids,
        target=found.target,
        padded={name: read[each.path][:, :, each.first : each.end] for name, each in columns.items()},
        columns=found.columns,
        normalised={sentence: count for sentence, count in counts.items() if count},
    )
