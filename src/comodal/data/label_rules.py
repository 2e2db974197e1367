"""The rules of labels: which samples need one, and what can be learnt from those that are there."""

from __future__ import annotations

import numpy as np

from comodal.data.dataset import SPLITS
from comodal.data.judged import NO_ROW, SHOWN, Facts, Found, Rows
from comodal.data.targets import is_missing

__all__ = [
    "missing_labels",
    "one_label",
    "outlying_labels",
    "rare_classes",
    "unlabelled_samples",
    "unseen_classes",
]


def missing_labels(facts: Facts) -> Found:
    """Find samples without a label, except the unlabelled ones."""
    missing = is_missing(facts.samples.target)
    for name, parts in facts.parts.items():
        for part in SPLITS:
            lost = np.setdiff1d(parts.get(part, NO_ROW), facts.unlabelled.get(name, NO_ROW))
            if len(lost := lost[missing[lost]]):
                yield f"{name}: samples of {part} without a label", len(lost), facts.samples.id[lost]


def unlabelled_samples(facts: Facts) -> Found:
    """Find the unlabelled samples."""
    for name, rows in facts.unlabelled.items():
        if len(rows):
            text = "samples without a label, which train the dependency measure and are never tested"
            yield f"{name}: {text}", len(rows), facts.samples.id[rows]


def outlying_labels(facts: Facts) -> Found:
    """Find labels outside the range of the task."""
    if outlying := facts.found.outlying_labels:
        shown = [f"{name} ({value:g})" for name, value in outlying[:SHOWN]]
        low, high = facts.task.label_range
        yield f"labels outside [{low:g}, {high:g}]", len(outlying), shown


def one_label(facts: Facts) -> Found:
    """Find partitions whose training samples all have one label."""
    for name in facts.parts:
        rows = _taught(facts, name)
        target = facts.samples.target[rows]
        if facts.task.predicts and len(rows) > 1 and (target == target[:1]).all():
            said = str(facts.task.readable(target[:1])[0]) or "none of all"
            yield f"{name}: training samples that all have the label {said}", len(rows), facts.samples.id[rows]


def unseen_classes(facts: Facts) -> Found:
    """Find classes that no labelled training sample has: a model could never predict them."""
    classes = facts.task.rows_by_class(facts.samples.target)
    for name, parts in facts.parts.items():
        others = np.concatenate([parts.get(part, NO_ROW) for part in ("valid", "test")])
        taught = _taught(facts, name)
        for each, rows in classes.items():
            lost = np.intersect1d(rows, others)
            if each and len(lost) and not np.isin(rows, taught).any():
                text = f"{name}: samples of class {each!r}, none of which is labelled and in train"
                yield text, len(lost), facts.samples.id[lost]


def rare_classes(facts: Facts) -> Found:
    """Find classes with fewer samples than a cross-validation has folds."""
    for name, folds in _folds(facts).items():
        rows = np.concatenate(folds)
        for each, own in facts.task.rows_by_class(facts.samples.target).items():
            held = np.intersect1d(own, rows)
            if each and 0 < len(held) < len(folds):
                text = f"{name}: samples of class {each!r}, fewer than the {len(folds)} folds"
                yield text, len(held), facts.samples.id[held]


def _taught(facts: Facts, name: str) -> Rows:
    """Return the rows whose labels train; of the numbered parts of a cross-validation all that have one."""
    parts = facts.parts[name]
    rows = parts["train"] if "train" in parts else np.concatenate(list(parts.values()))
    rows = np.setdiff1d(rows, facts.unlabelled.get(name, NO_ROW))
    return rows[~is_missing(facts.samples.target[rows])]


def _folds(facts: Facts) -> dict[str, list[Rows]]:
    """Return the test rows of the folds of each cross-validation."""
    if facts.folds:
        return {"cross-validation": [parts.get("test", NO_ROW) for parts in facts.parts.values()]}
    return {name: list(parts.values()) for name, parts in facts.parts.items() if "train" not in parts}
