"""Dependency from the singular values of each tuple: no critic, no parameters, deterministic.

Axis legend: n samples, M views, D their width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["pmrl"]

_NARROWEST_GAP = 1e-3


def pmrl(views: Sequence[Tensor], *, temperature: float = 0.05, instance_temperature: float = 0.1) -> Tensor:
    """Return minus the PMRL loss: how much one direction dominates each tuple, and how far tuples are from each other.

    ``log softmax(s / 0.05)_1`` of the singular values s of the M views of a sample on the unit sphere, plus
    ``log softmax(U U' / 0.1)_ii`` of the directions U, ``(n, D)``, that belong to the largest; both are means over
    samples. Without the second part all samples could be one direction. A direction points to the first view's side.

    Args:
        views: ``(n, D)`` each, 2 or more of one width. Their scale does not matter.
        temperature: of the singular values.
        instance_temperature: of the similarities of directions.

    Returns:
        Scalar, below 0, without unit.

    Source: Liu et al. 2025 (arXiv 2507.17343) with the temperatures of the authors' code, where the sign of a direction
        is whatever the decomposition gives. Their third part, which matches instances with a multimodal encoder of
        text, is left out.

    Example:
        >>> import torch
        >>> x = torch.eye(4)
        >>> aligned, apart = pmrl([x, x, x]), pmrl([x, x.roll(1, 0), x.roll(2, 0)])
        >>> bool(aligned > apart)
        True
    """
    stacked = functional.normalize(torch.stack(tuple(views), dim=1), dim=2)
    gram = stacked @ stacked.mT
    with torch.no_grad():
        values, vectors = torch.linalg.eigh(gram.nan_to_num())  # NaN stays in what is multiplied
        vectors = vectors.flip(2)
        gaps = (values[:, -1:] - values).flip(1).clamp(min=_NARROWEST_GAP)
    singular = torch.linalg.vector_norm(vectors.mT @ stacked, dim=2)  # their exact gradient: vectors count as constant
    dominant = functional.log_softmax(singular / temperature, dim=1)[:, 0].mean()
    directions = functional.normalize(_leading(gram, vectors, gaps) @ stacked, dim=2).squeeze(1)
    distinct = functional.log_softmax(directions @ directions.T / instance_temperature, dim=1).diagonal().mean()
    return dominant + distinct


def _leading(gram: Tensor, vectors: Tensor, gaps: Tensor) -> Tensor:
    """Return the first of the vectors ``(n, 1, M)`` with its gradient by the matrix, which is finite for equal values.

    The other vectors enter with a share of zero, whose gradient is that of perturbation theory.
    """
    first = vectors[:, :, :1]
    first = torch.where(first[:, :1] < 0, -first, first)
    shares = (vectors.mT @ gram @ first)[:, 1:] / gaps[:, 1:].unsqueeze(2)
    leading: Tensor = (first + vectors[:, :, 1:] @ shares).mT
    return leading
