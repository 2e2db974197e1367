"""The error of everything that a user gave and that is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "InputError",
]


class InputError(ValueError):
    """Something a user gave is wrong: one line that says what, where, and what to do about it.

    The command line prints the message alone and exits with status 2; a traceback is for defects of the library.
    """

    __module__ = "comodal.contracts"  # tracebacks show the public name

    @classmethod
    def unknown(cls, kind: str, name: object, known: Iterable[object], *, where: str = "") -> InputError:
        """The error for a name that is not in a family; the nearest known one is offered.

        Args:
            kind: what it should have named, for example ``"fusion"``.
            name: what was given.
            known: every legal name.
            where: file or argument it was given in.

        >>> print(InputError.unknown("fusion", "erly", ["early", "lfn"]))
        unknown fusion 'erly': did you mean 'early'? (known: early, lfn)
        >>> print(InputError.unknown("column", "x", ["label"], where="frame"))
        frame: unknown column 'x': give one of: label
        """
        names = [str(each) for each in known]
        near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
        listed = ", ".join(names)
        remedy = f"did you mean {near[0]!r}? (known: {listed})" if near else f"give one of: {listed}"
        return cls(f"{where}: unknown {kind} {name!r}: {remedy}" if where else f"unknown {kind} {name!r}: {remedy}")
