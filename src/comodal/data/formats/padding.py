"""Remove the padding of sequences, on whichever side it is.

Axis legend: N utterances, T padded frames, d features of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.damage import damaged
from comodal.data.formats.numeric import floats, numeric
from comodal.data.ragged import RaggedArray, frame_index, run_offsets

__all__ = ["Side", "cut_counts", "dense", "padding_side", "real_frames", "unpad", "unpad_aligned", "within"]

Side = str
"""``"left"``, ``"right"`` or ``""`` where nothing is padded."""


def dense(values: Any, *, where: str) -> NDArray[np.float32]:
    """Return an array ``(N, T, d)`` of floats; ``(N, d)`` becomes ``(N, 1, d)``."""
    found = floats(values, where=where, what="features")
    found = found[:, None, :] if found.ndim == 2 else found
    if found.ndim != 3 or 0 in found.shape[1:]:
        raise damaged(
            where, f"features have shape {found.shape}", remedy="give (N, frames, features)", code="wrong_shape"
        )
    return found


def real_frames(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return ``(N, T)``: the frames of ``(N, T, d)`` that are not all zero (one that is not finite is real)."""
    return np.asarray((values != 0).any(axis=2))


def padding_side(real: NDArray[np.bool_]) -> Side:
    """Return the side of the padding: the end with more all-zero frames, over the rows that have a real frame."""
    real = real[real.any(axis=1)]
    # Rows first, frames only among as many: padding is in most rows, silence may be long in a few.
    first, last = int((~real[:, 0]).sum()), int((~real[:, -1]).sum())
    if first == last:
        first, last = int(real.argmax(axis=1).sum()), int(real[:, ::-1].argmax(axis=1).sum())
    if first == last == 0:
        return ""
    return "left" if first > last else "right"


def _spans(real: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and one past the last real frame of every row; zero frames between stay inside."""
    steps = real.shape[1]
    some = real.any(axis=1)
    first = np.where(some, real.argmax(axis=1), 0)
    end = np.where(some, steps - real[:, ::-1].argmax(axis=1), 0)
    return first.astype(np.int64), end.astype(np.int64)


def _cut(values: NDArray[np.float32], first: NDArray[np.int64], end: NDArray[np.int64]) -> RaggedArray:
    n, steps, dim = values.shape
    lengths = end - first
    offsets = run_offsets(lengths)
    rows = values.reshape(n * steps, dim)
    return RaggedArray(rows[frame_index(np.arange(n, dtype=np.int64) * steps + first, lengths)], offsets)


def _from_padded_side(real: NDArray[np.bool_], side: Side) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return spans without the zeros at the padded end; at the other end zeros are silence."""
    first, end = _spans(real)
    some = real.any(axis=1)
    if side == "left":
        return first, np.where(some, real.shape[1], 0)
    if side == "right":
        return np.zeros_like(first), end
    return np.zeros_like(first), np.where(some, real.shape[1], 0)


def within(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> RaggedArray:
    """Return the frames of each row from the first to the last that a mask allows, whatever their values.

    Args:
        values: ``(N, T, d)``.
        mask: ``(N, T)`` bool.
    """
    return _cut(values, *_spans(mask))


def unpad(
    values: NDArray[np.float32], *, lengths: Any = None, side: Side | None = None, where: str
) -> tuple[RaggedArray, Side]:
    """Remove the padding of one modality.

    Args:
        values: ``(N, T, d)``.
        lengths: ``(N,)`` frames of each row where the file has them; a row with real frames beyond its length keeps
            them. Without lengths, all-zero frames at the padded end are padding, and no others.
        side: where the padding is; detected when ``None``, which is better done for all splits of a file together.
        where: file and key, for errors.

    Returns:
        The sequences, and the side on which they were padded. A row without a real frame is empty unless it has a
        length.
    """
    real = real_frames(values)
    side = padding_side(real) if side is None else side
    if lengths is None:
        return _cut(values, *_from_padded_side(real, side)), side
    n, steps, _ = values.shape
    given = _lengths(lengths, n, steps, where=where)
    first, end = _spans(real)
    if side == "left":
        first = np.where(real.any(axis=1), np.minimum(first, steps - given), steps - given)
        return _cut(values, first, np.full(n, steps)), side
    return _cut(values, np.zeros(n, dtype=np.int64), np.maximum(given, end)), side


def _lengths(lengths: Any, n: int, steps: int, *, where: str) -> NDArray[np.int64]:
    """Return lengths as whole numbers, at most as many as there are frames: the padding may have cut a sequence."""
    given = numeric(lengths, where=where, what="lengths")
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any() or (given % 1 != 0).any():
        raise damaged(where, f"lengths of {n} utterances are not {n} whole numbers")
    return np.asarray(np.minimum(given, steps), dtype=np.int64)


def unpad_aligned(
    arrays: Mapping[str, NDArray[np.float32]], *, side: Side | None = None
) -> tuple[dict[str, RaggedArray], Side]:
    """Remove the common padding of word-aligned modalities: a frame is padding where every modality is zero.

    Args:
        arrays: name to ``(N, T, d)``, all with the same N and T.
        side: where the padding is; detected when ``None``.
    """
    real = np.logical_or.reduce([real_frames(values) for values in arrays.values()])
    side = padding_side(real) if side is None else side
    span = _from_padded_side(real, side)
    return {name: _cut(np.asarray(values, dtype=np.float32), *span) for name, values in arrays.items()}, side


def cut_counts(
    cut: Mapping[str, RaggedArray], steps: Mapping[str, int], sides: Mapping[str, Side], *, aligned: bool
) -> dict[str, int]:
    """Return a sentence per modality that describes what was cut, to the number of utterances it concerned.

    Args:
        cut: modality to its frames without padding.
        steps: modality to its padded frames, T; those without are left out.
        sides: modality to the side of its padding.
        aligned: whether all modalities were cut alike.
    """
    counts: dict[str, int] = {}
    for name, array in cut.items():
        if shorter := int((array.lengths < steps.get(name, 0)).sum()):
            side = sides[name]
            what = f"padding on the {side} was removed" if side else "sequences of nothing but zeros became absent"
            counts[f"{'all features alike' if aligned else name}: {what}"] = shorter
    return counts
