"""Where the data of a run come from."""

from __future__ import annotations

from dataclasses import dataclass

from comodal.contracts import Task
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
        label: which label of several, ``None`` for the source's own.
        task: what is predicted, as :func:`comodal.data.targets.task_named` takes it; ``None`` where the labels say it.
        clean: replace values that are not finite instead of refusing them.
    """

    source: str
    features: dict[str, str] | None = None
    protocol: str | None = None
    label: str | None = None
    task: str | None = None
    clean: bool = False

    def load(self, *, task: Task | None = None) -> Dataset:
        """Read the data set, its labels as those of a task where one is given, such as that of a trained model."""
        return load(
            self.source,
            features=self.features,
            protocol=self.protocol,
            label=self.label,
            task=task or self.task,
            clean=self.clean,
        )


def note_of(dataset: Dataset) -> str:
    """Return the note of a data set and what cleaning changed."""
    cleaned = "" if dataset.cleaning is None else f"cleaned: {dataset.cleaning}"
    return "; ".join(part for part in (dataset.spec.note, cleaned) if part)
