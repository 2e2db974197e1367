"""Labels in the shapes they come in, brought to one number an utterance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.numeric import numeric

__all__ = ["sentiment"]


def sentiment(labels: Any, *, where: str) -> tuple[NDArray[np.float32], str]:
    """Sentiment of every utterance.

    Args:
        labels: ``(N,)``, ``(N, 1)``, ``(N, 1, 1)``, or ``(N, 7)`` and ``(N, 1, 7)`` as CMU-MOSEI has them, whose first
            column is the sentiment and whose others are emotions; a list of these is fine.
        where: file and key, for errors.

    Returns:
        ``(N,)`` float32, NaN where missing, and what was brought into our form, empty when nothing was.

    Raises:
        InputError: labels that are no numbers (text, or rows of different lengths), or of another shape.

    Example:
        >>> sentiment([[[1.5]], [[-2.0]]], where="x")
        (array([ 1.5, -2. ], dtype=float32), '')
        >>> sentiment([[1.5, 0, 0, 1, 0, 0, 0]], where="x")[1]
        'the first of 7 label columns was taken as sentiment'
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = numeric(labels).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: labels are not numbers ({error}); give one float an utterance") from error
    shape = found.shape
    if found.ndim == 3 and shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 1:
        return found, ""
    if found.ndim == 2 and found.shape[1] in (1, 7):
        taken = "the first of 7 label columns was taken as sentiment" if found.shape[1] == 7 else ""
        return np.ascontiguousarray(found[:, 0]), taken
    raise InputError(f"{where}: labels have shape {shape}; give (N,), (N, 1), (N, 1, 1) or (N, 7)")
