"""Options that hold one value for all modalities, or one per modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from comodal.contracts import InputError

__all__ = ["per_modality", "sizes_per_modality"]

T = TypeVar("T", int, str)


def per_modality(value: T | Mapping[str, T], names: Iterable[str], *, option: str) -> dict[str, T]:
    """Return the value of every modality; values of other modalities are ignored.

    Raises:
        InputError: a modality has no value.
    """
    found: dict[str, T] = {}
    for name in names:
        if not isinstance(value, Mapping):
            found[name] = value
        elif name in value:
            found[name] = value[name]
        else:
            given = ", ".join(value) or "none"
            raise InputError(
                f"{option} has no value for modality {name!r} (given: {given}): add it, or give one value for all",
                code="missing",
            )
    return found


def sizes_per_modality(size: int | Mapping[str, int], names: Iterable[str], *, option: str) -> dict[str, int]:
    """Return the size of every modality, as :func:`per_modality`.

    Raises:
        InputError: a modality has no size, or its size is not positive.
    """
    sizes = per_modality(size, names, option=option)
    for name, each in sizes.items():
        if each < 1:
            raise InputError(f"{option} of modality {name!r} is {each}: give a positive number", code="out_of_range")
    return sizes
