"""Exponentials of scores ``(m,)`` without overflow, in at least float32."""

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
    """Return the mean of the scores, a scalar."""
    return _checked(scores).mean()


def log_mean_exp(scores: Tensor) -> Tensor:
    """Return the scalar ``log mean exp scores``."""
    return torch.logsumexp(_checked(scores), dim=0) - math.log(scores.shape[0])


def guarded_exp(exponent: Tensor) -> Tensor:
    """Return ``exp`` of any shape up to :data:`EXPONENT_LIMIT`, and its tangent beyond: finite, never above ``exp``."""
    inside = exponent.clamp(max=EXPONENT_LIMIT)
    return inside.exp() * (1.0 + (exponent - inside))
