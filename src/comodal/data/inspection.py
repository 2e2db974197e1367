"""Counts of what a source holds, collected block by block in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.ragged import RaggedArray

__all__ = ["FeatureFacts", "Inspection", "Inspector", "Samples", "read_blocks"]

_BINS = 7


@dataclass(frozen=True)
class FeatureFacts:
    """Counts of one feature set.

    Attributes:
        dim: features per frame.
        frames: of all samples.
        lengths: fewest, median and most frames of the samples that have any.
        absent: samples without a frame.
        zero_frames: frames that are all zero, inside sequences.
        constant_columns: numbers of the features that never change.
        non_finite: feature number, as text, to values that are NaN or infinite.
        non_finite_utterances: samples with such a value.
        first_non_finite: id of the first of them, empty for none.
    """

    dim: int
    frames: int
    lengths: list[int]
    absent: int
    zero_frames: int
    constant_columns: list[int]
    non_finite: dict[str, int]
    non_finite_utterances: int
    first_non_finite: str


@dataclass(frozen=True)
class Inspection:
    """Counts of a source, in plain values that JSON keeps.

    Attributes:
        utterances: number of samples.
        groups: number of different groups (videos, speakers).
        features: name to facts.
        splits: protocol to split (or fold) to samples.
        labels: samples per label, in equal bins of the legal range; the outer ones hold what lies beyond.
        label_span: smallest and largest label, ``None`` without any.
        missing_labels: ids of samples whose label is missing.
        outlying_labels: id and label of samples whose label is outside the legal range.
        duplicate_ids: ids that are used more than once.
        empty_transcripts: samples without words, ``None`` where the source has no transcripts.
        normalised: what a reader changed, as a sentence, to the number of samples.
        first_ids: the first few.
    """

    utterances: int
    groups: int
    features: dict[str, FeatureFacts]
    splits: dict[str, dict[str, int]]
    labels: list[int]
    label_span: list[float] | None
    missing_labels: list[str]
    outlying_labels: list[list[Any]]
    duplicate_ids: list[str]
    empty_transcripts: int | None
    normalised: dict[str, int]
    first_ids: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Inspection:
        """Read what :meth:`as_dict` gave."""
        features = {name: FeatureFacts(**facts) for name, facts in plain["features"].items()}
        return cls(**{**plain, "features": features})


@dataclass
class _FeatureCounts:
    """Sums over the blocks seen so far."""

    dim: int
    frames: int = 0
    absent: int = 0
    zero_frames: int = 0
    lengths: list[NDArray[np.int64]] = field(default_factory=lambda: [np.zeros(0, dtype=np.int64)])
    bad_samples: int = 0
    first_bad: str = ""

    def __post_init__(self) -> None:
        self.non_finite = np.zeros(self.dim, dtype=np.int64)
        self.low = np.full(self.dim, np.inf, dtype=np.float32)
        self.high = np.full(self.dim, -np.inf, dtype=np.float32)

    def add(self, array: RaggedArray, ids: NDArray[Any]) -> None:
        self.frames += int(array.offsets[-1])
        self.absent += int((array.lengths == 0).sum())
        self.lengths.append(array.lengths)
        start, bad = 0, [np.zeros(0, dtype=np.int64)]
        for part in array.parts():
            finite = np.isfinite(part)
            self.non_finite += (~finite).sum(axis=0)
            self.zero_frames += int((~(part != 0).any(axis=1)).sum())
            self.low = np.minimum(self.low, np.where(finite, part, np.inf).min(axis=0))
            self.high = np.maximum(self.high, np.where(finite, part, -np.inf).max(axis=0))
            bad.append(start + np.flatnonzero(~finite.all(axis=1)))
            start += len(part)
        owners = np.unique(array.owner(np.concatenate(bad)))
        self.bad_samples += len(owners)
        if len(owners) and not self.first_bad:
            self.first_bad = str(ids[owners[0]])

    def facts(self) -> FeatureFacts:
        lengths = np.concatenate(self.lengths)
        lengths = lengths[lengths > 0]
        spread = [int(lengths.min()), int(np.median(lengths)), int(lengths.max())] if len(lengths) else [0, 0, 0]
        constant = np.flatnonzero((self.low == self.high) & (self.frames > 1))
        return FeatureFacts(
            dim=self.dim,
            frames=self.frames,
            lengths=spread,
            absent=self.absent,
            zero_frames=self.zero_frames,
            constant_columns=constant.tolist(),
            non_finite={str(column): int(self.non_finite[column]) for column in np.flatnonzero(self.non_finite)},
            non_finite_utterances=self.bad_samples,
            first_non_finite=self.first_bad,
        )


@dataclass(frozen=True, eq=False)
class Samples:
    """What the rules on ids and partitions need: a few short texts per sample.

    Attributes:
        id: ``(N,)``.
        group: ``(N,)``.
        transcript: ``(N,)`` words, where known.
        parts: partition to split (or fold) to row numbers.
        folds: whether the partitions are the folds of one cross-validation.
    """

    id: NDArray[Any]
    group: NDArray[Any]
    transcript: NDArray[Any] | None
    parts: Mapping[str, Mapping[str, NDArray[np.int64]]]
    folds: bool = False


class Inspector:
    """Count the blocks of a source as they pass.

    Args:
        source: whose blocks they are.

    Example:
        >>> from pathlib import Path
        >>> block = Block(
        ...     id=np.array(["a_1", "a_2"]),
        ...     group=np.array(["a", "a"]),
        ...     target=np.array([0.5, np.nan], dtype=np.float32),
        ...     modalities={"audio": RaggedArray.from_rows([np.ones((2, 1)), np.full((1, 1), np.inf)])},
        ... )
        >>> inspector = Inspector(Source(Path("toy"), "toy", {"audio": 1}, {}, lambda names: iter([block])))
        >>> inspector.add(block)
        >>> found = inspector.finish()
        >>> found.utterances, found.missing_labels, found.features["audio"].non_finite
        (2, ['a_2'], {'0': 1})
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._features = {name: _FeatureCounts(dim) for name, dim in source.dims.items()}
        self._blocks: list[Block] = []

    def add(self, block: Block) -> None:
        """Count a block.

        Raises:
            InputError: it is not what its source said it would be.
        """
        self._require(block)
        for name, array in block.modalities.items():
            self._features[name].add(array, block.id)
        # Without the features, which may be larger than memory.
        kept = Block(block.id, block.group, block.target, {}, block.columns, block.transcript, block.normalised)
        self._blocks.append(kept)

    def _require(self, block: Block) -> None:
        source, held = self._source, {name: array.dim for name, array in block.modalities.items()}
        if held != dict(source.dims):
            raise InputError(
                f"{source.path}: features {held} in one part, expected {dict(source.dims)}; get the file again",
                code="damaged",
            )
        for name, division in source.divisions.items():
            if division.column not in block.columns:
                raise InputError(
                    f"{source.path}: no column {division.column!r}, which protocol {name!r} needs; get the file again",
                    code="damaged",
                )

    def _joined(self, columns: list[NDArray[Any]], dtype: Any = np.str_) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype=dtype), *columns])

    def samples(self) -> Samples:
        """Return the ids, groups, transcripts and parts of all samples."""
        words = [block.transcript for block in self._blocks if block.transcript is not None]
        parts = {
            name: _rows(self._joined([block.columns[each.column] for block in self._blocks]), each)
            for name, each in self._source.divisions.items()
        }
        return Samples(
            id=self._joined([block.id for block in self._blocks]),
            group=self._joined([block.group for block in self._blocks]),
            transcript=self._joined(words, object) if len(words) == len(self._blocks) else None,
            parts=parts,
        )

    def finish(self) -> Inspection:
        """Return all counts."""
        ids = self._joined([block.id for block in self._blocks])
        target = self._joined([block.target for block in self._blocks], np.float32)
        low, high = self._source.label_range
        finite = np.isfinite(target)
        outside = finite & ((target < np.float32(low)) | (target > np.float32(high)))
        counts, _ = np.histogram(np.clip(target[finite], low, high), bins=_BINS, range=(low, high))
        names, times = np.unique(ids, return_counts=True)
        words = [block.transcript.tolist() for block in self._blocks if block.transcript is not None]
        splits: dict[str, Counter[str]] = {name: Counter() for name in self._source.divisions}
        normalised: Counter[str] = Counter()
        for block in self._blocks:
            normalised.update(block.normalised)
            for name, division in self._source.divisions.items():
                splits[name].update(str(part) for part in block.columns[division.column].tolist())
        return Inspection(
            utterances=len(ids),
            groups=len(set().union(*(block.group.tolist() for block in self._blocks))),
            features={name: counts.facts() for name, counts in self._features.items()},
            splits={name: dict(parts) for name, parts in splits.items()},
            labels=counts.tolist(),
            label_span=[float(target[finite].min()), float(target[finite].max())] if finite.any() else None,
            missing_labels=[str(each) for each in ids[~finite]],
            outlying_labels=[
                [str(name), float(label)] for name, label in zip(ids[outside], target[outside], strict=True)
            ],
            duplicate_ids=[str(each) for each in names[times > 1]],
            empty_transcripts=sum(not str(text).strip() for each in words for text in each) if words else None,
            normalised=dict(normalised),
            first_ids=[str(each) for each in ids[:5]],
        )


def _rows(column: NDArray[Any], division: Division) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split or fold; a row with another word or number is in none."""
    words = column.astype(np.str_)
    names = ("train", "valid", "test") if division.folds is None else map(str, range(division.folds))
    return {name: np.flatnonzero(words == name) for name in names}


def read_blocks(source: Source, inspector: Inspector, *, seen: Callable[[int], None] | None = None) -> Iterator[Block]:
    """Yield every block of a source with all features, counted by the inspector.

    Args:
        source: what a reader opened.
        inspector: counts.
        seen: called with the number of samples of each block that is done with, for a progress bar.

    Raises:
        InputError: the source cannot be read, or a block is not what the source said it would be.
    """
    try:
        for block in source.blocks(list(source.dims)):
            inspector.add(block)
            yield block
            if seen is not None:
                seen(len(block))
    except OSError as error:
        raise InputError(
            f"{source.path}: cannot be read ({error.strerror or error}); check the file", code="cannot_read"
        ) from error
