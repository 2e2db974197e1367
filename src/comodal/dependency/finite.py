"""Refuse representations and values that are not finite."""

from __future__ import annotations

import math

from torch import Tensor

from comodal.contracts import InputError
from comodal.dependency.distributed import Gathered
from comodal.dependency.measure import Measure

__all__ = ["refuse_non_finite"]


def refuse_non_finite(measure: Measure, value: Tensor, gathered: Gathered, *, remedy: str) -> None:
    """Name the view and the first row that hold NaN or infinity, absent ones aside; or the measure that diverged."""
    if math.isfinite(value.item()):
        return
    for place, (name, view) in enumerate(zip(measure.layout.names, gathered.views, strict=True)):
        broken = (~view.isfinite()).any(dim=1)
        if gathered.present is not None:
            broken = broken & gathered.present[:, place].to(broken.device)
        rows = broken.nonzero().flatten().tolist()
        if rows:
            raise InputError(
                f"representation {name!r} holds NaN or infinity in {len(rows)} of {len(view)} rows "
                f"(the first is {rows[0]}): clean the features or lower the model's learning rate",
                code="not_finite",
            )
    raise InputError(f"{measure.name!r} diverged, its value is {value.item()}: lower {remedy}", code="diverged")
