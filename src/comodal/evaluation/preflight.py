"""Checks of a run on its data, before anything is written or trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from comodal.contracts import InputError
from comodal.data.dataset import Dataset, Partition
from comodal.dependency import Measure
from comodal.training.augment import Augmentation
from comodal.training.build import build_model, build_penalty
from comodal.training.config import RunConfig
from comodal.training.data import inputs, train_sampler
from comodal.training.devices import require_device
from comodal.training.optim import build_optimizer
from comodal.training.presets import load_preset
from comodal.training.training_rows import TrainingRows

__all__ = ["preflight", "require_budgets", "require_test_part"]


def preflight(dataset: Dataset, config: RunConfig) -> None:
    """Check a run on this data set."""
    require_device(config.training)
    if config.preset:
        load_preset(config.preset).require(len(np.unique(dataset.group)), source=dataset.spec.name)
    if not dataset.spec.task.predicts:
        _require_dependency(dataset, config)
    spec = inputs(dataset, config).spec
    model = build_model(spec, config)
    build_optimizer(model, config.training)
    penalty = build_penalty(model, config, 1)
    Augmentation.of(spec, config)
    for partition in dataset.partitions:
        rows = TrainingRows.of(partition, config, group=dataset.group, target=dataset.target, task=dataset.spec.task)
        train_sampler(rows.labelled, config, len(spec.modalities))
        if penalty is not None and not dataset.spec.task.predicts:
            _require_valid_part(dataset, partition, penalty.measure)


def _require_dependency(dataset: Dataset, config: RunConfig) -> None:
    """Check that a run without a task has a dependency to learn from."""
    penalty, name = config.penalty, dataset.spec.name
    if penalty.measure == "none" or penalty.weight <= 0:
        raise InputError(
            f"{name}: no task, and penalty.measure {penalty.measure!r} with weight {penalty.weight:g}: nothing is "
            "learnt; name a measure (--penalty.measure kl) with a weight above 0, or give labels",
            code="missing",
        )
    if config.training.label_budget:
        raise InputError(
            f"{name}: no task, and training.label_budget {config.training.label_budget}: there are no labels to hide; "
            "leave the budget out",
            code="conflict",
        )


def _require_valid_part(dataset: Dataset, partition: Partition, measure: Measure) -> None:
    """Check that the dependency of the validation part can be measured, which selects the epoch."""
    have = sum((array.lengths[partition.valid] > 0).astype(int) for array in dataset.modalities.values())
    wanted = 2 if measure.facts.pairwise else len(dataset.modalities)
    complete, fewest = int(np.sum(have >= wanted)), len(measure.layout.dims)
    if complete < fewest:
        raise InputError(
            f"{dataset.spec.name}, {partition.name}: {complete} validation samples have all modalities; "
            f"{measure.name} needs {fewest} or more",
            code="out_of_range",
        )


def require_budgets(budgets: Sequence[int]) -> None:
    """Check that there is a label budget, and none twice."""
    if not budgets or len(set(budgets)) != len(budgets):
        raise InputError(
            f"label budgets {', '.join(map(str, budgets))}: give at least one, each of them once", code="duplicate"
        )


def require_test_part(dataset: Dataset) -> None:
    """Check that there is something to predict, and that every partition has samples to test on."""
    if not dataset.spec.task.predicts:
        raise InputError(
            f"{dataset.spec.name}: no task, so nothing to test; give labels, and no task 'none'", code="missing"
        )
    for partition in dataset.partitions:
        if len(partition.test) == 0:
            raise InputError(
                f"{dataset.spec.name}, {partition.name}: split 'test' is empty; give test samples, or fit a model "
                "without them (comodal.fit)",
                code="empty",
            )
