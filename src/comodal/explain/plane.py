"""Project fused representations to two dimensions.

Axis legend: N samples, F width of a fused representation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["MAPS", "on_plane"]

MAPS = ("pca", "umap")


def on_plane(fused: Tensor, direction: NDArray[Any], kind: str = "pca") -> tuple[Tensor, str]:
    """Return two coordinates per sample, oriented and scaled alike for all models.

    Principal components have no sign and no common unit. Here the first axis increases with ``direction``, the second
    with its squared distance from the mean, and both have unit variance.

    Args:
        fused: ``(N, F)``, of one model.
        direction: ``(N,)``, the prediction, which sets the sign of the axes.
        kind: one of :data:`MAPS`.

    Returns:
        ``(N, 2)``, and a description of the projection.

    Raises:
        InputError: an unknown kind, or umap-learn is not installed (``needs_package``).
    """
    if kind not in MAPS:
        raise InputError.unknown("map", kind, MAPS)
    points, words = _principal(fused) if kind == "pca" else _neighbours(fused)
    along = torch.as_tensor(direction, dtype=torch.float64).nan_to_num(0.0)
    along = along - along.mean()
    for axis, guide in enumerate((along, along.square())):
        column = points[:, axis] - points[:, axis].mean()
        spread = column.std(correction=0)
        sign = -1.0 if bool((column @ (guide - guide.mean())) < 0) else 1.0
        points[:, axis] = sign * column / spread if bool(spread > 1e-9) else torch.zeros_like(column)
    return points.float(), words


def _principal(fused: Tensor) -> tuple[Tensor, str]:
    centred = fused.double() - fused.double().mean(dim=0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    padded = torch.zeros(len(fused), 2, dtype=torch.float64)
    kept = min(2, len(sizes))
    padded[:, :kept] = left[:, :kept] * sizes[:kept]
    shares = 100 * sizes.square() / sizes.square().sum().clamp(min=1e-12)
    first, second = [*(round(float(share)) for share in shares[:2]), 0, 0][:2]
    return padded, f"PCA ({first} % + {second} % of the variance)"


def _neighbours(fused: Tensor) -> tuple[Tensor, str]:
    try:
        import umap  # noqa: PLC0415 - an optional and slow import
    except ImportError as error:
        message = (
            f"--map umap needs a package that is not installed ({error}): pip install umap-learn, or use --map pca"
        )
        raise InputError(message, code="needs_package") from error
    neighbours = min(15, len(fused) - 1)
    found = umap.UMAP(n_neighbors=neighbours, random_state=0, n_jobs=1).fit_transform(fused.numpy())
    points = torch.from_numpy(np.asarray(found, dtype=np.float64))
    return points, f"UMAP of {neighbours} neighbours; distances between clusters mean little"
