"""Compare at several label budgets: does a penalty help where labels are few?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from comodal.contracts import ComparisonRow, Findings
from comodal.evaluation.comparison import Comparison, compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import CompareConfig
from comodal.evaluation.pool import Progress, no_progress
from comodal.evaluation.preflight import preflight, require_budgets
from comodal.evaluation.runs import SUMMARY

__all__ = ["budget_folder", "budget_folders", "budget_rows", "compare_budgets"]


def compare_budgets(
    data: DataConfig,
    config: CompareConfig | None = None,
    *,
    budgets: Sequence[int],
    out: str | Path,
    jobs: int = 1,
    replicate: bool = False,
    keep_weights: bool = True,
    metrics: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> dict[int, Comparison]:
    """Return a comparison for each label budget, each in a folder of its own below ``out``.

    A seed draws the labels: those of a larger budget contain those of a smaller one, and all arms of a seed see the
    same. Weights are chosen on validation for each budget.

    Args:
        data: where the data come from.
        config: as for :func:`comodal.compare`.
        budgets: labels per class (of a task without classes: in all), 0 for every label; see
            :class:`~comodal.training.training_rows.TrainingRows`.
        out: folder of the study; the same call resumes it, and may name more budgets.
        jobs: as for :func:`comodal.compare`, and so are the options that follow.
        replicate: repeat all reported runs with fresh seeds.
        keep_weights: save the weights of every reported run.
        metrics: of the rows; the first one is that of the table.
        progress: called with the name of a stage and its number of runs.

    Raises:
        InputError: no budget, one twice, or a class with fewer labels than a budget, before anything is trained.
    """
    config = config or CompareConfig()
    require_budgets(budgets)
    configs = {budget: _with_budget(config, budget) for budget in budgets}
    dataset = data.load()
    for each in configs.values():
        for fusion in each.fusions:
            preflight(dataset, each.base_for(fusion))
    return {
        budget: compare(
            data,
            each,
            out=budget_folder(out, budget),
            jobs=jobs,
            replicate=replicate,
            keep_weights=keep_weights,
            metrics=metrics,
            progress=progress,
        )
        for budget, each in configs.items()
    }


def budget_folder(out: str | Path, budget: int) -> Path:
    """Return the folder of the comparison at a budget.

    >>> budget_folder("study", 5).name, budget_folder("study", 0).name
    ('labels-5', 'labels-all')
    """
    return Path(out) / f"labels-{budget or 'all'}"


def budget_folders(out: str | Path) -> dict[int, Path]:
    """Return the finished comparisons in the folder of a study by rising budget, all labels last; empty for others."""
    found = {}
    for summary in Path(out).glob(f"labels-*/{SUMMARY}"):
        budget = summary.parent.name.rpartition("-")[2]
        if budget == "all" or budget.isdecimal():
            found[0 if budget == "all" else int(budget)] = summary.parent
    return dict(sorted(found.items(), key=lambda each: each[0] or math.inf))


def budget_rows(found: Mapping[int, Comparison | Findings], *, replication: bool = False) -> list[ComparisonRow]:
    """Return the rows of all budgets, each with its budget, of the first runs or of the fresh seeds."""
    return [
        dataclasses.replace(row, labels=budget)
        for budget, each in found.items()
        for row in (each.replication if replication else each.rows)
    ]


def _with_budget(config: CompareConfig, budget: int) -> CompareConfig:
    training = dataclasses.replace(config.base.training, label_budget=budget)
    return dataclasses.replace(config, base=dataclasses.replace(config.base, training=training))
