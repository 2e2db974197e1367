"""Scale views with statistics of one part of the samples.

All scalings are monotone functions of each coordinate, so they do not change f-divergences between views, except by
ties outside the fitted range. Axis legend: n samples, d coordinates of one view.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["SCALINGS", "as_given", "normal_scores", "standard"]

Transform = Callable[[Tensor], Tensor]
CLIPPED_SHARE = 0.001


def normal_scores(reference: Tensor) -> Transform:
    """Return a function that maps values to normal quantiles of their ranks among the reference, at unit variance.

    Ties share their middle rank, and values outside the reference's range get its ends: this bounds heavy tails,
    outliers and discrete values. Gaussian coordinates stay Gaussian.

    Args:
        reference: ``(n, d)`` samples to fit on.

    Returns:
        Function from ``(k, d)`` to ``(k, d)`` float32; a constant coordinate becomes 0.

    Example:
        >>> import torch
        >>> cauchy = torch.tensor([[-1e30], [-1.0], [0.0], [2.0], [1e30]])
        >>> normal_scores(cauchy)(cauchy).squeeze().tolist()
        [-1.463..., -0.598..., ..., 0.598..., 1.463...]
    """
    ordered = reference.T.contiguous().sort(dim=1).values

    def quantiles(view: Tensor) -> Tensor:
        columns = view.T.contiguous()
        twice_rank = torch.searchsorted(ordered, columns) + torch.searchsorted(ordered, columns, right=True)
        size = ordered.shape[1]
        share = (twice_rank.double() / 2).clamp(0.5, size - 0.5) / size
        return (math.sqrt(2) * torch.erfinv(2 * share - 1)).T

    unit = _unit_variance(quantiles(reference))
    return lambda view: unit(quantiles(view)).float()


def standard(reference: Tensor) -> Transform:
    """Return a function to zero mean and unit variance, after clipping the outermost 0.1 % of reference values.

    Keeps distances except those of outliers; suits the Wasserstein measure.

    Args:
        reference: ``(n, d)`` samples to fit on.

    Returns:
        Function from ``(k, d)`` to ``(k, d)`` float32; a constant coordinate becomes 0.

    Example:
        >>> import torch
        >>> bits = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
        >>> standard(bits)(bits).squeeze()
        tensor([-1.,  1.,  1., -1.])
    """
    ordered = reference.sort(dim=0).values
    cut = int(CLIPPED_SHARE * len(ordered))
    low, high = ordered[cut], ordered[-1 - cut]
    low, high = torch.where(low < high, low, ordered[0]), torch.where(low < high, high, ordered[-1])
    unit = _unit_variance(reference.clamp(low, high))
    return lambda view: unit(view.clamp(low, high)).float()


def as_given(reference: Tensor) -> Transform:  # noqa: ARG001 - one signature for all scalings
    """Return a cast to float32, which keeps the distances of the data.

    Args:
        reference: not used.

    Returns:
        Function from ``(k, d)`` to ``(k, d)`` float32.

    Example:
        >>> import torch
        >>> as_given(torch.zeros(1, 1))(torch.tensor([[3.0]]))
        tensor([[3.]])
    """
    return Tensor.float


def _unit_variance(reference: Tensor) -> Transform:
    center, spread = reference.mean(dim=0), reference.std(dim=0, correction=0)
    spread = torch.where(spread > 0, spread, torch.inf)  # a constant coordinate becomes 0 instead of 0 / 0
    return lambda view: (view - center) / spread


SCALINGS: dict[str, Callable[[Tensor], Transform]] = {
    "normal_scores": normal_scores,
    "standard": standard,
    "none": as_given,
}
