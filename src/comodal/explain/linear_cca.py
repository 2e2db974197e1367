"""Linear CCA as a baseline for critics: canonical correlations and the pointwise dependency they imply.

Axis legend: n samples, d_m width of view m, r canonical pairs of two views, k tuples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodal.contracts import InputError
from comodal.metrics.detection import curve
from comodal.resampling import cyclic_order

__all__ = ["RIDGES", "LinearCCA", "choose_cca", "fit_cca"]

Array = NDArray[np.float64]
RIDGES = (0.01, 0.1, 1.0, 10.0)
"""Candidates for the ridge: few samples or many features need a large one."""
_ROUNDS = 10
_HIGHEST = 0.999  # larger correlations are clipped, so that the log density ratio stays finite


@dataclass(frozen=True, eq=False)
class LinearCCA:
    """Canonical directions of every pair of views.

    Attributes:
        names: the views, in order.
        mean: by view ``(d_m,)``, of the training samples.
        directions: pair of views to ``((d_a, r), (d_b, r))``.
        correlations: pair of views to ``(r,)``, shrunk by the ridge, largest first.
    """

    names: tuple[str, ...]
    mean: Mapping[str, Array]
    directions: Mapping[tuple[str, str], tuple[Array, Array]]
    correlations: Mapping[tuple[str, str], Array]

    def __call__(self, views: Mapping[str, Any]) -> Tensor:
        """Return the score of samples, ``(n,)``, from views ``(n, d_m)``."""
        rows = torch.arange(len(next(iter(views.values()))))
        return self.of_rows(self.prepare(views), rows.expand(len(self.names), -1))

    def prepare(self, views: Mapping[str, Any]) -> list[Tensor]:
        """Return the canonical variates of each view, ``(n, R)``: those of its first pair, of its second, and so on."""
        centred = {name: _double(views[name]) - self.mean[name] for name in self.names}
        variates = {
            name: [centred[name] @ ways[pair.index(name)] for pair, ways in self.directions.items() if name in pair]
            for name in self.names
        }
        return [torch.from_numpy(np.concatenate(each, axis=1)) for each in variates.values()]

    def of_rows(self, prepared: Sequence[Tensor], rows: Tensor) -> Tensor:
        r"""Return scores ``(k,)`` of tuples: ``rows`` ``(M, k)`` holds the row of each view.

        .. math:: \sum_{a < b} \sum_j -\tfrac12 \ln(1 - \rho_j^2)
                  + \frac{2 \rho_j u_j w_j - \rho_j^2 (u_j^2 + w_j^2)}{2 (1 - \rho_j^2)}

        the sum over pairs of views of their log density ratio if they were Gaussian.
        """
        taken, used = [view[row] for view, row in zip(prepared, rows, strict=True)], [0] * len(self.names)
        total = torch.zeros(rows.shape[1], dtype=torch.float64)
        for pair, correlation in self.correlations.items():
            rho, variates = torch.from_numpy(correlation), []
            for place in (self.names.index(name) for name in pair):
                variates.append(taken[place][:, used[place] : used[place] + len(rho)])
                used[place] += len(rho)
            u, w = variates
            agreement = (2 * rho * u * w - rho**2 * (u**2 + w**2)) / (2 * (1 - rho**2))
            total += (agreement - 0.5 * torch.log1p(-(rho**2))).sum(dim=1)
        return total


def fit_cca(train: Mapping[str, Any], *, ridge: float = 1.0) -> LinearCCA:
    """Fit canonical correlations of every pair of views with ridge-regularised covariances.

    Each covariance C gets ``ridge * trace(C) / d`` added to its diagonal: with a few hundred samples and as many
    features, unregularised correlations are all near 1.

    Args:
        train: name to ``(n, d_m)``, samples other than those to score.
        ridge: as a multiple of the mean variance; 0 for none.

    Raises:
        InputError: fewer than 2 views, lengths that differ, fewer than 3 samples, values that are not finite, or a
            negative ridge.

    Source: H. D. Vinod, "Canonical ridge and econometrics of joint production", Journal of Econometrics 4, 1976;
    F. R. Bach, M. I. Jordan, "A probabilistic interpretation of canonical correlation analysis", 2005.
    """
    views = {name: _double(view) for name, view in train.items()}
    _check(views, ridge)
    mean = {name: view.mean(axis=0) for name, view in views.items()}
    white = {name: _whitening(view - mean[name], ridge) for name, view in views.items()}
    directions, correlations = {}, {}
    for a, b in combinations(views, 2):
        one, other = (views[name] - mean[name] for name in (a, b))
        left, rho, right = np.linalg.svd(white[a].T @ (one.T @ other / len(one)) @ white[b], full_matrices=False)
        directions[a, b] = (white[a] @ left, white[b] @ right.T)
        correlations[a, b] = np.clip(rho, 0.0, _HIGHEST)
    return LinearCCA(tuple(views), mean, directions, correlations)


def choose_cca(
    train: Mapping[str, Any], validation: Mapping[str, Any], *, ridges: Sequence[float] = RIDGES
) -> LinearCCA:
    """Fit canonical correlations with the ridge that separates validation samples from broken pairs best.

    Critics are selected on validation data, and so is their baseline. The first of equally good ridges is taken.

    Raises:
        InputError: as for :func:`fit_cca`, or fewer validation samples than views.
    """
    n = len(next(iter(validation.values())))
    order = cyclic_order(n, len(train), pairings=_ROUNDS, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([torch.arange(n).expand(len(train), n), order], dim=1)
    broken = np.arange(rows.shape[1]) >= n

    def found(cca: LinearCCA) -> float:
        return float(curve(-cca.of_rows(cca.prepare(validation), rows).numpy(), broken).auroc()[0])

    return max((fit_cca(train, ridge=ridge) for ridge in ridges), key=found)


def _whitening(centred: Array, ridge: float) -> Array:
    """Return ``(d, r)`` that makes the columns uncorrelated with unit variance, up to the ridge."""
    covariance = centred.T @ centred / len(centred)
    mean_variance = float(np.trace(covariance)) / len(covariance)
    values, vectors = np.linalg.eigh(covariance)
    values = values + ridge * mean_variance
    kept = values > 1e-10 * max(mean_variance, 1e-300)
    whitening: Array = vectors[:, kept] / np.sqrt(values[kept])
    return whitening


def _double(view: Any) -> Array:
    array = view.detach().cpu().numpy() if isinstance(view, Tensor) else view
    return np.asarray(array, dtype=np.float64)


def _check(views: Mapping[str, Array], ridge: float) -> None:
    if len(views) < 2:
        raise InputError(f"got {len(views)} views: give 2 or more", code="wrong_shape")
    lengths = {name: len(view) for name, view in views.items()}
    if len(set(lengths.values())) > 1 or min(lengths.values()) < 3:
        raise InputError(f"views have {lengths} rows: give the same samples for each, 3 or more", code="wrong_shape")
    for name, view in views.items():
        if view.ndim != 2 or not np.isfinite(view).all():
            raise InputError(
                f"view {name!r} of shape {view.shape} is not (n, d) or holds NaN: drop or replace those rows",
                code="wrong_shape" if view.ndim != 2 else "not_finite",
            )
    if ridge < 0:
        raise InputError(f"ridge is {ridge}: give 0 or more", code="out_of_range")
