"""Check the samples of an estimate, divide them into three parts, and scale them.

All scalings are monotone functions of each coordinate, so they do not change f-divergences between views, except by
ties outside the fitted range. Axis legend: n samples, d_m width of view m.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["SCALINGS", "SplitViews", "ViewArrays", "checked_views", "divide", "held_out_rows"]

ViewArrays = Mapping[str, Any] | Sequence[Any]
"""Name to samples ``(n, d_m)`` or ``(n,)``, or the samples alone; arrays or tensors."""

Transform = Callable[[Tensor], Tensor]
SMALLEST_SAMPLE = 40
CLIPPED_SHARE = 0.001


@dataclass(frozen=True)
class SplitViews:
    """Scaled views of the three parts of the samples, each one ``(n_part, d_m)`` float32 tensor per view.

    Attributes:
        train: samples for the critic's gradient.
        validation: samples on which weights and temperature are chosen.
        held_out: samples for the reported value.
    """

    train: list[Tensor]
    validation: list[Tensor]
    held_out: list[Tensor]


def held_out_rows(n: int, *, seed: int = 0, eval_share: float = 0.5) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the rows of the held-out samples, in the order of ``DependencyEstimate.pointwise``.

    Args:
        n: samples in all.
        seed: as given to the estimate.
        eval_share: as in its config.

    Returns:
        Sorted row numbers ``(n_eval,)``.

    Example:
        >>> held_out_rows(6, seed=0).shape
        (3,)
    """
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return shuffled[: round(eval_share * n)].sort().values.numpy()


def checked_views(views: ViewArrays) -> dict[str, Tensor]:
    """Return the views by name, as float64 ``(n, d_m)``; a sequence gets the names ``"0"``, ``"1"`` and so on.

    Raises:
        InputError: fewer than 2 views, lengths that differ, too few samples, values that are not finite numbers, or a
            constant view.
    """
    named = dict(views) if isinstance(views, Mapping) else {str(place): view for place, view in enumerate(views)}
    if len(named) < 2:
        raise InputError(f"views: got {len(named)}, a dependency is between 2 or more; give at least 2", code="missing")
    samples = {str(name): _checked_view(str(name), view) for name, view in named.items()}
    first, n = next((name, len(view)) for name, view in samples.items())
    for name, view in samples.items():
        if len(view) != n:
            raise InputError(
                f"view {name!r} has {len(view)} samples and {first!r} has {n}: give the same samples", code="mismatch"
            )
    least = max(SMALLEST_SAMPLE, 10 * len(named))
    if n < least:
        raise InputError(
            f"views: {n} samples are too few to fit and to evaluate a critic; give {least} or more",
            code="out_of_range",
        )
    return samples


def _checked_view(name: str, view: object) -> Tensor:
    samples = _numbers(name, view)
    if samples.ndim not in {1, 2} or samples.numel() == 0:
        raise InputError(
            f"view {name!r} has shape {tuple(samples.shape)}: give shape (n, d) or (n,)", code="wrong_shape"
        )
    samples = samples.reshape(len(samples), -1)
    broken = (~samples.isfinite()).any(dim=1)
    if bool(broken.any()):
        count, first = int(broken.sum()), int(broken.nonzero()[0])
        raise InputError(
            f"view {name!r}: {count} samples have NaN or infinity, first row {first}; drop or replace them",
            code="not_finite",
        )
    if bool((samples == samples[0]).all()):
        raise InputError(f"view {name!r} is constant: it cannot depend on anything; leave it out", code="invalid")
    return samples


def _numbers(name: str, view: object) -> Tensor:
    array: Any = view.detach().cpu() if isinstance(view, Tensor) else view
    if isinstance(array, Tensor):
        array = array.float().numpy() if array.dtype == torch.bfloat16 else array.numpy()
    if np.iscomplexobj(array):
        raise InputError(f"view {name!r} is complex: give real and imaginary parts as coordinates", code="wrong_type")
    try:
        return torch.from_numpy(np.array(array, dtype=np.float64))
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"view {name!r} is not an array of real numbers ({reason}); give shape (n, d)", code="wrong_type"
        ) from error


def divide(
    samples: Mapping[str, Tensor], *, seed: int, eval_share: float, validation_share: float, scaling: str
) -> SplitViews:
    """Divide samples at random, and scale all parts with statistics of the train and validation parts.

    Args:
        samples: of :func:`checked_views`.
        seed: of the division.
        eval_share: share of all samples that is held out.
        validation_share: share of the others that validates.
        scaling: a key of :data:`SCALINGS`.

    Raises:
        InputError: shares that leave a part nearly empty.
    """
    n = len(next(iter(samples.values())))
    held_out = torch.from_numpy(held_out_rows(n, seed=seed, eval_share=eval_share))
    fitted = torch.ones(n, dtype=torch.bool)
    fitted[held_out] = False
    rows = fitted.nonzero().squeeze(1)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + 1))]
    cut = round(validation_share * len(rows))
    if min(cut, len(rows) - cut, len(held_out)) < max(4, len(samples)):
        raise InputError(
            f"eval_share and validation_share leave a part of {n} samples nearly empty: change them",
            code="out_of_range",
        )
    transforms = [SCALINGS[scaling](view[rows]) for view in samples.values()]

    def part(chosen: Tensor) -> list[Tensor]:
        return [transform(view[chosen]) for transform, view in zip(transforms, samples.values(), strict=True)]

    return SplitViews(part(rows[cut:]), part(rows[:cut]), part(held_out))


def normal_scores(reference: Tensor) -> Transform:
    """Return a map of ``(k, d)`` values to normal quantiles of their ranks among the reference, at unit variance.

    Ties share their middle rank, and values outside the reference's range get its ends: this bounds heavy tails,
    outliers and discrete values. Gaussian coordinates stay Gaussian; a constant coordinate becomes 0.
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
    """Return a map to zero mean and unit variance, after clipping the outermost 0.1 % of reference values.

    Keeps distances except those of outliers; suits the Wasserstein measure. A constant coordinate becomes 0.
    """
    ordered = reference.sort(dim=0).values
    cut = int(CLIPPED_SHARE * len(ordered))
    low, high = ordered[cut], ordered[-1 - cut]
    low, high = torch.where(low < high, low, ordered[0]), torch.where(low < high, high, ordered[-1])
    unit = _unit_variance(reference.clamp(low, high))
    return lambda view: unit(view.clamp(low, high)).float()


def _unit_variance(reference: Tensor) -> Transform:
    center, spread = reference.mean(dim=0), reference.std(dim=0, correction=0)
    spread = torch.where(spread > 0, spread, torch.inf)  # a constant coordinate becomes 0 instead of 0 / 0
    return lambda view: (view - center) / spread


SCALINGS: dict[str, Callable[[Tensor], Transform]] = {
    "normal_scores": normal_scores,
    "standard": standard,
    "none": lambda _: Tensor.float,
}
