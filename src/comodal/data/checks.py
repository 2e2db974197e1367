"""Judge data by the table of rules: list everything that is found, or refuse the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError
from comodal.data.dataset import SPLITS, Dataset, Partition
from comodal.data.formats.interface import Block, Source
from comodal.data.inspection import Inspection, examine
from comodal.data.ragged import RaggedArray
from comodal.data.rules import ERROR, RULES, Facts, Finding, Rule, findings

__all__ = ["check", "check_ids", "refuse", "validate"]


def validate(
    source: Source,
    *,
    folds: Mapping[str, Iterable[str]] | None = None,
    changed_files: tuple[str, ...] = (),
    seen: Callable[[int], None] | None = None,
) -> tuple[Inspection, list[Finding]]:
    """Return the counts of a source and everything that the rules find, errors first, from one pass.

    Args:
        source: what a reader opened; nothing is wrong with it where no finding is an error.
        folds: split to the groups that the field puts there, to compare with.
        changed_files: files of a converted data set that differ from what was written.
        seen: called with the number of samples of each block, for a progress bar.
    """
    found, samples = examine(source, seen=seen)
    parts: dict[str, dict[str, NDArray[np.int64]]] = {}
    for name, division in source.divisions.items():  # a sample with another word or number is in no part
        words = samples.columns[division.column].astype(np.str_)
        names = SPLITS if division.folds is None else map(str, range(division.folds))
        parts[name] = {part: np.flatnonzero(words == part) for part in names}
    listed = {group: split for split, groups in (folds or {}).items() for group in groups}
    facts = Facts(
        found, samples, parts, listed=listed, changed_files=changed_files, label_range=source.task.label_range
    )
    every = chain.from_iterable(findings(rule, facts) for rule in RULES)
    return found, sorted(every, key=lambda finding: finding.severity != ERROR)


def refuse(dataset: Dataset, found: Inspection, *, where: str, rules: Iterable[Rule] = RULES) -> None:
    """Raise the first error that the rules find, with an example and the remedy.

    Args:
        dataset: ids, partitions and features; perhaps a part of what was counted.
        found: counts of its source, for the features that it uses.
        where: file or argument to name in the error.
        rules: those that it must obey.
    """
    needed = [rows for each in dataset.partitions for rows in (each.train, each.valid, each.test)]
    free = ~np.isin(np.arange(len(dataset)), np.concatenate(needed)) if needed else np.zeros(len(dataset), dtype=bool)
    facts = Facts(
        found,
        _block(dataset, {}),
        {each.name: _parts(each) for each in dataset.partitions},
        folds=len(dataset.partitions) > 1,
        unlabelled=frozenset(map(str, dataset.id[free])),
        label_range=dataset.spec.task.label_range,
    )
    for rule in rules:
        for finding in findings(rule, facts) if rule.severity == ERROR else ():
            first = f", first {finding.examples[0]}" if finding.examples else ""
            text = f"{where}: {rule.check}: {finding.message}: {finding.count}{first}; {rule.remedy}"
            raise InputError(text, code=rule.code)
    _require_classes(dataset, where)
    if 1 < len(dataset) < found.utterances:  # what varies in the source may not vary in the rows used
        _require_variation(dataset, where)


def _parts(partition: Partition) -> dict[str, NDArray[np.int64]]:
    """Return split to rows; unlabelled samples are training ones, and fitting a model needs no test part."""
    train = np.concatenate([partition.train, partition.unlabelled]) if len(partition.train) else partition.train
    parts = {"train": train, "valid": partition.valid, "test": partition.test}
    return {split: rows for split, rows in parts.items() if len(rows) or split != "test"}


def _require_classes(dataset: Dataset, where: str) -> None:
    """Refuse a class that no training sample has: a model could never predict it."""
    for each in dataset.partitions:
        for name, rows in dataset.spec.task.rows_by_class(dataset.target).items():
            others = np.intersect1d(rows, np.concatenate([each.valid, each.test]))
            if name and len(others) and not np.isin(rows, each.train).any():
                raise InputError(
                    f"{where}, {each.name}: class {name!r} has {len(others)} samples, first {dataset.id[others[0]]}, "
                    "and none of them is labelled and in train; move some there, or leave the class out",
                    code="missing",
                )


def _require_variation(dataset: Dataset, where: str) -> None:
    for name, array in dataset.modalities.items():
        parts = array.parts()
        first = next(parts, None)
        if first is None or not any((part != first[:1]).any() for part in chain([first], parts)):
            rule = next(rule for rule in RULES if rule.check == "constant modality")
            raise InputError(f"{where}: {rule.check}: {name}: the same in every frame; {rule.remedy}", code=rule.code)


def check(dataset: Dataset, *, source: str) -> Dataset:
    """Return a data set in memory after it has passed every rule; errors name its source."""
    refuse(dataset, _counts(dataset, dataset.modalities, source), where=source)
    return dataset


def check_ids(dataset: Dataset, *, source: str) -> None:
    """Require at least one sample, and an id of its own for each: all that data to predict must obey."""
    rules = [rule for rule in RULES if rule.check in {"empty", "duplicate ids"}]
    refuse(dataset, _counts(dataset, {}, source), where=source, rules=rules)


def _counts(dataset: Dataset, modalities: Mapping[str, RaggedArray], where: str) -> Inspection:
    block, dims = _block(dataset, modalities), {name: array.dim for name, array in modalities.items()}
    memory = Source(Path(where), "memory", dims, {}, lambda _: iter([block]), task=dataset.spec.task)
    return examine(memory)[0]


def _block(dataset: Dataset, modalities: Mapping[str, RaggedArray]) -> Block:
    return Block(dataset.id, dataset.group, dataset.target, modalities, transcript=dataset.transcript)
