"""Select the variables of a fusion model between which a dependency is measured."""

from __future__ import annotations

import torch
from torch import Tensor

from comodal.contracts import FusionOutput, InputError
from comodal.contracts.option_names import BETWEEN

__all__ = ["views_of"]


def views_of(output: FusionOutput, *, between: str = "modalities") -> dict[str, Tensor]:
    """Return the variables of a fusion output between which the dependency is measured.

    Args:
        output: what a fusion model returned.
        between: ``"modalities"``, the M representations; or ``"fusion"``, two variables: the fused representation and
            the concatenated modalities.

    Returns:
        Name to ``(n, D)``.

    Raises:
        InputError: an unknown ``between``.

    Source: the paper measures between modalities; ``"fusion"`` is ours.

    Example:
        >>> import torch
        >>> views = {"text": torch.zeros(5, 4), "audio": torch.zeros(5, 2)}
        >>> output = FusionOutput(logits=torch.zeros(5, 1), fused=torch.zeros(5, 3), representations=views)
        >>> {name: tuple(view.shape) for name, view in views_of(output, between="fusion").items()}
        {'fused': (5, 3), 'modalities': (5, 6)}
    """
    if between == "modalities":
        return dict(output.representations)
    if between == "fusion":
        return {"fused": output.fused, "modalities": torch.cat(tuple(output.representations.values()), dim=1)}
    raise InputError.unknown("between", between, BETWEEN)
