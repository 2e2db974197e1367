"""Remove the padding of sequences, on whichever side it is.

Axis legend: N samples, T padded frames, d features of a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.numeric import floats, numeric
from comodal.data.formats.texts import damaged
from comodal.data.ragged import RaggedArray, frame_index, run_offsets

__all__ = ["Side", "dense", "padding_side", "real_frames", "spans", "unpad", "within"]

Side = str
"""``"left"``, ``"right"`` or ``""`` where nothing is padded."""

Span = tuple[NDArray[np.int64], NDArray[np.int64]]
"""``(N,)`` the first frame of every row, and one past its last."""


def dense(values: Any, *, where: str) -> NDArray[np.float32]:
    """Return an array ``(N, T, d)`` of floats; ``(N, d)`` becomes ``(N, 1, d)``."""
    found = floats(values, where=where, what="features")
    found = found[:, None, :] if found.ndim == 2 else found
    if found.ndim != 3 or 0 in found.shape[1:]:
        remedy = "give (N, frames, features)"
        raise damaged(where, f"features have shape {found.shape}", remedy=remedy, code="wrong_shape")
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


def spans(real: NDArray[np.bool_], side: Side | None = None) -> Span:
    """Return the spans without the zeros at the padded end; at the other end and inside, zeros are silence.

    Without a side, the spans from the first to the last real frame. A row without a real frame is empty.
    """
    steps, some = real.shape[1], real.any(axis=1)
    first = np.where(some & (side in ("left", None)), real.argmax(axis=1), 0)
    last = real[:, ::-1].argmax(axis=1) if side in ("right", None) else 0
    return first.astype(np.int64), np.where(some, steps - last, 0).astype(np.int64)


def _cut(values: NDArray[np.float32], span: Span) -> RaggedArray:
    n, steps, dim = values.shape
    lengths = span[1] - span[0]
    index = frame_index(np.arange(n, dtype=np.int64) * steps + span[0], lengths)
    return RaggedArray(values.reshape(n * steps, dim)[index], run_offsets(lengths))


def within(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> RaggedArray:
    """Return the frames of each row from the first to the last that a mask ``(N, T)`` allows, whatever their values."""
    return _cut(values, spans(mask))


def unpad(
    values: NDArray[np.float32], real: NDArray[np.bool_], side: Side, *, lengths: Any = None, where: str
) -> RaggedArray:
    """Remove the padding of one modality.

    Args:
        values: ``(N, T, d)``.
        real: ``(N, T)`` the frames that are not padding, of this modality or of any that is aligned with it.
        side: where the padding is.
        lengths: ``(N,)`` frames of each row where the file has them; a row with real frames beyond its length keeps
            them. Without lengths, all-zero frames at the padded end are padding, and no others.
        where: file and key, for errors.
    """
    if lengths is None:
        return _cut(values, spans(real, side))
    n, steps, _ = values.shape
    given = _lengths(lengths, n, steps, where=where)
    first, end = spans(real)
    if side == "left":
        first = np.where(real.any(axis=1), np.minimum(first, steps - given), steps - given)
        return _cut(values, (first, np.full(n, steps)))
    return _cut(values, (np.zeros(n, dtype=np.int64), np.maximum(given, end)))


def _lengths(lengths: Any, n: int, steps: int, *, where: str) -> NDArray[np.int64]:
    """Return lengths as whole numbers, at most as many as there are frames: the padding may have cut a sequence."""
    given = numeric(lengths, where=where, what="lengths")
    if given.ndim == 2 and given.shape[1] == 1:
        given = given[:, 0]
    if given.shape != (n,) or not np.isfinite(given).all() or (given < 0).any() or (given % 1 != 0).any():
        raise damaged(where, f"lengths of {n} samples are not {n} whole numbers")
    return np.asarray(np.minimum(given, steps), dtype=np.int64)
