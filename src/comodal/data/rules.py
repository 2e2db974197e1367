"""The table of rules that data must obey: what each one finds, its message, and its remedy.

`validate` lists everything they find, the loaders refuse the first error that cleaning has not repaired.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts.errors import Code
from comodal.data.inspection import repeated
from comodal.data.judged import NO_ROW, SHOWN, Facts, Found
from comodal.data.label_rules import (
    missing_labels,
    one_label,
    outlying_labels,
    rare_classes,
    unlabelled_samples,
    unseen_classes,
)
from comodal.data.targets import is_missing

__all__ = ["ERROR", "RULES", "WARNING", "Finding", "Rule", "findings"]

ERROR = "error"
WARNING = "warning"
_COMMON_WORDS = 4
"""Words up to which two people may well say the same."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be, with how many samples, columns or groups it concerns and the first few."""

    severity: str
    check: str
    message: str
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    check: str  # its name
    severity: str  # `error` (nothing can be trained, or numbers would be wrong) or `warning` (worth knowing)
    find: Callable[[Facts], Found]  # yields message, count and examples of each violation
    code: Code = "invalid"  # of the error, when data are refused
    remedy: str = "repair the source"  # what to do, in the error
    repaired: bool = False  # whether cleaning repairs what it finds


def _changed_files(facts: Facts) -> Found:
    if facts.changed_files:
        yield "files differ from what was written", len(facts.changed_files), facts.changed_files


def _no_sample(facts: Facts) -> Found:
    if not len(facts.samples.id):
        yield "holds no sample", 1, ()


def _duplicate_ids(facts: Facts) -> Found:
    if len(ids := repeated(facts.samples.id)):
        yield "ids are used more than once", len(ids), ids


def _non_finite(facts: Facts) -> Found:
    for name, each in facts.found.features.items():
        if each.non_finite:
            message = (
                f"{name}: NaN or infinite values in {each.non_finite_samples} samples, "
                f"first {each.first_non_finite!r}; converting replaces them by train medians"
            )
            columns = [f"feature {column}: {count}" for column, count in each.non_finite.items()]
            yield message, sum(each.non_finite.values()), columns


def _constant_modality(facts: Facts) -> Found:
    for name, each in facts.found.features.items():
        same = {str(column) for column in each.constant_columns}
        same |= {column for column, count in each.non_finite.items() if count == each.frames}
        if not each.frames or (facts.found.samples > 1 and len(same) == each.dim):
            yield f"{name}: the same in every frame", each.dim, ()


def _constant_columns(facts: Facts) -> Found:
    for name, each in facts.found.features.items():
        if 0 < len(each.constant_columns) < each.dim:
            yield f"{name}: features that never change", len(each.constant_columns), each.constant_columns


def _absent(facts: Facts) -> Found:
    for name, each in facts.found.features.items():
        if each.frames and each.absent:
            yield f"{name}: samples without it", each.absent, ()


def _empty_transcripts(facts: Facts) -> Found:
    if facts.found.empty_transcripts:
        yield "samples without words", facts.found.empty_transcripts, ()


def _no_partition(facts: Facts) -> Found:
    if not facts.parts:
        yield "neither splits nor folds", 1, ()


def _empty_split(facts: Facts) -> Found:
    for name, parts in facts.parts.items():
        if empty := [part for part, rows in parts.items() if not len(rows)]:
            yield f"{name}: parts without a labelled sample", len(empty), empty


def _foreign_rows(facts: Facts) -> Found:
    for name, parts in facts.parts.items():
        rows = np.concatenate(list(parts.values()))
        outside = rows[(rows < 0) | (rows >= len(facts.samples.id))]
        if len(outside):
            yield f"{name}: row numbers outside 0 to {len(facts.samples.id) - 1}", len(outside), outside


def _repeated_rows(facts: Facts) -> Found:
    for name, parts in facts.parts.items():
        for part, rows in parts.items():
            if len(twice := repeated(rows)):
                yield f"{name}: samples twice in {part}", len(twice), facts.samples.id[twice]


def _shared(facts: Facts, what: str, column: NDArray[Any]) -> Found:
    """Find values of a column that occur in several parts of a partition."""
    for name, parts in facts.parts.items():
        homes: dict[str, set[str]] = defaultdict(set)
        for part, rows in parts.items():
            for each in column[rows].tolist():
                homes[str(each)].add(part)
        several = [each for each, found in homes.items() if len(found) > 1]
        if several:
            first = " and ".join(sorted(homes[several[0]]))
            yield f"{name}: {what} in several parts (the first in {first})", len(several), several


def _shared_transcripts(facts: Facts) -> Found:
    if facts.samples.transcript is None:
        return iter(())
    words = np.array([" ".join(str(each).lower().split()) for each in facts.samples.transcript.tolist()], dtype=object)
    kept = np.array([len(each.split()) > _COMMON_WORDS for each in words.tolist()], dtype=bool)
    long = {n: {k: rows[kept[rows]] for k, rows in parts.items()} for n, parts in facts.parts.items()}
    return _shared(replace(facts, parts=long), f"transcripts of more than {_COMMON_WORDS} words", words)


def _tested_once(facts: Facts) -> Found:
    if facts.folds:
        tests = np.concatenate([parts.get("test", NO_ROW) for parts in facts.parts.values()])
        times = np.bincount(tests, minlength=len(facts.samples.id))
        if len(wrong := np.flatnonzero((times != 1) & ~is_missing(facts.samples.target))):
            shown = [f"{facts.samples.id[row]} ({times[row]} times)" for row in wrong[:SHOWN]]
            yield f"samples are not tested by exactly one of {len(facts.parts)} folds", len(wrong), shown


def _in_no_split(facts: Facts) -> Found:
    for name, parts in facts.parts.items():
        outside = len(facts.samples.id) - sum(map(len, parts.values()))
        if outside > 0 and not facts.folds:
            yield f"{name}: samples that are in no part", outside, ()


def _compared(facts: Facts) -> tuple[str, dict[str, str]]:
    """Return the partition that is nearest to the lists, as group to part: of several, one has to be theirs."""
    homes = {}
    for name, parts in facts.parts.items():
        if "train" in parts or set(facts.listed.values()) == set(parts):
            homes[name] = {str(g): part for part, rows in parts.items() for g in facts.samples.group[rows].tolist()}
    if not facts.listed or not homes:
        return "", {}
    return min(homes.items(), key=lambda each: any(facts.listed.get(g, p) != p for g, p in each[1].items()))


def _other_folds(facts: Facts) -> Found:
    name, home = _compared(facts)
    if elsewhere := [group for group, part in home.items() if facts.listed.get(group, part) != part]:
        yield f"{name}: groups (videos) that the lists put in another part", len(elsewhere), elsewhere


def _unlisted(facts: Facts) -> Found:
    name, home = _compared(facts)
    if unknown := [group for group in home if group not in facts.listed]:
        yield f"{name}: groups (videos) not in the lists", len(unknown), unknown


def _missing_groups(facts: Facts) -> Found:
    name, home = _compared(facts)
    if name and (missing := [group for group in facts.listed if group not in home]):
        yield f"{name}: groups (videos) of the lists without a sample here", len(missing), missing


_VIDEOS = "groups (videos) with samples"
_CLEAN = "repair the source, or load it with clean=True (--clean)"
_LABEL = "label them, leave them out, or call their split unlabelled, which trains and is not tested"
_RANGE = "correct them, or say what they are (task=, --task): regression, or regression:LOW,HIGH"
_ONE_SPLIT = "put each in one split; --folds FILE gives a partition by group"
_EVERY_SPLIT = "give train and valid at least one; --folds FILE gives a partition by group"
RULES: tuple[Rule, ...] = (
    Rule("damaged files", ERROR, _changed_files, "damaged", "convert the data set again"),
    Rule("empty", ERROR, _no_sample, "empty", _EVERY_SPLIT),
    Rule("duplicate ids", ERROR, _duplicate_ids, "duplicate", "give every sample an id of its own"),
    Rule("labels out of range", ERROR, outlying_labels, "out_of_range", _RANGE),
    Rule("unlabelled", WARNING, unlabelled_samples),
    Rule("non-finite features", ERROR, _non_finite, "not_finite", _CLEAN, repaired=True),
    Rule("constant modality", ERROR, _constant_modality, "invalid", "leave it out (features=..., --features)"),
    Rule("constant columns", WARNING, _constant_columns),
    Rule("absent modality", WARNING, _absent),
    Rule("empty transcripts", WARNING, _empty_transcripts),
    Rule("no partition", ERROR, _no_partition, "missing", "give split names, a protocol or --folds FILE"),
    Rule("empty split", ERROR, _empty_split, "empty", _EVERY_SPLIT),
    Rule("row outside", ERROR, _foreign_rows, "out_of_range", "number rows from 0"),
    Rule("missing labels", ERROR, missing_labels, "missing", _LABEL),
    Rule("one label", ERROR, one_label, "invalid", "there is nothing to learn; give samples with other labels"),
    Rule("class only outside train", ERROR, unseen_classes, "missing", "move some into train, or leave the class out"),
    Rule("class rarer than folds", ERROR, rare_classes, "missing", "join it with another, or give fewer folds"),
    Rule("row twice", ERROR, _repeated_rows, "duplicate", "list every row once"),
    Rule("id in two splits", ERROR, lambda it: _shared(it, "ids", it.samples.id), "conflict", _ONE_SPLIT),
    Rule("video in two splits", ERROR, lambda it: _shared(it, _VIDEOS, it.samples.group), "conflict", _ONE_SPLIT),
    Rule("transcript in two splits", WARNING, _shared_transcripts),
    Rule("tested once", ERROR, _tested_once, "conflict", "put each in the test part of exactly one fold"),
    Rule("in no split", WARNING, _in_no_split),
    Rule("other folds", ERROR, _other_folds, "mismatch", "give the lists of this data set"),
    Rule("video in no fold", WARNING, _unlisted),
    Rule("missing videos", WARNING, _missing_groups),
)


def findings(rule: Rule, facts: Facts) -> Iterator[Finding]:
    """Yield what a rule finds, with the first few examples."""
    for message, count, examples in rule.find(facts):
        shown = tuple(str(each) for each, _ in zip(examples, range(SHOWN), strict=False))
        yield Finding(rule.severity, rule.check, message, count, shown)
