"""The error for a file whose content is not as its family has it."""

from __future__ import annotations

from comodal.contracts import InputError
from comodal.contracts.errors import Code

__all__ = ["damaged"]


def damaged(where: object, problem: str, *, remedy: str = "get the file again", code: Code = "damaged") -> InputError:
    """Return the error for a file: where, what is wrong, what to do."""
    return InputError(f"{where}: {problem}; {remedy}", code=code)
