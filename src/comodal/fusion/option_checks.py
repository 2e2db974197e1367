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
    """Check options of a model's config.

    Args:
        config: the config.
        model: what messages call the model.
        positive: names of the options that are above 0.
        not_negative: names of those that are at least 0, or ``None``.
        probabilities: names of those in [0, 1), such as rates of dropout.

    Raises:
        InputError: an option is outside its range.

    Example:
        >>> from comodal.fusion import LFNConfig
        >>> require_options(LFNConfig(), "LFN", positive=["rank"], probabilities=["dropout"])
    """
    given = {name: getattr(config, name) for name in (*positive, *not_negative, *probabilities)}
    remedies = {
        **{name: "give a positive number" for name in positive if not 0 < given[name] < math.inf},
        **{name: "give a number that is not negative" for name in not_negative if not (given[name] or 0) >= 0},
        **{name: "give a probability in [0, 1)" for name in probabilities if not 0 <= given[name] < 1},
    }
    for name, remedy in remedies.items():
        raise InputError(f"{model} {name} is {given[name]}: {remedy}", code="out_of_range")
