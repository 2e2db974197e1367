"""Features of the reference models: the mean of the standardised frames of every modality, one vector per sample.

Axis legend: n samples, d features of one modality, D of all side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import MultimodalBatch
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Scale

__all__ = ["batch_means", "frame_means"]


def batch_means(batch: MultimodalBatch) -> NDArray[np.float64]:
    """Return ``(n, D)``: the mean of the frames of every modality, 0 (that of the training part) where it is absent."""
    found = []
    for sequence in batch.modalities.values():
        frames = sequence.values.double().where(sequence.mask[..., None], 0.0).sum(dim=1)
        found.append((frames / sequence.mask.sum(dim=1, keepdim=True).clamp(min=1)).numpy())
    return np.concatenate(found, axis=1)


def frame_means(array: RaggedArray, rows: NDArray[np.int64], scale: Scale) -> NDArray[Any]:
    """Return ``(n, d)`` the mean of the standardised frames of some samples, 0 where there is no frame."""
    found = []
    for group in array.groups(rows):
        frames = array.take(group)
        scaled = np.empty(frames.values.shape, dtype=np.float32)
        scale(frames.values, scaled)
        means = np.zeros((len(group), array.dim))
        present = frames.lengths > 0
        if present.any():
            sums = np.add.reduceat(scaled, frames.offsets[:-1][present], axis=0, dtype=np.float64)
            means[present] = sums / frames.lengths[present, None]
        found.append(means)
    return np.concatenate(found)
