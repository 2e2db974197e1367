"""The error for a name nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from comodal.contracts import InputError

__all__ = ["unknown"]


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> InputError:
    """An error that names the nearest known name, or all of them when none is near.

    Args:
        kind: what the name is of, for example ``"protocol"``.
        name: what was asked for.
        known: every legal name.
        where: file or argument it was asked of.

    Returns:
        The exception, to be raised by the caller.

    Example:
        >>> str(unknown("protocol", "nestd", ["nested", "clean"]))
        "unknown protocol 'nestd': did you mean 'nested'? (known: nested, clean)"
        >>> str(unknown("column", "x", ["label"], where="frame"))
        "frame: unknown column 'x': give one of: label"
    """
    names = [str(each) for each in known]
    near = difflib.get_close_matches(name, names, n=1)
    prefix = f"{where}: " if where else ""
    listed = ", ".join(names)
    remedy = f"did you mean {near[0]!r}? (known: {listed})" if near else f"give one of: {listed}"
    return InputError(f"{prefix}unknown {kind} {name!r}: {remedy}")
