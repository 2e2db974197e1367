"""The one pass over a source: every block is counted and handed on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.assemble import concatenate
from comodal.data.formats.interface import Block, Source
from comodal.data.formats.texts import damaged
from comodal.data.ragged import RaggedArray
from comodal.data.targets import is_missing

__all__ = ["FeatureFacts", "Inspection", "examine", "repeated"]

_BINS = 7


@dataclass(frozen=True)
class FeatureFacts:
    """Counts of one feature set."""

    dim: int  # features per frame
    frames: int  # of all samples
    lengths: list[int]  # fewest, median and most frames of the samples that have any
    absent: int  # samples without a frame
    zero_frames: int  # frames that are all zero, inside sequences
    constant_columns: list[int]  # numbers of the features that never change
    non_finite: dict[str, int]  # feature number, as text, to values that are NaN or infinite
    non_finite_samples: int  # samples with such a value
    first_non_finite: str  # id of the first of them, empty for none


@dataclass(frozen=True)
class Inspection:
    """Counts of a source, in plain values that JSON keeps."""

    samples: int  # number of samples
    groups: int  # number of different groups (videos, speakers)
    features: Mapping[str, FeatureFacts]  # name to facts
    splits: Mapping[str, Mapping[str, int]]  # protocol to split (or fold) to samples
    labels: list[int]  # samples per label, in equal bins of the legal range; the outer ones hold what lies beyond
    label_span: list[float] | None  # smallest and largest label, `None` without any
    outlying_labels: list[list[Any]]  # id and label of samples whose label is outside the legal range
    duplicate_ids: list[str]  # ids that are used more than once
    empty_transcripts: int | None  # samples without words, `None` where the source has no transcripts
    normalised: Mapping[str, int]  # what a reader changed, as a sentence, to the number of samples
    first_ids: list[str]  # the first few
    classes: Mapping[str, int] = field(default_factory=dict)  # class or label to samples, empty for a regression
    none_of_classes: int = 0  # multi-label samples that have none of the labels, which is an answer
    unlabelled: int = 0  # samples whose label is missing
    unlabelled_parts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # the same, as ``splits`` has them


@dataclass
class _FeatureCounts:
    """Sums over the blocks seen so far."""

    dim: int
    frames: int = 0
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
        real = lengths[lengths > 0]
        return FeatureFacts(
            dim=self.dim,
            frames=self.frames,
            lengths=[int(real.min()), int(np.median(real)), int(real.max())] if len(real) else [0, 0, 0],
            absent=len(lengths) - len(real),
            zero_frames=self.zero_frames,
            constant_columns=np.flatnonzero((self.low == self.high) & (self.frames > 1)).tolist(),
            non_finite={str(column): int(self.non_finite[column]) for column in np.flatnonzero(self.non_finite)},
            non_finite_samples=self.bad_samples,
            first_non_finite=self.first_bad,
        )


def examine(
    source: Source, *, take: Callable[[Block], object] | None = None, seen: Callable[[int], None] | None = None
) -> tuple[Inspection, Block]:
    """Read every block of a source once and count it.

    Args:
        source: what a reader opened.
        take: called with each block, with all its features.
        seen: called with the number of samples of each block that is done with, for a progress bar.

    Returns:
        Counts, and all samples without their features, which may be larger than memory.

    Raises:
        InputError: the source cannot be read, or a block is not what the source said it would be.
    """
    features = {name: _FeatureCounts(dim) for name, dim in source.dims.items()}
    kept: list[Block] = []
    for block in _blocks(source):
        _require(source, block)
        for name, array in block.modalities.items():
            features[name].add(array, block.id)
        kept.append(replace(block, modalities={}))
        if take is not None:
            take(block)
        if seen is not None:
            seen(len(block))
    samples = concatenate(kept, where=str(source.path)) if any(map(len, kept)) else _nothing(source)
    return _counted(source, samples, {name: counts.facts() for name, counts in features.items()}), samples


def _blocks(source: Source) -> Iterator[Block]:
    try:
        yield from source.blocks(list(source.dims))
    except OSError as error:
        problem = f"cannot be read ({error.strerror or error})"
        raise damaged(source.path, problem, remedy="check the file", code="cannot_read") from error


def _require(source: Source, block: Block) -> None:
    held = {name: array.dim for name, array in block.modalities.items()}
    if held != dict(source.dims):
        raise damaged(source.path, f"features {held} in one part, expected {dict(source.dims)}")
    for name, division in source.divisions.items():
        if division.column not in block.columns:
            raise damaged(source.path, f"no column {division.column!r}, which protocol {name!r} needs")


def _nothing(source: Source) -> Block:
    none = np.zeros(0, dtype=np.str_)
    columns = {division.column: none for division in source.divisions.values()}
    return Block(none, none, np.zeros(0, dtype=np.float32), {}, columns)


def _counted(source: Source, samples: Block, features: Mapping[str, FeatureFacts]) -> Inspection:
    low, high = source.task.label_range
    ids, target, spoken = samples.id, samples.target, samples.transcript
    each = target if target.ndim == 2 else target[:, None]
    missing, finite = is_missing(target), np.isfinite(each).all(axis=1)
    beyond = (each < np.float32(low)) | (each > np.float32(high)) | np.isinf(each)
    outside = ~missing & beyond.any(axis=1)
    outliers = zip(ids[outside], each[outside, beyond[outside].argmax(axis=1)], strict=True)
    words = {name: samples.columns[each.column].astype(np.str_) for name, each in source.divisions.items()}
    span = (float(target[finite].min()), float(target[finite].max())) if finite.any() else None
    limits = (low, high) if np.isfinite([low, high]).all() else span or (0.0, 1.0)
    counts, _ = np.histogram(np.clip(target[finite], *limits), bins=_BINS, range=limits)
    return Inspection(
        samples=len(ids),
        groups=len(set(samples.group.tolist())),
        features=features,
        splits={name: dict(Counter(each.tolist())) for name, each in words.items()},
        labels=counts.tolist(),
        label_span=None if span is None else list(span),
        outlying_labels=[[str(name), float(label)] for name, label in outliers],
        duplicate_ids=[str(each) for each in repeated(ids)],
        empty_transcripts=None if spoken is None else sum(not str(text).strip() for text in spoken.tolist()),
        normalised=samples.normalised,
        first_ids=[str(each) for each in ids[:5]],
        classes={name: int(rows.sum()) for name, rows in source.task.presence(target[finite]).items()},
        none_of_classes=int((target[finite] == 0).all(axis=1).sum()) if target.ndim == 2 and source.task.classes else 0,
        unlabelled=int(missing.sum()),
        unlabelled_parts={name: dict(Counter(each[missing].tolist())) for name, each in words.items()},
    )


def repeated(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values that are there more than once, in order."""
    names, times = np.unique(values, return_counts=True)
    return names[times > 1]
