"""Read the features of one modality from a file of arrays, in the order of a table of samples.

Axis legend: N samples, T frames of one, F frames of all, d features of a frame.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.ids import parse_id
from comodal.data.formats.named_arrays import NamedArrays, open_arrays
from comodal.data.formats.padding import padding_side, spans
from comodal.data.formats.texts import damaged
from comodal.data.ragged import RaggedArray

__all__ = ["Features", "open_features"]

_BESIDE = frozenset({"id", "lengths", "offsets", "mask"})
_CHUNK = 256

Frames = Callable[[NamedArrays, int], NDArray[Any]]
"""Returns the frames ``(T, d)`` of a sample by its number in the file."""


Prepare = Callable[[NamedArrays], tuple[Frames, str]]
"""Finds out from the open file how to read frames, since padding is only known from the values; and what it changed."""


@dataclass(frozen=True)
class Features:
    """An opened file of features, d a frame.

    ``place`` is the number ``(N,)`` in the file of each row of the table, -1 where the file lacks it.
    """

    path: Path
    dim: int
    place: NDArray[np.int64]
    _prepare: Prepare = field(repr=False)

    def blocks(self, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[RaggedArray, str]]:
        """Yield the frames of some spans of rows of the table, and what was changed, empty when nothing was."""
        with open_arrays(self.path) as arrays:
            frames, normalised = self._prepare(arrays)
            if not arrays.by_rows:
                for span in spans:
                    yield self._block(arrays, frames, span), normalised
                return
        for span in spans:
            # Opened for each: pages of the mapped file that were read would otherwise stay in memory.
            with open_arrays(self.path) as arrays:
                yield self._block(arrays, frames, span), normalised

    def _block(self, arrays: NamedArrays, frames: Frames, span: tuple[int, int]) -> RaggedArray:
        rows = []
        for place in self.place[slice(*span)].tolist():
            found = frames(arrays, place) if place >= 0 else np.zeros((0, self.dim))
            if found.dtype.kind not in "fiub" or found.shape[1:] != (self.dim,):
                what = f"{found.dtype} of shape {found.shape}, not numbers (frames, {self.dim})"
                problem = f"sample {place + 1} of the file has {what}"
                raise damaged(self.path, problem, remedy="give every sample the same features", code="wrong_shape")
            rows.append(found)
        return RaggedArray.from_rows(rows)


def open_features(path: Path, ids: Sequence[str]) -> Features:
    """Open a file of features and match it to the rows of a table with these ids, as written there.

    An npz or safetensors with one array ``(T, d)`` or ``(d,)`` per sample under its id; or ``values`` ``(F, d)``
    with ``lengths`` ``(N,)`` or ``offsets`` ``(N + 1,)``; or one array ``(N, T, d)`` or ``(N, d)`` of any name, with
    ``lengths`` or ``mask`` ``(N, T)`` where the file has them. The last two are in the order of the table, or of
    ``id`` (an array of an npz, a JSON list in the metadata of safetensors).
    """
    with open_arrays(path) as arrays:
        features = _opened(path, arrays, ids)
    if features.dim < 1:
        raise damaged(path, "a frame has no feature", remedy="give at least one", code="missing")
    return features


def _opened(path: Path, arrays: NamedArrays, ids: Sequence[str]) -> Features:
    names = set(arrays.shapes)
    known = {*ids, *(_joined(each) for each in ids)}
    named = names - _BESIDE
    if not names:
        raise damaged(path, "holds no array", remedy="give one per sample, or values with lengths", code="empty")
    if len(named) == 1 and not {*names, *(_joined(each) for each in named)} & known:
        name = next(iter(named))
        if len(arrays.shapes[name]) == 2 and names & {"lengths", "offsets"}:
            return _flat(path, arrays, name, ids)
        return _dense(path, arrays, name, ids)
    return _keyed(path, arrays, ids)


def _joined(raw: str) -> str:
    return "_".join(filter(None, parse_id(raw)))


def _places(path: Path, given: Sequence[str], ids: Sequence[str]) -> NDArray[np.int64]:
    """Return the number in the file of each row; ids are compared as written, else by video and segment."""
    if list(given) == list(ids):
        return np.arange(len(ids), dtype=np.int64)
    left, right = list(given), list(ids)
    if not set(left) <= set(right):
        left, right = [_joined(each) for each in left], [_joined(each) for each in right]
    number = {name: k for k, name in enumerate(left)}
    if len(number) < len(left):
        twice = next(name for k, name in enumerate(left) if number[name] != k)
        problem = f"holds the sample {twice!r} twice"
        raise damaged(path, problem, remedy="give every sample once", code="duplicate")
    present = set(right)
    unknown = [raw for raw, name in zip(given, left, strict=True) if name not in present]
    if unknown:
        problem = f"{len(unknown)} of its {len(left)} samples are not in the table, the first is {unknown[0]!r}"
        remedy = "name them as the column id does, or add them to the table"
        raise damaged(path, problem, remedy=remedy, code="mismatch")
    return np.array([number.get(name, -1) for name in right], dtype=np.int64)


def _in_order(path: Path, arrays: NamedArrays, ids: Sequence[str], count: int) -> NDArray[np.int64]:
    """Return the number in the file of each row, by its ids, else in the order of the table."""
    found: Any = None
    if "id" in arrays.shapes:
        found = arrays.read("id").ravel().tolist()
        found = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in found]
    elif "id" in arrays.metadata:
        found = json.loads(arrays.metadata["id"])
    if found is None:
        if count != len(ids):
            problem = f"holds {count} samples and the table {len(ids)}"
            raise damaged(path, problem, remedy="add an array 'id' that names those here", code="mismatch")
        return np.arange(count, dtype=np.int64)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found) or len(found) != count:
        problem = f"'id' is not a list of {count} texts"
        raise damaged(path, problem, remedy="give one id per sample, as text", code="wrong_type")
    return _places(path, [each.strip() for each in found], ids)


def _whole(path: Path, arrays: NamedArrays, name: str, count: int) -> NDArray[np.int64]:
    """Return a column of whole numbers, none negative."""
    found = arrays.read(name)
    if found.shape not in ((count,), (count, 1)) or found.dtype.kind not in "iu" or (found < 0).any():
        problem = f"{name!r} of shape {found.shape} and type {found.dtype} is not {count} whole numbers from 0"
        raise damaged(path, problem, remedy="write the file again", code="wrong_shape")
    if found.size and found.max() > np.iinfo(np.int64).max // 2:
        raise damaged(path, f"{name!r} holds impossible numbers", remedy="write the file again", code="too_large")
    return found.ravel().astype(np.int64)


def _keyed(path: Path, arrays: NamedArrays, ids: Sequence[str]) -> Features:
    names = list(arrays.shapes)
    for name, shape in arrays.shapes.items():
        if len(shape) not in (1, 2) or shape[-1] != arrays.shapes[names[0]][-1]:
            problem = f"array {name!r} has shape {shape}"
            remedy = "give (frames, features) for each sample, under its id, with the same features everywhere"
            raise damaged(path, problem, remedy=remedy, code="wrong_shape")

    def frames(arrays: NamedArrays, k: int) -> NDArray[Any]:
        found = arrays.read(names[k])
        return found[None] if found.ndim == 1 else found

    place = _places(path, [name.strip() for name in names], ids)
    return Features(path, arrays.shapes[names[0]][-1], place, lambda _: (frames, ""))


def _flat(path: Path, arrays: NamedArrays, name: str, ids: Sequence[str]) -> Features:
    total, dim = arrays.shapes[name]
    key = "offsets" if "offsets" in arrays.shapes else "lengths"
    count = int(np.prod(arrays.shapes[key], dtype=np.int64)) - (key == "offsets")
    column = _whole(path, arrays, key, count + (key == "offsets"))
    offsets = column if key == "offsets" else np.concatenate([[0], np.cumsum(column)])
    # No entry beyond the total, since a sum of large ones could overflow to it.
    if count < 0 or (column > total).any() or (np.diff(offsets) < 0).any() or offsets[0] != 0 or offsets[-1] != total:
        problem = f"{key!r} do not divide the {total} frames of {name!r}"
        remedy = "give N lengths that sum to it, or N + 1 offsets that rise from 0 to it"
        raise damaged(path, problem, remedy=remedy, code="mismatch")
    lengths = _whole(path, arrays, "lengths", count) if "lengths" in arrays.shapes else np.diff(offsets)
    if not np.array_equal(np.diff(offsets), lengths):
        raise damaged(path, "'lengths' and 'offsets' disagree", remedy="keep one of them", code="conflict")

    def frames(arrays: NamedArrays, k: int) -> NDArray[Any]:
        return arrays.rows(name, int(offsets[k]), int(offsets[k + 1]))

    return Features(path, dim, _in_order(path, arrays, ids, count), lambda _: (frames, ""))


def _dense(path: Path, arrays: NamedArrays, name: str, ids: Sequence[str]) -> Features:
    shape = arrays.shapes[name]
    if len(shape) not in (2, 3) or 0 in shape[1:]:
        problem = f"array {name!r} has shape {shape}"
        raise damaged(path, problem, remedy="give (N, frames, features) or (N, features)", code="wrong_shape")
    if "offsets" in arrays.shapes or {"mask", "lengths"} <= set(arrays.shapes):
        problem = f"{name!r} of shape {shape} with both 'lengths' and 'mask', or with 'offsets'"
        raise damaged(path, problem, remedy="keep 'lengths' or 'mask'", code="conflict")
    count = shape[0]

    def prepare(arrays: NamedArrays) -> tuple[Frames, str]:
        kept, normalised = _kept(path, arrays, name)

        def frames(arrays: NamedArrays, k: int) -> NDArray[Any]:
            found = arrays.rows(name, k, k + 1)
            return np.asarray(found.reshape(-1, shape[-1])[kept[k]])

        return frames, normalised

    return Features(path, shape[-1], _in_order(path, arrays, ids, count), prepare)


def _kept(path: Path, arrays: NamedArrays, name: str) -> tuple[NDArray[np.bool_], str]:
    """Return ``(N, T)``: the frames that are not padding, and what was decided."""
    count, steps = (*arrays.shapes[name][:-1], 1)[:2]
    if "mask" in arrays.shapes:
        mask = arrays.read("mask")
        if mask.size != count * steps or mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
            problem = f"'mask' of shape {mask.shape} is not {(count, steps)} of 0 and 1"
            raise damaged(path, problem, remedy="write it again", code="wrong_shape")
        return mask.reshape(count, steps).astype(bool), ""
    lengths = _whole(path, arrays, "lengths", count) if "lengths" in arrays.shapes else None
    if lengths is None and len(arrays.shapes[name]) == 2:
        return np.ones((count, 1), dtype=bool), ""
    real = np.empty((count, steps), dtype=bool)
    for k in range(0, count, _CHUNK):
        chunk = arrays.rows(name, k, min(k + _CHUNK, count))
        if chunk.dtype.kind not in "fiub":
            problem = f"array {name!r} holds {chunk.dtype}, not numbers"
            raise damaged(path, problem, remedy="store floats", code="wrong_type")
        real[k : k + _CHUNK] = (chunk != 0).reshape(len(chunk), steps, -1).any(axis=2)
    return _by_length(path, real, lengths) if lengths is not None else _by_zeros(real)


def _by_length(path: Path, real: NDArray[np.bool_], lengths: NDArray[np.int64]) -> tuple[NDArray[np.bool_], str]:
    """Return the frames within the lengths, counted from the side where everything beyond them is zero."""
    steps = real.shape[1]
    position = np.arange(steps)
    right = position < lengths[:, None]
    left = position >= steps - lengths[:, None]
    if (lengths > steps).any():
        problem = f"a length of {lengths.max()} where there are {steps} frames"
        raise damaged(path, problem, remedy="correct 'lengths'", code="mismatch")
    if not (real & ~right).any():
        return right, ""
    if not (real & ~left).any():
        return left, "padding on the left was removed"
    row = int((real & ~right).any(axis=1).argmax())
    problem = f"sample {row + 1} has frames that are not zero beyond its length of {lengths[row]}"
    raise damaged(path, problem, remedy="correct 'lengths', or give 'mask' instead")


def _by_zeros(real: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], str]:
    side = padding_side(real)
    first, end = spans(real, side)
    position = np.arange(real.shape[1])
    kept = (position >= first[:, None]) & (position < end[:, None])
    return kept, f"all-zero frames on the {side} were taken as padding" if side else ""
