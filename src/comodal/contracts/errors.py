"""The error for everything that a user gave and that is wrong."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

__all__ = ["Code", "InputError"]

Code = Literal[
    "cannot_read",  # the operating system refuses
    "cannot_write",
    "conflict",  # two options or inputs contradict each other
    "damaged",  # a file is truncated, malformed, or not what its name says
    "diverged",  # a computation did not stay finite
    "duplicate",  # given twice
    "empty",  # nothing there to work on
    "exists",  # would overwrite something
    "invalid",  # none of the others
    "mismatch",  # two things that must agree do not: shapes of arrays, a folder and its configuration, ids of tables
    "missing",  # a file, column, modality, option or argument that is needed is not there
    "needs_package",  # an optional dependency is not installed
    "not_finite",  # NaN or infinite values
    "out_of_range",  # a number outside its legal range
    "too_large",  # more than fits in memory, or than a format allows
    "unavailable",  # a device, server or model that this machine does not have or reach
    "unknown_name",  # a name that is not in its family
    "unsafe",  # refused because it could run code, leave its folder, or use the network
    "unsupported",  # legal elsewhere, not supported here
    "wrong_shape",  # an array of another number of dimensions, width or length than needed
    "wrong_type",  # a value of another type than needed
]
"""What kind of mistake an :class:`InputError` reports. Programs and tests match on it; wording may change."""


class InputError(ValueError):
    """A mistake in what the user gave: one line that says what was given, where, and what to do about it.

    The command line prints the message alone and exits with status 2; a traceback is for defects of the library.

    Args:
        message: the line.
        code: the kind of mistake, stable over releases.

    Attributes:
        code: the kind of mistake.

    Example:
        >>> InputError("jobs is 0: give a positive number", code="out_of_range").code
        'out_of_range'
    """

    __module__ = "comodal.contracts"  # tracebacks show the public name

    def __init__(self, message: str, *, code: Code) -> None:
        super().__init__(message)
        self.code: Code = code

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the code with the message: errors come back from worker processes."""
        return functools.partial(InputError, code=self.code), self.args, self.__dict__

    def at(self, where: object) -> InputError:
        """Return the same error with the place where it occurred in front.

        Example:
            >>> error = InputError("no rows", code="empty").at("table.csv")
            >>> print(error, error.code)
            table.csv: no rows empty
        """
        return InputError(f"{where}: {self}", code=self.code)

    @classmethod
    def unknown(
        cls,
        kind: str,
        name: object,
        known: Iterable[object],
        *,
        where: str = "",
        habits: Mapping[str, str] = MappingProxyType({}),
    ) -> InputError:
        """Return the error for a name that is not in a family; it offers the known name that is meant, or the nearest.

        Args:
            kind: what the name should have been, for example ``"fusion"``.
            name: what was given.
            known: every legal name.
            where: file or argument it was given in.
            habits: customary names of others, in small letters with ``_`` for spaces and hyphens, to the known name
                that is meant.

        Example:
            >>> print(InputError.unknown("fusion", "erly", ["early", "lfn"]))
            unknown fusion 'erly': did you mean 'early'? (known: early, lfn)
            >>> print(InputError.unknown("column", "x", ["label"], where="frame"))
            frame: unknown column 'x': give one of: label
        """
        names = [str(each) for each in known]
        meant = habits.get(re.sub(r"[\s-]+", "_", str(name).lower()))
        near = [meant] if meant else difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
        listed = ", ".join(names)
        remedy = f"did you mean {near[0]!r}? (known: {listed})" if near else f"give one of: {listed}"
        message = f"unknown {kind} {name!r}: {remedy}"
        return cls(f"{where}: {message}" if where else message, code="unknown_name")

    @classmethod
    def needs_extra(cls, extra: str, purpose: str) -> InputError:
        """Return the error for an optional dependency that is not installed.

        The command it prints names the packages themselves, so that it works from a checkout and from a wheel.

        Args:
            extra: name of the extra in the project's metadata, for example ``"h5"``.
            purpose: what needs it.

        Example:
            >>> print(InputError.needs_extra("h5", "HDF5 files"))
            HDF5 files need a package that is not installed: pip install 'h5py>=3.8'
        """
        named = " ".join(f"'{package}'" for package in _packages(extra))
        return cls(f"{purpose} need a package that is not installed: pip install {named}", code="needs_package")


def _packages(extra: str) -> list[str]:
    """Return the requirements of an extra; an extra that it includes is replaced by its own requirements."""
    import importlib.metadata  # noqa: PLC0415 - a third of what `comodal --help` would import

    pattern = re.compile(rf"(?P<package>[^;]+?)\s*;.*\bextra\s*==\s*['\"]{re.escape(extra)}['\"]")
    found: list[str] = []
    for line in importlib.metadata.requires("comodal") or []:
        if match := pattern.match(line):
            included = re.fullmatch(r"comodal\[(\w+)\]", match["package"])
            found += _packages(included[1]) if included else [match["package"]]
    return found
