"""The label and the task of a source, where they are chosen rather than those that its reader found.

Axis legend: N samples, K outputs or labels of a sample.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodal.contracts import InputError, Multilabel, NoTask, Regression, Task
from comodal.data.assemble import concatenate
from comodal.data.folds import stratified
from comodal.data.formats.interface import Block, Label, Source
from comodal.data.targets import listed, target_of, task_named

__all__ = ["with_label", "without_labels"]


def with_label(source: Source, *, label: str | None = None, task: Task | str | None = None) -> Source:
    """Return the same samples with another label as target, or with its values taken as another task.

    Args:
        source: what a reader opened.
        label: name of one of its labels or columns, or several columns separated by commas; its own when ``None``.
        task: what is predicted, as :func:`comodal.data.targets.task_named` takes it; follows from the label when
            ``None``, as in :func:`comodal.data.targets.target_of`. Random folds are stratified by its classes.

    Raises:
        InputError: no such label, a task that its values do not have, or whole numbers without a task.

    Example:
        >>> from comodal.data.embedded_sets import embedded, source_in_memory
        >>> source = with_label(source_in_memory(embedded("synthetic")), label="disagree", task="multiclass")
        >>> source.task
        Multiclass(names=('audio', 'text', 'vision'))
    """
    wanted = task_named(task) if isinstance(task, str) else task
    own = source.own_task
    if own is not None and label in {None, source.label} and wanted in {None, own, own.kind}:
        return stratified(source)
    whole = concatenate(list(source.blocks([])), where=str(source.path))
    name = source.label if label is None else label
    if not name and own is None:
        known = ", ".join(filter(None, source.labels)) or "the name of a column"
        raise InputError(
            f"{source.path}: says of no label that it is predicted; give --label, one of: {known}", code="missing"
        )
    chosen = _chosen(source, whole, name)
    declared = chosen.task if wanted is None or (chosen.task and wanted == chosen.task.kind) else wanted
    values = _values(whole, chosen, source)
    if declared is None and values.ndim == 2 and np.isin(values.astype(str), ("0", "1", "0.0", "1.0", "nan")).all():
        declared = Multilabel.kind
    where = f"{source.path}, label {name!r}" if name else str(source.path)
    kind = declared.kind if isinstance(declared, Task) else declared
    found, _ = target_of(chosen.taken(values, kind), declared, names=chosen.names, where=where)
    kept = _own_column(source)

    def blocks(features: Collection[str]) -> Iterator[Block]:
        for block in source.blocks(features):
            target = found.encode(chosen.taken(_values(block, chosen, source), kind), where=where)
            yield replace(block, target=target, columns={**block.columns, **dict.fromkeys(kept, block.target)})

    labels = {**source.labels, name: chosen}
    labels |= {each: replace(labels[each], columns=(each,)) for each in kept}
    labels[name] = replace(labels[name], task=found)
    return stratified(replace(source, task=found, label=name, labels=labels, blocks=blocks))


def without_labels(source: Source, task: NoTask | None = None) -> Source:
    """Return the same samples, their labels missing; for no task none is missing."""

    def blocks(features: Collection[str]) -> Iterator[Block]:
        for block in source.blocks(features):
            none = np.full(len(block), np.nan, dtype=np.float32)
            yield replace(block, target=none if task is None else task.encode(none, where=str(source.path)))

    return replace(source, label="", blocks=blocks, task=task or source.task)


def _own_column(source: Source) -> list[str]:
    """Return the name of the column that the reader's own label needs once its values are no longer the target."""
    own = source.labels.get(source.label)
    return [source.label] if source.label and own is not None and not own.columns else []


def _chosen(source: Source, whole: Block, name: str) -> Label:
    """Return a label by its name, or by names of columns."""
    if name in source.labels or not name:
        return source.labels.get(name, Label())
    known = dict.fromkeys([*source.labels, *whole.columns])
    columns = (name,) if name in known else tuple(filter(None, listed(name)))
    for each in columns:
        if each not in known or len(source.labels.get(each, Label()).columns) > 1:
            raise InputError.unknown("label", each, known, where=str(source.path))
    parts = [source.labels.get(each, Label((each,))) for each in columns]
    if len(columns) == 1:
        return parts[0]
    tasks = {each.task for each in parts}
    same = next(iter(tasks)) if len(tasks) == 1 else None
    task = Regression(*same.label_range, columns) if isinstance(same, Regression) else None
    return Label(columns, task, columns, all(each.amounts for each in parts))


def _values(block: Block, label: Label, source: Source) -> NDArray[Any]:
    """Return the raw values ``(N,)`` or ``(N, K)`` of a label."""
    if not label.columns:
        return block.target
    found = [_column(block, name, source) for name in label.columns]
    return np.stack(found, axis=1) if label.names else found[0]


def _column(block: Block, name: str, source: Source) -> NDArray[Any]:
    """Return the values of a column; a label's name may be given for its only one."""
    if name in block.columns:
        values = block.columns[name]
        return np.char.strip(values) if values.dtype.kind == "U" else values
    columns = source.labels[name].columns
    return block.columns[columns[0]] if columns else block.target
