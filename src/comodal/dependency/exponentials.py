"""Exponentials of scores without overflow."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comodal.contracts import InputError

__all__ = ["EXPONENT_LIMIT", "guarded_exp", "log_mean_exp", "mean_score"]

EXPONENT_LIMIT = 30.0
"""Largest exponent that is not linearised: the square of e**30, as in Adam, is far below float32's limit."""


def _checked(scores: Tensor) -> Tensor:
    if scores.ndim != 1 or scores.shape[0] == 0:
        raise InputError(
            f"scores of shape {tuple(scores.shape)}: give one score per sample, shape (n,) with n > 0",
            code="wrong_shape",
        )
    return scores if scores.dtype in {torch.float32, torch.float64} else scores.float()


def mean_score(scores: Tensor) -> Tensor:
    """Return the mean of the scores, in at least float32.

    Args:
        scores: ``(m,)``.

    Returns:
        Scalar.

    Raises:
        InputError: the scores are not a non-empty vector.

    Example:
        >>> import torch
        >>> mean_score(torch.tensor([1.0, 3.0], dtype=torch.bfloat16))
        tensor(2.)
    """
    return _checked(scores).mean()


def log_mean_exp(scores: Tensor) -> Tensor:
    """Return the logarithm of the mean exponential, without overflow.

    Args:
        scores: ``(m,)``.

    Returns:
        Scalar, ``log mean exp scores``.

    Raises:
        InputError: the scores are not a non-empty vector.

    Example:
        >>> import torch
        >>> log_mean_exp(torch.tensor([1000.0, 1000.0]))
        tensor(1000.)
    """
    return torch.logsumexp(_checked(scores), dim=0) - math.log(scores.shape[0])


def guarded_exp(exponent: Tensor) -> Tensor:
    """Return ``exp`` up to :data:`EXPONENT_LIMIT` and its tangent beyond: finite, with a gradient everywhere.

    Args:
        exponent: any shape.

    Returns:
        Same shape; never above ``exp(exponent)``.

    Example:
        >>> import torch
        >>> guarded_exp(torch.tensor([0.0, 1e4])).isfinite().all()
        tensor(True)
    """
    inside = exponent.clamp(max=EXPONENT_LIMIT)
    return inside.exp() * (1.0 + (exponent - inside))
