"""How a measure normalises representations, so that their scale alone says nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from comodal.contracts import InputError
from comodal.dependency.measure import Measure

__all__ = ["NORMALIZATIONS", "RADII", "checked_normalization"]

NORMALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer": lambda view: functional.layer_norm(view, view.shape[1:]),
    "sphere": lambda view: functional.normalize(view, dim=1),
    "none": lambda view: view,
}
"""Normalisation of each representation: zero mean and unit variance over its features, unit norm, or none."""

RADII: dict[str, Callable[[int], float]] = {"layer": math.sqrt, "sphere": lambda _width: 1.0}
"""Norm of a normalised representation of a width; there is none without normalisation."""


def checked_normalization(normalize: str, measure: Measure) -> str:
    """Return the name of a normalisation that is known and suits the measure and the widths of its views."""
    layout = measure.layout
    if normalize not in NORMALIZATIONS:
        raise InputError.unknown("normalize", normalize, list(NORMALIZATIONS))
    if normalize not in RADII and measure.facts.unit == "distance":
        raise InputError(
            f"normalize={normalize!r}: {measure.name} grows with the scale of representations: use 'layer' or 'sphere'",
            code="conflict",
        )
    if normalize == "layer" and 1 in layout.dims:
        name = layout.names[layout.dims.index(1)]
        raise InputError(
            f"normalize='layer' makes {name!r}, which is 1 wide, constant: use 'sphere' or a wider view",
            code="conflict",
        )
    return normalize
