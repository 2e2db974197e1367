"""Judge data by the table of rules: list everything that is found, or refuse the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from comodal.contracts import InputError
from comodal.data.assemble import partitions_of
from comodal.data.dataset import UNLABELLED, Dataset, Partition
from comodal.data.formats.interface import Block, Source
from comodal.data.inspection import Inspection, examine
from comodal.data.judged import Facts, Rows
from comodal.data.ragged import RaggedArray
from comodal.data.rules import ERROR, RULES, Finding, Rule, findings
from comodal.data.splits import hide
from comodal.data.targets import is_missing

__all__ = ["check", "check_ids", "refuse", "require_labels", "validate"]


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
    listed = {group: _trained(split) for split, groups in (folds or {}).items() for group in groups}
    facts = replace(_facts(source, found, samples), listed=listed, changed_files=changed_files)
    every = chain.from_iterable(findings(rule, facts) for rule in RULES)
    return found, sorted(every, key=lambda finding: finding.severity != ERROR)


def require_labels(source: Source, found: Inspection, samples: Block) -> None:
    """Refuse a source with labels outside their range, or with none where each of its protocols needs one."""
    divisions = [{name: each} for name, each in source.divisions.items()] or [{}]
    facts = [_facts(replace(source, divisions=each), found, samples) for each in divisions]
    for rule in (each for each in RULES if each.check in {"missing labels", "labels out of range"}):
        first = [next(findings(rule, each), None) for each in facts]
        if first[0] is not None and None not in first:
            raise _error(rule, first[0], str(source.path))


def _facts(source: Source, found: Inspection, samples: Block) -> Facts:
    parts: dict[str, Mapping[str, Rows]] = {}
    unlabelled: dict[str, Rows] = {}
    missing = is_missing(samples.target)
    for name, division in source.divisions.items():  # a sample with another word or number is in no part
        words = samples.columns[division.column].astype(np.str_)
        if division.folds is None:
            partition = hide(partitions_of(words, division, name=name)[0], missing)
            parts[name], unlabelled[name] = _parts(partition), partition.unlabelled
        else:
            rows = {fold: np.flatnonzero(words == fold) for fold in map(str, range(division.folds))}
            parts[name], unlabelled[name] = rows, np.flatnonzero(missing & np.isin(words, list(rows)))
    return Facts(found, samples, parts, unlabelled=unlabelled, task=source.task)


def refuse(dataset: Dataset, found: Inspection, *, where: str, rules: Iterable[Rule] = RULES) -> None:
    """Raise the first error that the rules find, with an example and the remedy.

    Args:
        dataset: ids, partitions and features; perhaps a part of what was counted.
        found: counts of its source, for the features that it uses.
        where: file or argument to name in the error.
        rules: those that it must obey.
    """
    facts = Facts(
        found,
        _block(dataset, {}),
        {each.name: _but_empty_test(_parts(each)) for each in dataset.partitions},
        folds=len(dataset.partitions) > 1,
        unlabelled={each.name: each.unlabelled for each in dataset.partitions},
        task=dataset.spec.task,
    )
    for rule in rules:
        for finding in findings(rule, facts) if rule.severity == ERROR else ():
            raise _error(rule, finding, where)
    if 1 < len(dataset) < found.samples:  # what varies in the source may not vary in the rows used
        _require_variation(dataset, where)


def _error(rule: Rule, finding: Finding, where: str) -> InputError:
    first = f", first {finding.examples[0]}" if finding.examples else ""
    text = f"{where}: {rule.check}: {finding.message}: {finding.count}{first}; {rule.remedy}"
    return InputError(text, code=rule.code)


def _trained(part: str) -> str:
    return "train" if part == UNLABELLED else part


def _parts(partition: Partition) -> dict[str, Rows]:
    """Return split to rows; unlabelled samples are training ones, where any has a label."""
    train = np.concatenate([partition.train, partition.unlabelled]) if len(partition.train) else partition.train
    return {"train": train, "valid": partition.valid, "test": partition.test}


def _but_empty_test(parts: Mapping[str, Rows]) -> dict[str, Rows]:
    """Return the parts; fitting a model needs no test part."""
    return {split: rows for split, rows in parts.items() if len(rows) or split != "test"}


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
