"""A source from HDF5 files of each split, once their arrays are known to fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from comodal.contracts import InputError
from comodal.data.formats.h5_blocks import SplitFiles, blocks_of_files
from comodal.data.formats.hdf5 import Stored, members, opened, stored
from comodal.data.formats.interface import Source
from comodal.data.formats.names import in_order
from comodal.data.formats.parts import DIVISIONS

__all__ = ["files_beside", "single_array", "split_source"]

_LABEL_SHAPES = {(), (1,), (1, 1), (7,), (1, 7)}


def files_beside(path: Path) -> list[Path]:
    """The files of a folder, by name; those beside it for a file.

    Raises:
        InputError: there is no such path, or it cannot be looked into.
    """
    try:
        path.stat()
        return sorted((path if path.is_dir() else path.parent).iterdir())
    except OSError as error:
        raise InputError(f"{path}: not a readable folder ({error.strerror}); check the path and your rights") from error


def single_array(root: Any, expected: str) -> tuple[str, Stored]:
    """The array of a file that should hold one, by its expected name where there are several.

    Raises:
        InputError: there is none, or there are several of other names.
    """
    names = members(root)
    if not names:
        raise InputError(f"{root.file.filename}: an HDF5 file without an array; get it again")
    if len(names) > 1 and expected not in names:
        raise InputError(f"{root.file.filename}: several arrays {names[:9]}; give a file with {expected!r} alone")
    name = expected if expected in names else names[0]
    return name, stored(root, name)


def split_source(
    path: Path, *, name: str, splits: Mapping[str, SplitFiles], key: str, facts: Mapping[str, str]
) -> Source:
    """A source from the files of each split.

    Args:
        path: what was asked for.
        name: of the format.
        splits: split to its files, in the order of the splits.
        key: usual name of the array in each file.
        facts: what else is worth telling.

    Returns:
        A source that streams; features of one length in every split are taken to be aligned word by word.

    Raises:
        InputError: splits are missing, or their arrays do not fit together.
    """
    if len(splits) < 2 and "train" not in splits:
        given = ", ".join(splits) or "none"
        raise InputError(f"{path}: of train, valid and test, only {given} is there; get the missing files")
    shapes, names, notes = _shapes(splits, key)
    dims = _dims(splits, shapes, path)
    aligned = all(len({shapes[each.path][1] for each in files.features.values()}) == 1 for files in splits.values())
    return Source(
        path=path,
        format=name,
        dims=dims,
        divisions=DIVISIONS,
        blocks=lambda features: blocks_of_files(splits, names, features, aligned=aligned),
        n_utterances=sum(shapes[files.labels][0] for files in splits.values()),
        streams=True,
        files=tuple(dict.fromkeys(each for files in splits.values() for each in files.paths)),
        facts={
            **facts,
            **({"arrays under other names": ", ".join(notes)} if notes else {}),
            "alignment": "all features have one length" if aligned else "features have lengths of their own",
        },
    )


def _shapes(
    splits: Mapping[str, SplitFiles], key: str
) -> tuple[dict[Path, tuple[int, ...]], dict[Path, str], list[str]]:
    """Shape ``(N, T, columns)`` of each file of features and that of each file of labels; the name of each array."""
    shapes: dict[Path, tuple[int, ...]] = {}
    names: dict[Path, str] = {}
    for files in splits.values():
        for path in files.paths:
            with opened(path) as root:
                names[path], array = single_array(root, key)
            shapes[path] = _label_shape(array) if path == files.labels else _frame_shape(array)
            if shapes[path][0] != shapes[files.paths[0]][0]:
                raise InputError(
                    f"{array.where}: {shapes[path][0]} utterances but {shapes[files.paths[0]][0]} in "
                    f"{files.paths[0].name}; get both files again"
                )
    return shapes, names, [f"{path.name}: {name}" for path, name in names.items() if name != key]


def _frame_shape(array: Stored) -> tuple[int, ...]:
    shape = (array.shape[0], 1, *array.shape[1:]) if len(array.shape) == 2 else array.shape
    if len(shape) != 3 or 0 in shape[1:] or array.dtype.kind == "S":
        raise InputError(
            f"{array.where}: features of type {array.dtype} and shape {array.shape}; give numbers (N, frames, features)"
        )
    return shape


def _label_shape(array: Stored) -> tuple[int, ...]:
    if array.dtype.kind == "S" or array.shape[1:] not in _LABEL_SHAPES:
        raise InputError(
            f"{array.where}: labels of type {array.dtype} and shape {array.shape}; give sentiment as numbers (N,), "
            "(N, 1), (N, 1, 1), or (N, 7) with sentiment first"
        )
    return array.shape


def _dims(splits: Mapping[str, SplitFiles], shapes: Mapping[Path, tuple[int, ...]], path: Path) -> dict[str, int]:
    """Features a frame, which every split must share."""
    found = {}
    for split, files in splits.items():
        widths = {name: len(range(shapes[at.path][2])[at.first : at.end]) for name, at in files.features.items()}
        found[split] = {name: widths[name] for name in in_order(list(widths))}
    first, dims = next(iter(found.items()))
    for split, each in found.items():
        if each != dims:
            raise InputError(f"{path}: {first} has features {dims} but {split} has {each}; get the files again")
    if not dims:
        raise InputError(f"{path}: holds labels but no features; get the files of text, audio or vision")
    return dims
