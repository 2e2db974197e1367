"""Transcripts whose capitals say nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["all_capitals", "lowered"]


def all_capitals(transcripts: Iterable[Any]) -> bool:
    """Whether there is no small letter in any of them, so that capitals say nothing; what is no text is passed over.

    >>> all_capitals(["SO GOOD", ""]), all_capitals(["SO GOOD", "OK, fine"])
    (True, False)
    """
    return all(each == each.upper() for each in transcripts if isinstance(each, str))


def lowered(transcripts: Iterable[Any]) -> list[Any]:
    """In small letters; what is no text stays as it is.

    >>> lowered(["SO GOOD", None])
    ['so good', None]
    """
    return [each.lower() if isinstance(each, str) else each for each in transcripts]
