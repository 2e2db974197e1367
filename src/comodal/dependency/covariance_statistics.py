"""Dependency from covariances of features: no critic, no parameters, deterministic.

Axis legend: n samples, M views, D_m width of view m, D of all views where they share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

__all__ = ["barlow", "gaussian", "vicreg"]

_TINY = 1e-8


def gaussian(views: Sequence[Tensor], *, ridge: float = 0.1) -> Tensor:
    """Return the total correlation of the Gaussian with the views' correlations, in nats.

    ``(sum_m log det R_m - log det R) / 2``, R the correlations of the features of all views plus ``ridge`` on the
    diagonal, R_m its block of view m. For two views it is the mutual information from canonical correlations. The
    ridge keeps it finite where n is below the number of features, and lowers it.

    Args:
        views: ``(n, D_m)`` each, 2 or more; widths may differ. Their scale does not matter.
        ridge: added to every variance, which is 1.

    Returns:
        Scalar in nats, at least 0. In a sample it is too high by about ``sum_{k<m} D_k D_m / 2n``, less for a ridge.

    Source: Kullback 1959, chapter 9; the ridge: Vinod 1976.

    Example:
        >>> import torch
        >>> x = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
        >>> y = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
        >>> gaussian([x, y]), gaussian([x, 3 * x], ridge=1.0)             # the second: -log(1 - 1/4) / 2
        (tensor(0.), tensor(0.1438))
    """
    joint = _regularised(_standardised(torch.cat(tuple(views), dim=1)), ridge)
    widths, start, blocks = [view.shape[1] for view in views], 0, []
    for width in widths:
        blocks.append(joint[start : start + width, start : start + width])
        start += width
    equal = len(set(widths)) == 1
    own = _log_determinant(torch.stack(blocks)).sum() if equal else sum(map(_log_determinant, blocks))
    return 0.5 * (own - _log_determinant(joint))


def vicreg(views: Sequence[Tensor]) -> Tensor:
    """Return minus the VICReg loss: how alike the views are, less what a collapse of their features costs.

    Minus ``s + v + c / 25``. s is the mean square difference of two views, averaged over pairs; v the mean over
    features and views of ``max(0, 1 - std)``; c the sum of squared covariances of two features of a view, divided by D,
    twice its mean over views. A rival of dependency measures rather than one: it asks for equal values.

    Args:
        views: ``(n, D)`` each, 2 or more of one width. Their scale matters.

    Returns:
        Scalar, at most 0: a twenty-fifth of the authors' loss for two views, without unit.

    Source: Bardes, Ponce and LeCun 2022, eq. 1 to 6, with the weights 25, 25 and 1.

    Example:
        >>> import torch
        >>> x = torch.tensor([[2.0, -2.0], [-2.0, -2.0], [2.0, 2.0], [-2.0, 2.0]])
        >>> vicreg([x, x]), vicreg([x, x + 1])
        (tensor(0.), tensor(-1.))
    """
    stacked = torch.stack(tuple(views))
    one, other = _pairs(stacked)
    centred = stacked - stacked.mean(dim=1, keepdim=True)
    covariances = centred.mT @ centred / (stacked.shape[1] - 1)
    narrow = torch.relu(1.0 - (covariances.diagonal(dim1=1, dim2=2) + 1e-4).sqrt()).mean()
    shared = _off_diagonal(covariances) / (stacked.shape[0] * stacked.shape[2])
    return 0.0 - ((one - other).square().mean() + narrow + 2.0 * shared / 25.0)


def barlow(views: Sequence[Tensor]) -> Tensor:
    """Return minus the Barlow Twins loss: how near the correlations between two views are to the identity.

    Minus ``(sum_d (1 - C_dd)^2 + 0.005 sum_{d != e} C_de^2) / D``, C the correlations of features of one view with
    features of the other, averaged over pairs of views. A rival of dependency measures rather than one.

    Args:
        views: ``(n, D)`` each, 2 or more of one width. Their scale does not matter.

    Returns:
        Scalar, at most 0: the authors' loss per feature, without unit.

    Source: Zbontar et al. 2021, eq. 1, with its weight 0.005.

    Example:
        >>> import torch
        >>> x = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        >>> barlow([x, x]).round(decimals=4), barlow([x, -x]).round(decimals=4)
        (tensor(0.), tensor(-4.))
    """
    one, other = _pairs(_standardised(torch.stack(tuple(views))))
    correlations = one.mT @ other / one.shape[1]
    on = (1.0 - correlations.diagonal(dim1=1, dim2=2)).square().sum()
    return 0.0 - (on + 0.005 * _off_diagonal(correlations)) / (one.shape[0] * one.shape[2])


def _pairs(stacked: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the second view of each pair, from views ``(M, n, D)``."""
    first, second = zip(*combinations(range(len(stacked)), 2), strict=True)
    return stacked[list(first)], stacked[list(second)]


def _standardised(view: Tensor) -> Tensor:
    """Zero mean and unit variance of each feature of views ``(.., n, D)``; a constant one is 0."""
    centred = view - view.mean(dim=-2, keepdim=True)
    variance = centred.square().mean(dim=-2, keepdim=True)
    return centred / torch.where(variance > _TINY, variance, torch.inf).sqrt()


def _regularised(standardised: Tensor, ridge: float) -> Tensor:
    correlations = standardised.T @ standardised / len(standardised)
    return correlations + ridge * torch.eye(len(correlations), dtype=correlations.dtype, device=correlations.device)


def _log_determinant(positive: Tensor) -> Tensor:
    """Of one or several matrices; NaN of NaN. A decomposition that checks its result would wait for the device."""
    root: Tensor = torch.linalg.cholesky_ex(positive).L
    return 2.0 * root.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)


def _off_diagonal(squares: Tensor) -> Tensor:
    """Sum of squares off the diagonals of matrices ``(k, D, D)``."""
    return squares.square().sum() - squares.diagonal(dim1=1, dim2=2).square().sum()
