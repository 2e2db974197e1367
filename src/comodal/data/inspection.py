"""What is in a source: counted block by block, so that no source is too large to be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.formats.interface import Block, Source
from comodal.data.ragged import RaggedArray

__all__ = ["FeatureFacts", "Inspection", "Inspector", "inspect"]

_BINS = 7


@dataclass(frozen=True)
class FeatureFacts:
    """What one set of features is like.

    Attributes:
        dim: features of a frame.
        frames: of all utterances.
        lengths: fewest, median and most frames of the utterances that have any.
        absent: utterances without a frame.
        zero_frames: frames that are all zero, inside sequences.
        constant_columns: features that never change, by number.
        non_finite: feature number to values that are NaN or infinite.
        non_finite_utterances: utterances with such a value.
        first_non_finite: id of the first of them, empty for none.
    """

    dim: int
    frames: int
    lengths: tuple[int, int, int]
    absent: int
    zero_frames: int
    constant_columns: tuple[int, ...]
    non_finite: dict[int, int]
    non_finite_utterances: int
    first_non_finite: str


@dataclass(frozen=True)
class Inspection:
    """What a source holds.

    Attributes:
        utterances: how many.
        groups: different videos (or speakers).
        features: name to facts.
        splits: protocol to split (or fold) to utterances.
        labels: utterances by label, in equal bins of the legal range; the outer ones hold what lies beyond.
        label_span: smallest and largest label, ``None`` without any.
        missing_labels: ids of utterances whose label is missing.
        outlying_labels: id and label of utterances whose label is outside the legal range.
        duplicate_ids: ids that are used more than once.
        empty_transcripts: utterances without words, ``None`` where the source has no transcripts.
        normalised: what was brought into our form, to the number of utterances.
        first_ids: the first few.
    """

    utterances: int
    groups: int
    features: dict[str, FeatureFacts]
    splits: dict[str, dict[str, int]]
    labels: tuple[int, ...]
    label_span: tuple[float, float] | None
    missing_labels: tuple[str, ...]
    outlying_labels: tuple[tuple[str, float], ...]
    duplicate_ids: tuple[str, ...]
    empty_transcripts: int | None
    normalised: dict[str, int]
    first_ids: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        plain = asdict(self)
        for facts in plain["features"].values():
            facts["non_finite"] = {str(column): count for column, count in facts["non_finite"].items()}
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Inspection:
        """Read what :meth:`as_dict` gave, also after a way through JSON."""
        features = {
            name: FeatureFacts(
                **{
                    **facts,
                    "lengths": tuple(facts["lengths"]),
                    "constant_columns": tuple(facts["constant_columns"]),
                    "non_finite": {int(column): count for column, count in facts["non_finite"].items()},
                }
            )
            for name, facts in plain["features"].items()
        }
        lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list | tuple)}
        outlying = tuple((str(name), float(value)) for name, value in plain["outlying_labels"])
        return cls(**{**plain, **lists, "features": features, "outlying_labels": outlying})


@dataclass
class _FeatureCounts:
    """Sums over the blocks seen so far."""

    dim: int
    frames: int = 0
    absent: int = 0
    zero_frames: int = 0
    lengths: list[NDArray[np.int64]] = field(default_factory=list)
    bad_utterances: int = 0
    first_bad: str = ""

    def __post_init__(self) -> None:
        self.non_finite = np.zeros(self.dim, dtype=np.int64)
        self.low = np.full(self.dim, np.inf, dtype=np.float32)
        self.high = np.full(self.dim, -np.inf, dtype=np.float32)

    def add(self, array: RaggedArray, ids: NDArray[Any]) -> None:
        self.frames += len(array.values)
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
        self.bad_utterances += len(owners)
        if len(owners) and not self.first_bad:
            self.first_bad = str(ids[owners[0]])

    def facts(self) -> FeatureFacts:
        lengths = np.concatenate([np.zeros(0, dtype=np.int64), *self.lengths])
        lengths = lengths[lengths > 0]
        spread = (int(lengths.min()), int(np.median(lengths)), int(lengths.max())) if len(lengths) else (0, 0, 0)
        constant = np.flatnonzero((self.low == self.high) & (self.frames > 1))
        return FeatureFacts(
            dim=self.dim,
            frames=self.frames,
            lengths=spread,
            absent=self.absent,
            zero_frames=self.zero_frames,
            constant_columns=tuple(int(column) for column in constant),
            non_finite={int(column): int(self.non_finite[column]) for column in np.flatnonzero(self.non_finite)},
            non_finite_utterances=self.bad_utterances,
            first_non_finite=self.first_bad,
        )


class Inspector:
    """Counts over blocks as they come by.

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
        (2, ('a_2',), {0: 1})
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._features = {name: _FeatureCounts(dim) for name, dim in source.dims.items()}
        self._ids: list[NDArray[Any]] = []
        self._groups: set[str] = set()
        self._targets: list[NDArray[np.float32]] = []
        self._splits: dict[str, Counter[str]] = {name: Counter() for name in source.divisions}
        self._empty: int | None = None
        self._normalised: Counter[str] = Counter()

    def add(self, block: Block) -> None:
        """Count a block.

        Raises:
            InputError: it is not what its source said it would be.
        """
        self._require(block)
        for name, array in block.modalities.items():
            self._features[name].add(array, block.id)
        self._ids.append(block.id)
        self._groups.update(block.group.tolist())
        self._targets.append(block.target)
        for name, division in self._source.divisions.items():
            self._splits[name].update(str(part) for part in block.columns[division.column].tolist())
        if block.transcript is not None:
            empty = sum(not str(words).strip() for words in block.transcript.tolist())
            self._empty = (self._empty or 0) + empty
        self._normalised.update(block.normalised)

    def _require(self, block: Block) -> None:
        source, held = self._source, {name: array.dim for name, array in block.modalities.items()}
        if held != dict(source.dims):
            raise InputError(
                f"{source.path}: features {held} in one part where {dict(source.dims)} are expected; get the file again"
            )
        for name, division in source.divisions.items():
            if division.column not in block.columns:
                raise InputError(
                    f"{source.path}: no column {division.column!r}, which protocol {name!r} needs; get the file again"
                )

    def finish(self) -> Inspection:
        """All counts."""
        ids = np.concatenate([np.zeros(0, dtype=np.str_), *self._ids])
        target = np.concatenate([np.zeros(0, dtype=np.float32), *self._targets])
        low, high = self._source.label_range
        finite = np.isfinite(target)
        outside = finite & ((target < np.float32(low)) | (target > np.float32(high)))
        counts, _ = np.histogram(np.clip(target[finite], low, high), bins=_BINS, range=(low, high))
        names, times = np.unique(ids, return_counts=True)
        return Inspection(
            utterances=len(ids),
            groups=len(self._groups),
            features={name: counts.facts() for name, counts in self._features.items()},
            splits={name: dict(parts) for name, parts in self._splits.items()},
            labels=tuple(int(count) for count in counts),
            label_span=(float(target[finite].min()), float(target[finite].max())) if finite.any() else None,
            missing_labels=tuple(str(each) for each in ids[~finite]),
            outlying_labels=tuple(zip(ids[outside].tolist(), target[outside].tolist(), strict=True)),
            duplicate_ids=tuple(str(each) for each in names[times > 1]),
            empty_transcripts=self._empty,
            normalised=dict(self._normalised),
            first_ids=tuple(str(each) for each in ids[:5]),
        )


def inspect(source: Source, *, seen: Callable[[int], None] | None = None) -> Inspection:
    """Read a source once and count.

    Args:
        source: what a reader opened.
        seen: called with the number of utterances of each block, for a progress bar.
    """
    inspector = Inspector(source)
    for block in watched(source.blocks(list(source.dims)), seen):
        inspector.add(block)
    return inspector.finish()


def watched(blocks: Iterable[Block], seen: Callable[[int], None] | None) -> Iterable[Block]:
    """The same blocks; each is told of when it is done with."""
    for block in blocks:
        yield block
        if seen is not None:
            seen(len(block))
