"""A data set in memory: aligned samples, their labels and partitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodal.contracts import DatasetSpec, InputError, NoTask, Sentiment, Task, TokenSpec
from comodal.data.ragged import RaggedArray

__all__ = ["PARTS", "SPLITS", "UNLABELLED", "CleaningReport", "Dataset", "Partition", "describe", "unequal"]

SPLITS = ("train", "valid", "test")
UNLABELLED = "unlabelled"
PARTS = (*SPLITS, UNLABELLED)


@dataclass(frozen=True, eq=False)
class Partition:
    """One division of a data set into train, validation and test.

    A cross-validated protocol has several, and each sample is in the test part of exactly one.

    Attributes:
        name: for example ``"fold 0"``.
        train: row numbers, int64.
        valid: row numbers, int64.
        test: row numbers, int64.
        unlabelled: rows of the training part without a label, which the dependency measure sees, and nothing else.
    """

    name: str
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def splits(self) -> dict[str, NDArray[np.int64]]:
        """Split name to row numbers; ``unlabelled`` is among them where it holds a sample."""
        parts = {split: getattr(self, split) for split in SPLITS}
        return parts | ({UNLABELLED: self.unlabelled} if len(self.unlabelled) else {})

    def pooled(self) -> Partition:
        """Return the partition with its unlabelled rows among the training ones."""
        train = np.sort(np.concatenate([self.train, self.unlabelled]))
        return Partition(self.name, train, self.valid, self.test)

    def renumber(self, position: NDArray[np.int64]) -> Partition:
        """The same partition after rows moved; ``position[row]`` is the new number, -1 for a row that is gone."""
        moved = {split: position[rows] for split, rows in self.splits.items()}
        return Partition(self.name, **{split: rows[rows >= 0] for split, rows in moved.items()})


@dataclass(frozen=True)
class CleaningReport:
    """Counts of everything that cleaning changed, which is never a label; it travels with the data set.

    Attributes:
        samples: number of samples.
        replaced_values: modality to number of non-finite values that were replaced.
        replaced_samples: modality to number of samples these were in.

    Example:
        >>> str(CleaningReport(10, {"text": 4}, {"text": 1}))
        '4 non-finite values of text in 1 sample replaced'
    """

    samples: int
    replaced_values: Mapping[str, int]
    replaced_samples: Mapping[str, int]

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return any(self.replaced_values.values())

    def of(self, features: Mapping[str, str]) -> CleaningReport:
        """Return the report for the features that are used: modality to their name in this report."""
        values = {modality: self.replaced_values.get(name, 0) for modality, name in features.items()}
        samples = {modality: self.replaced_samples.get(name, 0) for modality, name in features.items()}
        return replace(self, replaced_values=values, replaced_samples=samples)

    def __str__(self) -> str:
        parts = [
            f"{_count(count, 'non-finite value')} of {name} in {_count(self.replaced_samples[name], 'sample')} replaced"
            for name, count in self.replaced_values.items()
            if count
        ]
        return "; ".join(parts) or "nothing to clean"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Aligned samples in memory.

    Args:
        spec: what a model may know of it.
        id: ``(N,)`` sample ids.
        group: ``(N,)`` group of each sample, such as its video or speaker, which no two splits may share.
        target: ``(N,)`` float32 labels or numbers of classes; ``(N, K)`` for several outputs or labels.
        modalities: name to frames, in the order of the spec.
        partitions: at least one; several for cross-validation.
        transcript: ``(N,)`` words, where known.
        columns: further facts of each sample, for example which of them disagree by construction.
        cleaning: what cleaning changed, ``None`` when none was asked for.

    Raises:
        InputError: columns differ in length, or the spec does not describe the modalities.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> dataset = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
        >>> len(dataset), dataset.spec.modalities
        (72, ('text', 'audio', 'vision'))
        >>> dataset.select_modalities(["audio"]).spec.modalities
        ('audio',)
    """

    spec: DatasetSpec
    id: NDArray[Any]
    group: NDArray[Any]
    target: NDArray[np.float32]
    modalities: Mapping[str, RaggedArray]
    partitions: tuple[Partition, ...]
    transcript: NDArray[Any] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    cleaning: CleaningReport | None = None

    def __post_init__(self) -> None:
        if counts := unequal(self):
            raise InputError(
                f"{self.spec.name}: numbers of samples differ ({counts}); give one row per sample everywhere",
                code="mismatch",
            )
        dims = {name: array.dim for name, array in self.modalities.items()}
        if tuple(dims.items()) != tuple(self.spec.dims.items()):
            raise InputError(
                f"{self.spec.name}: modalities are {dims} but the spec says {dict(self.spec.dims)}; make them agree",
                code="mismatch",
            )

    def __len__(self) -> int:
        return len(self.id)

    def subset(self, index: ArrayLike) -> Dataset:
        """Return the rows of ``index`` (numbers without repeats, or a boolean mask); partitions are renumbered.

        Features that are mapped from disk stay there.

        Raises:
            InputError: a row is asked for twice.
        """
        rows = np.asarray(index)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        if len(np.unique(rows)) != len(rows):
            raise InputError(
                f"{self.spec.name}: a subset holds a row twice; give every row number once", code="duplicate"
            )
        position = np.full(len(self), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        return replace(
            self,
            id=self.id[rows],
            group=self.group[rows],
            target=self.target[rows],
            modalities={name: array.select(rows) for name, array in self.modalities.items()},
            partitions=tuple(partition.renumber(position) for partition in self.partitions),
            transcript=None if self.transcript is None else self.transcript[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def without_labels(self) -> Dataset:
        """Return the same samples without labels, with nothing to predict; unlabelled ones train like the others.

        Example:
            >>> from comodal.data.embedded_sets import embedded
            >>> embedded("digits").without_labels().spec.task
            NoTask()
        """
        task = NoTask()
        return replace(
            self,
            spec=replace(self.spec, task=task),
            target=task.encode(self.target, where=self.spec.name),
            partitions=tuple(partition.pooled() for partition in self.partitions),
        )

    def with_features(self, modalities: Mapping[str, RaggedArray]) -> Dataset:
        """Return the same samples with other features; the spec follows."""
        spec = describe(
            self.spec.name,
            modalities,
            task=self.spec.task,
            note=self.spec.note,
            tokens=self.spec.tokens if "text" in modalities else None,
        )
        return replace(self, spec=spec, modalities=dict(modalities))

    def select_modalities(self, names: Iterable[str] | Mapping[str, str]) -> Dataset:
        """Return some modalities, in the requested order; a mapping gives new name to present name.

        Raises:
            InputError: a modality is unknown, or none is left.
        """
        chosen = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
        if not chosen:
            raise InputError(
                f"{self.spec.name}: no modality is left; choose among {', '.join(self.modalities)}", code="empty"
            )
        for name in chosen.values():
            if name not in self.modalities:
                raise InputError.unknown("modality", name, self.modalities, where=self.spec.name)
        return self.with_features({new: self.modalities[name] for new, name in chosen.items()})


def describe(
    name: str,
    modalities: Mapping[str, RaggedArray],
    *,
    task: Task | None = None,
    note: str = "",
    tokens: TokenSpec | None = None,
) -> DatasetSpec:
    """Return the spec of some modalities; ``note`` says what a reader of its numbers must know."""
    return DatasetSpec(
        name=name,
        dims={key: array.dim for key, array in modalities.items()},
        max_lengths={key: array.max_length for key, array in modalities.items()},
        task=task or Sentiment(),
        note=note,
        aligned=_aligned([array.lengths for array in modalities.values()]),
        tokens=tokens,
    )


def _aligned(lengths: Sequence[NDArray[np.int64]]) -> bool:
    """Return whether the modalities of each sample have equally many frames, apart from one frame or none."""
    if len(set(map(len, lengths))) != 1:  # none, or a data set that will be refused
        return True
    frames = np.stack(lengths)
    longest = frames.max(axis=0)
    return bool(((frames <= 1) | (frames == longest)).all())


def unequal(samples: Any) -> str:
    """Return the lengths of the columns of a data set or block where they differ, an empty text where they agree."""
    lengths = {"id": len(samples.id), "group": len(samples.group), "target": len(samples.target)}
    lengths |= {f"modality {name}": len(array) for name, array in samples.modalities.items()}
    lengths |= {f"column {name}": len(column) for name, column in samples.columns.items()}
    if samples.transcript is not None:
        lengths["transcript"] = len(samples.transcript)
    differ = len(set(lengths.values())) > 1
    return ", ".join(f"{name} {length}" for name, length in lengths.items()) if differ else ""
