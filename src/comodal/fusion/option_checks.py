"""Checks of the options of fusion models."""

from __future__ import annotations

import math
from collections.abc import Sequence

from comodal.contracts import InputError

__all__ = ["require_options"]


def require_options(
    config: object,
    model: str,
    *,
    positive: Sequence[str] = (),
    not_negative: Sequence[str] = (),
    probabilities: Sequence[str] = (),
) -> None:
    """Check the options of a config that ``model`` names in messages.

    Args:
        config: the config.
        model: what messages call the model.
        positive: names of the options that are above 0.
        not_negative: names of those that are at least 0, or ``None``.
        probabilities: names of those in [0, 1), such as rates of dropout.

    Raises:
        InputError: an option is outside its range.
    """
    for name in (*positive, *not_negative, *probabilities):
        value = getattr(config, name)
        if name in positive:
            fits, remedy = 0 < value < math.inf, "give a positive number"
        elif name in not_negative:
            fits, remedy = (value or 0) >= 0, "give a number that is not negative"
        else:
            fits, remedy = 0 <= value < 1, "give a probability in [0, 1)"
        if not fits:
            raise InputError(f"{model} {name} is {value}: {remedy}", code="out_of_range")
