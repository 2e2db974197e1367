"""Tasks: what a model predicts of a sample, from labels to predictions, errors and the metrics that mean something.

A target holds one float per sample ``(N,)``, or one per output ``(N, K)``; NaN where a sample has no label. Classes are
numbered from 0. A prediction is in the unit of the labels for a regression, and a probability for classes: ``(N,)`` for
one output, of the second class of two; ``(N, K)`` for several.

Axis legend: N samples, B samples of a batch, K outputs of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comodal.contracts.errors import InputError
from comodal.contracts.tasks.class_tasks import Binary, Multiclass, Multilabel, class_probabilities
from comodal.contracts.tasks.no_task import NoTask
from comodal.contracts.tasks.regression_tasks import Regression, Sentiment
from comodal.contracts.tasks.task import Task

__all__ = [
    "TASKS",
    "Binary",
    "Multiclass",
    "Multilabel",
    "NoTask",
    "Regression",
    "Sentiment",
    "Task",
    "class_probabilities",
    "task_from_dict",
]

TASKS: Mapping[str, type[Task]] = {
    each.kind: each for each in (Regression, Sentiment, Binary, Multiclass, Multilabel, NoTask)
}
"""Name to class of every task."""


def task_from_dict(values: Mapping[str, Any]) -> Task:
    """Return the task that :meth:`Task.to_dict` wrote.

    Raises:
        InputError: an unknown kind.

    Example:
        >>> task_from_dict(Multiclass(("a", "b", "c")).to_dict())
        Multiclass(names=('a', 'b', 'c'))
    """
    options = dict(values)
    kind = options.pop("kind", Sentiment.kind)
    if kind not in TASKS:
        raise InputError.unknown("task", kind, TASKS)
    if kind == NoTask.kind:
        return NoTask()
    return TASKS[kind](**{**options, "names": tuple(options.get("names", ()))})
