"""Read HDF5 arrays of each split in blocks of rows, so that memory stays bounded.

Axis legend: N utterances, T padded frames, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.hdf5 import Stored, opened, stored
from comodal.data.formats.interface import Block
from comodal.data.formats.labels import sentiment
from comodal.data.formats.padding import Side, cut_counts, dense, padding_side, real_frames, unpad, unpad_aligned
from comodal.data.formats.texts import column
from comodal.data.ragged import RaggedArray

__all__ = ["Columns", "SplitFiles", "blocks_of_files"]

_ROWS = 512
_BYTES = 2**25


@dataclass(frozen=True)
class Columns:
    """The place of the features of a modality.

    Attributes:
        path: file with one array ``(N, T, columns)`` or ``(N, columns)``.
        first: first column of the modality.
        end: one past its last; ``None`` for all.
    """

    path: Path
    first: int = 0
    end: int | None = None


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split.

    Attributes:
        labels: file with one array of labels.
        features: modality to its columns.
    """

    labels: Path
    features: Mapping[str, Columns]

    @property
    def paths(self) -> list[Path]:
        """Each file once."""
        return list(dict.fromkeys([*(each.path for each in self.features.values()), self.labels]))


def blocks_of_files(
    splits: Mapping[str, SplitFiles], names: Mapping[Path, str], features: Collection[str], *, aligned: bool
) -> Iterator[Block]:
    """Yield the utterances of every split, some hundred at a time.

    Args:
        splits: split to its files, in the order of the splits.
        names: name of the array in each file.
        features: modalities that are wanted.
        aligned: whether all modalities share one span of real frames.
    """
    # Where all features share one span, those that are not wanted help to find it.
    needed = [name for name in next(iter(splits.values())).features if aligned or name in features]
    sides = _sides(splits, names, needed, aligned=aligned)
    for split, files in splits.items():
        with _arrays(files, names) as arrays:
            for rows in _runs(arrays):
                frames = _frames(arrays, {name: files.features[name] for name in needed}, rows)
                cut = _cut(frames, sides, aligned=aligned)
                counts = cut_counts(cut, {name: each.shape[1] for name, each in frames.items()}, sides, aligned=aligned)
                yield _block(split, rows, arrays[files.labels], {name: cut[name] for name in features}, counts)


@contextmanager
def _arrays(files: SplitFiles, names: Mapping[Path, str]) -> Iterator[dict[Path, Stored]]:
    with ExitStack() as stack:
        yield {path: stored(stack.enter_context(opened(path)), names[path]) for path in files.paths}


def _runs(arrays: Mapping[Path, Stored]) -> Iterator[range]:
    """Yield runs of rows that are few enough to hold at once."""
    step = max(1, min(_ROWS, _BYTES // max(1, *(array.row_bytes for array in arrays.values()))))
    count = next(iter(arrays.values())).shape[0]
    for start in range(0, count, step):
        yield range(start, min(start + step, count))


def _frames(
    arrays: Mapping[Path, Stored], columns: Mapping[str, Columns], rows: range
) -> dict[str, NDArray[np.float32]]:
    """Read some rows; each file once, however many modalities share it."""
    found = {
        path: dense(arrays[path].rows(rows.start, rows.stop), where=arrays[path].where)
        for path in dict.fromkeys(each.path for each in columns.values())
    }
    return {name: found[each.path][:, :, each.first : each.end] for name, each in columns.items()}


def _sides(
    splits: Mapping[str, SplitFiles], names: Mapping[Path, str], needed: Sequence[str], *, aligned: bool
) -> dict[str, Side]:
    """Return the side of the padding of each modality, from all rows of the first split that is padded at all.

    A few rows alone can look padded on the wrong side.
    """
    sides: dict[str, Side] = dict.fromkeys(needed, "")
    for files in splits.values():
        pending = {name: files.features[name] for name in needed if not sides[name]}
        if pending:
            with _arrays(files, names) as arrays:
                sides |= _sides_of_split(arrays, pending, aligned=aligned)
    return sides


def _sides_of_split(arrays: Mapping[Path, Stored], columns: Mapping[str, Columns], *, aligned: bool) -> dict[str, Side]:
    real: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in columns}
    for rows in _runs(arrays):
        masks = {name: real_frames(frames) for name, frames in _frames(arrays, columns, rows).items()}
        if aligned:
            masks = dict.fromkeys(masks, np.asarray(np.logical_or.reduce(list(masks.values()))))
        for name, mask in masks.items():
            real[name].append(mask)
    return {name: padding_side(np.concatenate(masks)) if masks else "" for name, masks in real.items()}


def _cut(
    frames: Mapping[str, NDArray[np.float32]], sides: Mapping[str, Side], *, aligned: bool
) -> dict[str, RaggedArray]:
    if aligned and frames:
        return unpad_aligned(frames, side=next(iter(sides.values())))[0]
    return {name: unpad(each, side=sides[name], where=name)[0] for name, each in frames.items()}


def _block(
    split: str, rows: range, labels: Stored, modalities: Mapping[str, RaggedArray], counts: Mapping[str, int]
) -> Block:
    with np.errstate(invalid="ignore"):
        target, taken = sentiment(labels.rows(rows.start, rows.stop), where=labels.where)
    ids = column([f"{split}_{row}" for row in rows], where=labels.where)
    counts = {"utterances without an id were numbered": len(rows), **({taken: len(rows)} if taken else {}), **counts}
    return Block(
        id=ids,
        group=ids,
        target=target,
        modalities=modalities,
        columns={"split": np.full(len(rows), split)},
        normalised={sentence: count for sentence, count in counts.items() if count},
    )
