"""Dependency from distances between samples: no critic, no parameters, deterministic.

Axis legend: n samples, M views, D_m width of view m. Each view gives an ``(n, n)`` matrix of kernels or distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor

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
    kernels = torch.stack([_gaussian_kernel(view) for view in views])
    rows, many = kernels.mean(dim=2), len(views)
    own = kernels.pow(many).mean(dim=(1, 2)) + rows.mean(dim=1).pow(many) - 2.0 * rows.pow(many).mean(dim=1)
    joint: Tensor = reduce(torch.mul, kernels.unbind()).mean()
    value = joint + rows.mean(dim=1).prod() - 2.0 * reduce(torch.mul, rows.unbind()).mean()
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
    raised = 1.0 + torch.stack([_centred_distances(view) for view in views])
    own = raised.pow(len(views)).mean(dim=(1, 2)) - 1.0
    total: Tensor = reduce(torch.mul, raised.unbind()).mean() - 1.0
    return (total / _geometric_mean(own)).clamp(min=_SMALLEST).sqrt()


def _geometric_mean(own: Tensor) -> Tensor:
    return own.clamp(min=_SMALLEST).log().mean().exp()


def _gaussian_kernel(view: Tensor) -> Tensor:
    """Return ``exp(-squared distance / mean)``, the mean over pairs of samples; all 1 for a constant view."""
    centred = view - view.mean(dim=0)
    sizes = centred.square().sum(dim=1)
    squared = (sizes.unsqueeze(1) + sizes - 2.0 * centred @ centred.T).clamp(min=0.0)
    pairs = len(view) * (len(view) - 1)
    return torch.exp(-squared * pairs / squared.sum().clamp(min=_SMALLEST))


def _centred_distances(view: Tensor) -> Tensor:
    """Return minus the doubly centred distances over their mean; all 0 for a constant view."""
    distances = torch.cdist(view, view, compute_mode="donot_use_mm_for_euclid_dist")
    rows, mean = distances.mean(dim=1, keepdim=True), distances.mean()
    return (rows + rows.T - distances - mean) / mean.clamp(min=_SMALLEST)
