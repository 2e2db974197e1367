"""Which rows a run trains on: a share of the groups, the labels that it may see, and rows without a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import InputError, Task
from comodal.data.dataset import Partition
from comodal.training.config import RunConfig
from comodal.training.streams import stream_seed

__all__ = ["TrainingRows"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows of a training part, with and without labels.

    The dependency measure sees both; the task loss sees the labelled ones alone.

    Attributes:
        labelled: row numbers, rising.
        unlabelled: row numbers, rising; empty where there are none.
    """

    labelled: Rows
    unlabelled: Rows

    @classmethod
    def of(
        cls, partition: Partition, config: RunConfig, *, group: NDArray[Any], target: NDArray[Any], task: Task
    ) -> TrainingRows:
        """Return the rows of a run.

        The first ``label_budget`` samples of each class keep their labels, in an order that the run's seed draws, so a
        larger budget keeps all labels of a smaller one; of a task without classes, the first of all samples.

        Args:
            partition: the training part, and rows without labels.
            config: the share of the training part, the label budget, and whether rows without labels take part.
            group: ``(N,)`` the group of each sample.
            target: ``(N,)`` or ``(N, K)``.
            task: what is predicted.

        Raises:
            InputError: the share leaves no group, or a class has fewer samples than the budget.

        Example:
            >>> from comodal.contracts import Binary
            >>> from comodal.training.config import TrainingConfig
            >>> none = np.zeros(0, dtype=np.int64)
            >>> part = Partition("toy", np.arange(6), none, none)
            >>> config = RunConfig(training=TrainingConfig(label_budget=1))
            >>> rows = TrainingRows.of(part, config, group=np.arange(6), target=np.array([0.0, 1.0] * 3),
            ...                        task=Binary(("no", "yes")))
            >>> len(rows.labelled), len(rows.unlabelled)
            (2, 4)
        """
        rows = _share(partition.train, group, config)
        labelled = _within_budget(rows, target, task, config)
        hidden = np.concatenate([partition.unlabelled, np.setdiff1d(rows, labelled)])
        return cls(labelled, np.sort(hidden) if config.training.unlabelled else hidden[:0])


def _share(rows: Rows, groups: NDArray[Any], config: RunConfig) -> Rows:
    """Return the share of the training rows that a config asks for: whole groups, drawn by the run's seed."""
    share = config.training.train_share
    if share == 1.0:
        return rows
    names = np.unique(groups[rows])
    kept = round(share * len(names))
    if kept == 0:
        raise InputError(
            f"training.train_share {share:g} of {len(names)} groups keeps none: give a larger share",
            code="out_of_range",
        )
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(stream_seed(config.seed, "share")))
    return rows[np.isin(groups[rows], names[order[:kept].numpy()])]


def _within_budget(rows: Rows, target: NDArray[Any], task: Task, config: RunConfig) -> Rows:
    budget = config.training.label_budget
    if not budget:
        return rows
    order = np.random.default_rng(stream_seed(config.seed, "labels")).permutation(rows)
    kept = []
    for name, own in task.rows_by_class(target[order]).items():
        if len(own) < budget:
            what = f"class {name!r}" if name else "the training part"
            raise InputError(
                f"label_budget {budget}: {what} has {len(own)} labelled training samples; give a smaller budget",
                code="out_of_range",
            )
        kept.append(order[own[:budget]])
    return np.sort(np.concatenate(kept))
