"""Keeping a measure's arithmetic in full precision whatever the model around it runs in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["full_precision"]


def full_precision(view: Tensor) -> AbstractContextManager[object]:
    """A context without autocast on the device of a tensor; a backward pass needs it as much as a forward one.

    Args:
        view: any tensor of the computation.

    Returns:
        A context manager, which does nothing where autocast is off.

    Example:
        >>> import torch
        >>> ones = torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16), full_precision(ones):
        ...     (ones @ ones).dtype
        torch.float32
    """
    device = view.device.type
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()
