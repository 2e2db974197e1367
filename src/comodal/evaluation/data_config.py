"""Where the data of a run come from."""

from __future__ import annotations

from dataclasses import dataclass

from comodal.data.dataset import Dataset
from comodal.data.load import load

__all__ = ["DataConfig", "note_of"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data of a run come from.

    Attributes:
        source: what :func:`comodal.data.load.load` takes.
        features: modality to feature name, ``None`` for the source's default.
        protocol: partition of a source that offers several, ``None`` for its first.
        clean: replace values that are not finite instead of refusing them.
    """

    source: str
    features: dict[str, str] | None = None
    protocol: str | None = None
    clean: bool = False

    def load(self) -> Dataset:
        """Read the data set."""
        return load(self.source, features=self.features, protocol=self.protocol, clean=self.clean)


def note_of(dataset: Dataset) -> str:
    """Return the note of a data set and what cleaning changed."""
    cleaned = "" if dataset.cleaning is None else f"cleaned: {dataset.cleaning}"
    return "; ".join(part for part in (dataset.spec.note, cleaned) if part)
