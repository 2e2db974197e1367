"""The loss terms of MISA: similarity, difference and reconstruction of subspaces.

Axis legend: B samples of a batch, d width of a subspace; ``...`` any leading axes, such as pairs of modalities.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cmd", "masked_mse", "soft_orthogonality"]


def cmd(one: Tensor, other: Tensor, *, rows: Tensor | None = None, moments: int = 5) -> Tensor:
    r"""Return the central moment discrepancy: the distance of two samples in means and central moments of features.

    .. math::

        \mathrm{CMD}_K(X, Y) = \lVert \bar x - \bar y \rVert_2 + \sum_{k=2}^K \lVert c_k(X) - c_k(Y) \rVert_2, \qquad
        c_k(X) = \frac1n \sum_i (x_i - \bar x)^k

    with the powers taken of each feature. Values are expected in [0, 1], as behind a sigmoid: for values in [a, b] the
    original divides the k-th norm by :math:`|b - a|^k`.

    Args:
        one: ``(..., B, d)``, the sample X.
        other: ``(..., B, d)``, the sample Y.
        rows: ``(..., B)`` bool, which rows count; ``None`` for all.
        moments: K, the highest order.

    Returns:
        ``(...)``, at least 0; 0 for equal samples, and where no row counts. Its gradient is 0 at a norm of 0.

    Source: Zellinger et al., *Central Moment Discrepancy (CMD) for Domain-Invariant Representation Learning*, ICLR
    2017, the empirical estimate of definition 2 there; Hazarika et al., ACM MM 2020, the similarity loss.

    Example:
        >>> cmd(torch.tensor([[0.0], [0.5]]), torch.tensor([[0.5], [1.0]]))  # a shift of one half, the same shape
        tensor(0.5000)
    """
    kept = _kept(one, rows)
    count = kept.sum(dim=-2).clamp_min(1)
    mean_one, centred_one = _centre(one, kept)
    mean_other, centred_other = _centre(other, kept)
    total: Tensor = torch.linalg.vector_norm(mean_one - mean_other, dim=-1)
    power_one, power_other = centred_one, centred_other
    for _ in range(2, moments + 1):
        power_one, power_other = power_one * centred_one, power_other * centred_other
        total = total + torch.linalg.vector_norm((power_one - power_other).sum(dim=-2) / count, dim=-1)
    return total


def soft_orthogonality(one: Tensor, other: Tensor, *, rows: Tensor | None = None) -> Tensor:
    r"""Return the overlap of two sets of features over a batch: 0 when all of them are orthogonal.

    .. math::

        \frac{1}{d_1 d_2} \lVert A^\top B \rVert_F^2, \qquad a_i = \frac{x_i - \bar x}{\lVert x_i - \bar x \rVert_2}

    where the rows of A and B are centred over the batch and brought to unit length.

    The sum over samples inside the product is not divided by their number, so the value grows with the batch.

    Args:
        one: ``(..., B, d1)``.
        other: ``(..., B, d2)``, of the same samples.
        rows: ``(..., B)`` bool, which rows count; ``None`` for all.

    Returns:
        ``(...)``, at least 0; 0 where fewer than two rows count.

    Source: Bousmalis et al., *Domain Separation Networks*, NeurIPS 2016, the difference loss; Hazarika et al., ACM MM
    2020, the difference loss. Both write the squared norm itself; the mean over the entries, here as in the code of
    both, is what the published weights belong to. That code also stops the gradient at the lengths, so that it pulls
    samples towards their mean although the value does not change by it; here the gradient is that of the formula.

    Example:
        >>> one = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
        >>> soft_orthogonality(one, one).item(), soft_orthogonality(one, one[[0, 2, 1, 3]]).item()
        (16.0, 0.0)
    """
    kept = _kept(one, rows)
    lines_one, lines_other = (functional.normalize(_centre(x, kept)[1], dim=-1, eps=1e-6) for x in (one, other))
    return (lines_one.mT @ lines_other).square().mean(dim=(-2, -1))


def masked_mse(recovered: Tensor, wanted: Tensor, *, rows: Tensor) -> Tensor:
    r"""Return the mean squared error over the rows that count.

    .. math:: \frac{1}{n d} \sum_{i \in \text{rows}} \lVert \hat x_i - x_i \rVert_2^2

    Args:
        recovered: ``(..., B, d)``.
        wanted: ``(..., B, d)``.
        rows: ``(..., B)`` bool, which rows count.

    Returns:
        ``(...)``, at least 0; 0 where no row counts.

    Source: Hazarika et al., ACM MM 2020, the reconstruction loss.

    Example:
        >>> masked_mse(torch.tensor([[3.0, 1.0], [9.0, 9.0]]), torch.zeros(2, 2), rows=torch.tensor([True, False]))
        tensor(5.)
    """
    kept = _kept(wanted, rows)
    squares = torch.where(kept, recovered - wanted, 0.0).square().mean(dim=-1)
    return squares.sum(dim=-1) / kept.sum(dim=(-2, -1)).clamp_min(1)


def _kept(sample: Tensor, rows: Tensor | None) -> Tensor:
    """Return which rows count, ``(..., B, 1)`` bool."""
    chosen = torch.ones(sample.shape[:-1], dtype=torch.bool, device=sample.device) if rows is None else rows
    return chosen.unsqueeze(-1)


def _centre(sample: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean ``(..., d)`` of rows that count, and their distance ``(..., B, d)`` from it, 0 for others."""
    mean = torch.where(kept, sample, 0.0).sum(dim=-2) / kept.sum(dim=-2).clamp_min(1)
    return mean, torch.where(kept, sample - mean.unsqueeze(-2), 0.0)
