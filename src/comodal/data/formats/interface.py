"""What a reader of a file family offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from comodal.data.dataset import Dataset

__all__ = ["Format", "Reader", "Recogniser"]


class Recogniser(Protocol):
    """Tells from the content of a path, not from its name, whether a reader can take it."""

    def __call__(self, path: Path) -> bool:
        """True when the reader of this family should be tried."""


class Reader(Protocol):
    """Reads a path into a data set, unchecked and uncleaned."""

    def __call__(
        self, path: Path, *, protocol: str | None = None, features: Mapping[str, str] | None = None
    ) -> Dataset:
        """Read one protocol of a path, with a choice of features (modality to the file's name of them)."""


@dataclass(frozen=True)
class Format:
    """A file family.

    Attributes:
        name: of the family.
        files: what its files look like, for error messages.
        protocols: names of the partitions a path of it offers, the default first.
        recognises: whether a path is of the family.
        read: from a path to a data set.
    """

    name: str
    files: str
    protocols: tuple[str, ...]
    recognises: Recogniser
    read: Reader
