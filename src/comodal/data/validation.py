"""Is a source fit to train on? Every check, all findings at once, not the first alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.data.digests import digest
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.inspection import Inspection, Inspector, watched
from comodal.data.store import FORMAT, read_manifest

__all__ = ["ERROR", "WARNING", "Finding", "validate"]

ERROR = "error"
WARNING = "warning"
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        severity: ``error`` (nothing can be trained, or numbers would be wrong) or ``warning`` (worth knowing).
        check: name of the check.
        message: what was found.
        count: how many utterances, columns or videos it concerns.
        examples: the first few.
    """

    severity: str
    check: str
    message: str
    count: int
    examples: tuple[str, ...] = ()


def validate(
    source: Source,
    *,
    folds: Mapping[str, Iterable[str]] | None = None,
    seen: Callable[[int], None] | None = None,
) -> tuple[Inspection, list[Finding]]:
    """Run every check over a source, in one pass.

    Args:
        source: what a reader opened.
        folds: split to the videos that the field puts there, to compare with.
        seen: called with the number of utterances of each block, for a progress bar.

    Returns:
        What is in it, and what was found; nothing is wrong where no finding is an error.

    Example:
        >>> from pathlib import Path
        >>> from comodal.data.ragged import RaggedArray
        >>> block = Block(
        ...     id=np.array(["a_1", "a_1"]),
        ...     group=np.array(["a", "a"]),
        ...     target=np.array([0.5, 1.0], dtype=np.float32),
        ...     modalities={"audio": RaggedArray.from_vectors(np.eye(2))},
        ...     columns={"split": np.array(["train", "test"])},
        ... )
        >>> source = Source(Path("toy"), "toy", {"audio": 2}, {"file": Division()}, lambda names: iter([block]))
        >>> [finding.check for finding in validate(source)[1]]
        ['duplicate ids', 'empty split', 'video in two splits', 'id in two splits']
    """
    inspector, facts = Inspector(source), _Columns(source)
    for block in watched(source.blocks(list(source.dims)), seen):
        inspector.add(block)
        facts.add(block)
    found = inspector.finish()
    findings = [*_damage(source), *_labels(found), *_features(found), *_transcripts(found)]
    if not source.divisions:
        findings.append(Finding(ERROR, "no partition", "says neither splits nor folds: give --folds FILE", 1))
    for name, division in source.divisions.items():
        findings += _division(name, division, facts)
    if folds is not None:
        findings += _compared(source, folds, facts)
    return found, sorted(findings, key=lambda finding: finding.severity != ERROR)


class _Columns:
    """What the checks of partitions need to hold: a few short texts an utterance."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: list[Block] = []

    def add(self, block: Block) -> None:
        # Without the features, which may be larger than memory.
        self._blocks.append(Block(block.id, block.group, block.target, {}, block.columns, block.transcript))

    @property
    def id(self) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype=np.str_), *(block.id for block in self._blocks)])

    @property
    def group(self) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, dtype=np.str_), *(block.group for block in self._blocks)])

    @property
    def transcript(self) -> NDArray[Any] | None:
        if any(block.transcript is None for block in self._blocks):
            return None
        return np.concatenate([np.zeros(0, dtype=object), *(block.transcript for block in self._blocks)])

    def splits(self, division: Division) -> NDArray[Any]:
        """Split (or fold) of every utterance as text; empty for one that is in none."""
        column = np.concatenate([np.zeros(0, dtype=np.str_), *(b.columns[division.column] for b in self._blocks)])
        if division.folds is None:
            return np.where(np.isin(column, ("train", "valid", "test")), column, "")
        legal = [str(fold) for fold in range(division.folds)]
        return np.where(np.isin(column.astype(np.str_), legal), column.astype(np.str_), "")


def _some(names: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(name) for name, _ in zip(names, range(_SHOWN), strict=False))


def _damage(source: Source) -> list[Finding]:
    """Files of a converted data set that are not what was written."""
    if source.format != FORMAT.name:
        return []
    wanted = read_manifest(source.path).files
    folder = source.files[0].parent
    bad = [name for name, sha256 in wanted.items() if not (folder / name).is_file() or digest(folder / name) != sha256]
    message = "files differ from what was written: convert the data set again"
    return [Finding(ERROR, "damaged files", message, len(bad), _some(bad))] if bad else []


def _labels(found: Inspection) -> list[Finding]:
    findings = []
    if not found.utterances:
        findings.append(Finding(ERROR, "empty", "holds no utterance", 1))
    if found.duplicate_ids:
        message = "ids are used more than once"
        findings.append(Finding(ERROR, "duplicate ids", message, len(found.duplicate_ids), _some(found.duplicate_ids)))
    if found.missing_labels:
        message = "labels are missing: converting drops these utterances"
        ids = found.missing_labels
        findings.append(Finding(ERROR, "missing labels", message, len(ids), _some(ids)))
    if found.outlying_labels:
        message = "labels lie outside the legal range: converting moves them to its edge"
        shown = [f"{name} ({value:g})" for name, value in found.outlying_labels[:_SHOWN]]
        findings.append(Finding(ERROR, "labels out of range", message, len(found.outlying_labels), tuple(shown)))
    return findings


def _features(found: Inspection) -> list[Finding]:
    findings = []
    for name, facts in found.features.items():
        if facts.non_finite:
            message = f"{name}: NaN or infinite values; converting replaces them by train medians"
            columns = [f"feature {column}: {count}" for column, count in facts.non_finite.items()]
            findings.append(
                Finding(ERROR, "non-finite features", message, sum(facts.non_finite.values()), _some(columns))
            )
        if not facts.frames or (found.utterances > 1 and len(facts.constant_columns) == facts.dim):
            findings.append(Finding(ERROR, "constant modality", f"{name}: the same in every frame", facts.dim))
        elif facts.constant_columns:
            message = f"{name}: features that never change"
            count = len(facts.constant_columns)
            findings.append(Finding(WARNING, "constant columns", message, count, _some(facts.constant_columns)))
        if facts.frames and facts.absent:
            findings.append(Finding(WARNING, "absent modality", f"{name}: utterances without it", facts.absent))
    return findings


def _transcripts(found: Inspection) -> list[Finding]:
    if not found.empty_transcripts:
        return []
    return [Finding(WARNING, "empty transcripts", "utterances without words", found.empty_transcripts)]


def _division(name: str, division: Division, facts: _Columns) -> list[Finding]:
    splits = facts.splits(division)
    wanted = ("train", "valid", "test") if division.folds is None else tuple(map(str, range(division.folds)))
    findings = []
    empty = [split for split in wanted if not (splits == split).any()]
    if empty:
        message = f"{name}: parts without an utterance; --folds FILE gives a partition by video"
        findings.append(Finding(ERROR, "empty split", message, len(empty), _some(empty)))
    findings += _in_two(
        ERROR, "video in two splits", f"{name}: videos with utterances in several parts", facts.group, splits
    )
    ids, times = np.unique(facts.id, return_counts=True)
    if (times > 1).any() and len(ids):
        findings += _in_two(ERROR, "id in two splits", f"{name}: ids in several parts", facts.id, splits)
    transcript = facts.transcript
    if transcript is not None:
        words = np.array([" ".join(str(each).lower().split()) for each in transcript.tolist()], dtype=object)
        long = np.array([len(each.split()) > _COMMON for each in words.tolist()], dtype=bool)
        message = f"{name}: transcripts of more than {_COMMON} words in several parts"
        findings += _in_two(WARNING, "transcript in two splits", message, words[long], splits[long])
    outside = int((splits == "").sum())
    if outside:
        findings.append(Finding(WARNING, "in no split", f"{name}: utterances that are in no part", outside))
    return findings


_COMMON = 4
"""Words up to which two people may well say the same."""


def _in_two(severity: str, check: str, message: str, names: NDArray[Any], splits: NDArray[Any]) -> list[Finding]:
    homes: dict[str, set[str]] = defaultdict(set)
    for name, split in zip(names.tolist(), splits.tolist(), strict=True):
        if split:
            homes[str(name)].add(split)
    several = [name for name, parts in homes.items() if len(parts) > 1]
    return [Finding(severity, check, message, len(several), _some(several))] if several else []


def _compared(source: Source, folds: Mapping[str, Iterable[str]], facts: _Columns) -> list[Finding]:
    """Of several protocols one has to be that of the lists."""
    listed = {name: tuple(videos) for name, videos in folds.items()}
    found = [
        _against(name, listed, facts.splits(division), facts.group)
        for name, division in source.divisions.items()
        if division.folds is None or set(listed) == set(map(str, range(division.folds)))
    ]
    return min(found, key=lambda each: sum(finding.severity == ERROR for finding in each), default=[])


def _against(name: str, folds: Mapping[str, Iterable[str]], splits: NDArray[Any], group: NDArray[Any]) -> list[Finding]:
    """Videos that the lists of the field put elsewhere, or do not know."""
    listed = {video: split for split, videos in folds.items() for video in videos}
    found = {str(video): str(split) for video, split in zip(group.tolist(), splits.tolist(), strict=True) if split}
    findings = []
    elsewhere = [video for video, split in found.items() if listed.get(video, split) != split]
    if elsewhere:
        message = f"{name}: videos that the lists put in another part"
        findings.append(Finding(ERROR, "other folds", message, len(elsewhere), _some(elsewhere)))
    unknown = [video for video in found if video not in listed]
    if unknown:
        findings.append(
            Finding(WARNING, "video in no fold", f"{name}: videos not in the lists", len(unknown), _some(unknown))
        )
    missing = [video for video in listed if video not in found]
    if missing:
        message = f"{name}: videos of the lists without an utterance here"
        findings.append(Finding(WARNING, "missing videos", message, len(missing), _some(missing)))
    return findings
