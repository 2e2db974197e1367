"""Sentiment labels in the shapes of the field, as one number per utterance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.formats.damage import damaged
from comodal.data.formats.numeric import floats

__all__ = ["sentiment"]


def sentiment(labels: Any, *, where: str) -> tuple[NDArray[np.float32], str]:
    """Return the sentiment of every utterance.

    Args:
        labels: ``(N,)``, ``(N, 1)``, ``(N, 1, 1)``, or ``(N, 7)`` and ``(N, 1, 7)`` as CMU-MOSEI has them, whose first
            column is the sentiment and whose others are emotions; a list of these is fine.
        where: file and key, for errors.

    Returns:
        ``(N,)`` float32, NaN where missing, and what was changed, empty when nothing was.

    Example:
        >>> sentiment([[[1.5]], [[-2.0]]], where="x")
        (array([ 1.5, -2. ], dtype=float32), '')
        >>> sentiment([[1.5, 0, 0, 1, 0, 0, 0]], where="x")[1]
        'the first of 7 label columns was taken as sentiment'
    """
    found = floats(labels, where=where, what="labels")
    shape = found.shape
    if found.ndim == 3 and shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 1:
        return found, ""
    if found.ndim == 2 and found.shape[1] in (1, 7):
        taken = "the first of 7 label columns was taken as sentiment" if found.shape[1] == 7 else ""
        return np.ascontiguousarray(found[:, 0]), taken
    raise damaged(
        where, f"labels have shape {shape}", remedy="give (N,), (N, 1), (N, 1, 1) or (N, 7)", code="wrong_shape"
    )
