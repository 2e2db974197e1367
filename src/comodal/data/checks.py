"""Judge data by the table of rules: list everything that is found, or refuse the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.dataset import Dataset
from comodal.data.formats.interface import Block, Source
from comodal.data.inspection import Inspection, Inspector, Samples, read_blocks
from comodal.data.rules import ERROR, RULES, Facts, Finding, Rule, findings

__all__ = ["check", "check_ids", "examine", "refuse", "require_variation", "validate"]


def validate(
    source: Source,
    *,
    folds: Mapping[str, Iterable[str]] | None = None,
    changed_files: tuple[str, ...] = (),
    seen: Callable[[int], None] | None = None,
) -> tuple[Inspection, list[Finding]]:
    """Return the counts of a source and everything that the rules find, from one pass.

    Args:
        source: what a reader opened.
        folds: split to the groups that the field puts there, to compare with.
        changed_files: files of a converted data set that differ from what was written.
        seen: called with the number of samples of each block, for a progress bar.

    Returns:
        Counts, and findings, errors first; nothing is wrong where no finding is an error.

    Example:
        >>> import numpy as np
        >>> from comodal.data.formats.interface import Division
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
        ['duplicate ids', 'empty split', 'id in two splits', 'video in two splits']
    """
    inspector = examine(source, seen=seen)
    listed = {group: split for split, groups in (folds or {}).items() for group in groups}
    facts = Facts(inspector.finish(), inspector.samples(), listed, changed_files, source.label_range)
    found = chain.from_iterable(findings(rule, facts) for rule in RULES)
    return facts.found, sorted(found, key=lambda finding: finding.severity != ERROR)


def examine(source: Source, *, seen: Callable[[int], None] | None = None) -> Inspector:
    """Return the inspector that has counted every block of a source.

    Args:
        source: what a reader opened.
        seen: called with the number of samples of each block, for a progress bar.
    """
    inspector = Inspector(source)
    for _ in read_blocks(source, inspector, seen=seen):
        pass
    return inspector


def refuse(dataset: Dataset, found: Inspection, *, where: str, cleaned: bool = False) -> None:
    """Raise the first error that the rules find.

    Args:
        dataset: ids and partitions.
        found: counts of its source, for the features that it uses.
        where: file or argument to name in the error.
        cleaned: whether the repairs were made.

    Raises:
        InputError: what was found, an example and the remedy.
    """
    parts = {  # fitting a model needs no test part
        each.name: {split: rows for split, rows in each.splits.items() if len(rows) or split != "test"}
        for each in dataset.partitions
    }
    samples = Samples(dataset.id, dataset.group, dataset.transcript, parts, folds=len(parts) > 1)
    for rule in RULES:
        if rule.severity == ERROR and not (cleaned and rule.repaired):
            _refuse(rule, Facts(found, samples, label_range=dataset.spec.label_range), where)


def _refuse(rule: Rule, facts: Facts, where: str) -> None:
    for finding in findings(rule, facts):
        first = f", first {finding.examples[0]}" if finding.examples else ""
        text = f"{where}: {rule.check}: {finding.message}: {finding.count}{first}; {rule.remedy}"
        raise InputError(text, code=rule.code)


def check_ids(dataset: Dataset, *, source: str) -> None:
    """Require at least one sample, and an id of its own for each: all that data to predict must obey.

    Raises:
        InputError: what was found, with the remedy.
    """
    samples = Samples(dataset.id, dataset.group, None, {})
    for rule in RULES:
        if rule.check in {"empty", "duplicate ids"}:
            _refuse(rule, Facts(_NOTHING, samples), source)


def require_variation(dataset: Dataset, *, where: str) -> None:
    """Require that every modality varies over the samples of a data set, which may be few of its source.

    Raises:
        InputError: one is the same in every frame, or absent everywhere.
    """
    for name, array in dataset.modalities.items():
        parts = array.parts()
        first = next(parts, None)
        if first is None or not any((part != first[:1]).any() for part in chain([first], parts)):
            rule = next(rule for rule in RULES if rule.check == "constant modality")
            raise InputError(f"{where}: {rule.check}: {name}: the same in every frame; {rule.remedy}", code=rule.code)


def check(dataset: Dataset, *, source: str, cleaned: bool = False) -> Dataset:
    """Return a data set in memory after it has passed every rule.

    Args:
        dataset: what was made.
        source: file or argument to name in errors.
        cleaned: whether the repairs were made.

    Raises:
        InputError: the first error, with the remedy.

    Example:
        >>> from comodal.data.synthetic import SyntheticConfig, synthetic
        >>> len(check(synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16)), source="synthetic"))
        72
    """
    block = Block(dataset.id, dataset.group, dataset.target, dataset.modalities, transcript=dataset.transcript)
    spec = dataset.spec
    memory = Source(Path(source), "memory", spec.dims, {}, lambda _: iter([block]), label_range=spec.label_range)
    refuse(dataset, examine(memory).finish(), where=source, cleaned=cleaned)
    return dataset


_NOTHING = Inspection(0, 0, {}, {}, [], None, [], [], [], None, {}, [])
