"""Dependency from distances between samples: no critic, no parameters, deterministic.

Axis legend: n samples, M views, D_m width of view m. Each view gives an ``(n, n)`` matrix of kernels or distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["dhsic", "distance_correlation"]

_SMALLEST = 1e-12


def dhsic(views: Sequence[Tensor]) -> Tensor:
    """Return the Hilbert-Schmidt independence criterion of all views at once, normalised.

    ``mean_ij prod_m K_m[i, j] + prod_m mean_ij K_m[i, j] - 2 mean_i prod_m mean_j K_m[i, j]``, divided by the geometric
    mean over views of the same of M copies of a view. Kernels are Gaussian: ``K_m[i, j] = exp(-|z_i - z_j|^2 / s)``, s
    the mean square distance of two samples. Views with equal kernels have 1, independent ones a small positive value
    that falls with n. It sees dependencies that no pair of views shows. For two views it is the centred kernel
    alignment.

    Args:
        views: ``(n, D_m)`` each, 2 or more; widths may differ. Their scale does not matter.

    Returns:
        Scalar, at least 0 up to rounding, without unit.

    Source: Gretton et al. 2005; Pfister et al. 2018, definition 2.6, there with medians and without normalisation;
        Cortes et al. 2012 for that of two views.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> dhsic([x, -2 * x]).round(decimals=4)
        tensor(1.)
    """
    kernels, many = _gaussian_kernels(views), len(views)
    n, sums = kernels.shape[1], kernels.sum(dim=2)
    rows, whole = sums / n, sums.sum(dim=1) / n**2
    own = kernels.pow(many).sum(dim=(1, 2)) / n**2 + whole.pow(many) - 2.0 * rows.pow(many).mean(dim=1)
    joint: Tensor = reduce(torch.mul, kernels.unbind()).sum() / n**2
    # Not `prod`, whose gradient waits for the device.
    value = joint + reduce(torch.mul, whole.unbind()) - 2.0 * reduce(torch.mul, rows.unbind()).mean()
    return value / _geometric_mean(own)


def distance_correlation(views: Sequence[Tensor]) -> Tensor:
    """Return the distance correlation of all views at once.

    The root of total distance multivariance, ``mean_ij prod_m (1 + A_m[i, j]) - 1``, over the geometric mean of the
    same of M copies of each view. ``A_m`` is minus the doubly centred matrix of Euclidean distances over the mean
    distance. For two views it is the distance correlation of Székely. Views with equal distances up to a factor have 1,
    independent ones a positive value that falls with n and rises with widths. It sees dependencies that no pair of
    views shows.

    Args:
        views: ``(n, D_m)`` each, 2 or more; widths may differ. Their scale does not matter.

    Returns:
        Scalar, at least 0, without unit.

    Source: Székely, Rizzo and Bakirov 2007, definition 4; Böttcher et al. 2019 for M views, there not divided by
        that of copies.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0], [3.0]])
        >>> distance_correlation([x, -2 * x]).round(decimals=4)
        tensor(1.)
    """
    raised = 1.0 + _centred_distances(views)
    pairs = raised.shape[1] ** 2
    own = raised.pow(len(views)).sum(dim=(1, 2)) / pairs - 1.0
    total: Tensor = reduce(torch.mul, raised.unbind()).sum() / pairs - 1.0
    return (total / _geometric_mean(own)).clamp(min=_SMALLEST).sqrt()


def _geometric_mean(own: Tensor) -> Tensor:
    return own.clamp(min=_SMALLEST).log().mean().exp()


def _gaussian_kernels(views: Sequence[Tensor]) -> Tensor:
    """Return ``exp(-squared distance / mean)`` ``(M, n, n)``, the mean over pairs; all 1 for a constant view."""
    centred = _centred(views)
    mean = 2.0 * centred.square().sum(dim=(1, 2), keepdim=True) / (centred.shape[1] - 1)  # over pairs of samples
    return _minus_squared_distances(centred * mean.clamp(min=_SMALLEST).rsqrt()).exp()


def _centred_distances(views: Sequence[Tensor]) -> Tensor:
    """Return minus the doubly centred distances over their mean ``(M, n, n)``; all 0 for a constant view."""
    centred = _centred(views)
    squared = -_minus_squared_distances(centred)
    # Within rounding two samples are one: the root has no gradient at 0.
    least = 16.0 * torch.finfo(centred.dtype).eps * centred.detach().square().mean(dim=(1, 2), keepdim=True)
    apart = ~(squared <= least * centred.shape[2] + _SMALLEST**2)  # NaN is apart, and stays NaN
    distances = torch.where(apart, squared, 1.0).sqrt() * apart
    rows = distances.sum(dim=2, keepdim=True) / distances.shape[1]  # a mean would copy its gradient to every pair
    mean = rows.mean(dim=1, keepdim=True)
    return (rows + rows.mT - distances - mean) / mean.clamp(min=_SMALLEST)


def _centred(views: Sequence[Tensor]) -> Tensor:
    """Return the views around their means ``(M, n, D)``, narrower ones with zeros: no distance changes."""
    widest = max(view.shape[1] for view in views)
    stacked = torch.stack([functional.pad(view, (0, widest - view.shape[1])) for view in views])
    return stacked - stacked.mean(dim=1, keepdim=True)


def _minus_squared_distances(centred: Tensor) -> Tensor:
    """Return ``(M, n, n)`` by one product of matrices; what is 0 may round to either side."""
    sizes = centred.square().sum(dim=2, keepdim=True)
    ones = torch.ones_like(sizes)
    return torch.cat([2.0 * centred, -sizes, -ones], dim=2) @ torch.cat([centred, ones, sizes], dim=2).mT
