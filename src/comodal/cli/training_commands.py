"""`comodal train` and `comodal compare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from comodal.cli.comma_lists import budgets_of, metrics_of, names_of, numbers_of, pairs_of
from comodal.cli.options import (
    Clean,
    Data,
    Features,
    FusionConfig,
    Jobs,
    Json,
    LabelName,
    Metrics,
    Preset,
    Protocol,
    TaskName,
)
from comodal.cli.result_commands import print_report
from comodal.cli.screen import one_thread, print_json, progress_bars, wide_console
from comodal.contracts.option_names import FUSION_NAMES, MEASURE_NAMES
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

if TYPE_CHECKING:
    from comodal.evaluation.comparison import Comparison

__all__ = ["compare", "train"]

_MEASURES = f"none, placebo (no penalty, other random streams), {', '.join(MEASURE_NAMES)}"


def train(
    data: Data,
    *,
    out: Annotated[str, "run folder; an interrupted run found there is resumed, never overwritten"],
    fusion: Annotated[str, ", ".join(FUSION_NAMES)] = "early",
    seed: Annotated[int, "seed of every random stream of the run"] = 0,
    start: Annotated[str | None, "run folder whose weights the encoders start from, for example of --task none"] = None,
    features: Features = None,
    protocol: Protocol = None,
    label: LabelName = None,
    task: TaskName = None,
    clean: Clean = False,
    metrics: Metrics = None,
    logger: Annotated[str, "csv, tensorboard, mlflow or wandb"] = "csv",
    progress: Annotated[Literal["auto", "yes", "no"], "progress bar; auto: only in a terminal"] = "auto",
    json: Json = False,
    fusion_config: FusionConfig,
    penalty: PenaltyConfig,
    training: TrainingConfig,
    preset: Preset = "",
) -> None:
    """Train one fusion model, with or without a dependency penalty; with --task none on the penalty alone.

    The model is trained on every partition of DATA. The best epoch is chosen on the validation part; the test part is
    read once.

    Example: comodal train mosi:clean --fusion lfn --penalty.measure kl --out runs/lfn-kl
    """
    from comodal.evaluation import experiment
    from comodal.evaluation.data_config import DataConfig
    from comodal.training.devices import is_writer

    one_thread()
    report = experiment.train(
        DataConfig(source=data, features=pairs_of(features), protocol=protocol, label=label, task=task, clean=clean),
        RunConfig(
            fusion=fusion, fusion_config=fusion_config, penalty=penalty, training=training, seed=seed, preset=preset
        ),
        out=out,
        start=start,
        metrics=metrics_of(metrics),
        logger=logger,
        progress=progress == "yes" or (progress == "auto" and sys.stderr.isatty() and not json),
    )
    if is_writer():  # the other processes of torchrun found the same
        print_report(report, as_json=json)


def compare(
    data: Data,
    *,
    out: Annotated[str, "folder of the comparison; the same command resumes it after an interruption"],
    fusion: Annotated[str, ", ".join(FUSION_NAMES)] = "early",
    measures: Annotated[str, _MEASURES] = "none,kl,f,wasserstein",
    weight: Annotated[str, "auto, one number, or pairs such as kl=0.3,f=1"] = "auto",
    seeds: Annotated[int, "reported seeds; may grow later"] = 32,
    selection_seeds: Annotated[int, "seeds that choose weights; never reported"] = 8,
    jobs: Jobs = 1,
    replicate: Annotated[bool, "repeat the comparison on as many fresh seeds and print both"] = False,
    features: Features = None,
    protocol: Protocol = None,
    label: LabelName = None,
    task: TaskName = None,
    clean: Clean = False,
    metrics: Metrics = None,
    json: Json = False,
    label_budget: Annotated[
        str | None, "compare at several label budgets: labels per class, comma-separated, such as 5,10,all"
    ] = None,
    weight_grid: Annotated[str, "weights that auto chooses from"] = "0.1,0.3,1",
    no_weights: Annotated[bool, "do not keep the weights of the runs"] = False,
    fusion_config: FusionConfig,
    fusion_training: Annotated[
        dict[str, dict[str, Any]], "options of the optimisation for single fusion models, below the model's name"
    ],
    penalty: Annotated[PenaltyConfig, ("measure", "weight")],
    training: TrainingConfig,
    preset: Preset = "",
) -> None:
    """Compare fusion models with and without dependency penalties, over many seeds.

    Names are comma-separated. Every fusion model is trained with every measure and compared with itself without a
    penalty. Runs of one seed share
    initial weights, batches and dropout masks. Weights are chosen on validation with seeds that are not reported. The
    test part is read once. Intervals cover seeds and groups; p-values are corrected by Holm's method.

    Example: comodal compare mosi:nested --fusion early,lfn --measures none,kl --seeds 32 --out runs/c
    """
    from comodal.evaluation import comparison, label_budgets
    from comodal.evaluation.data_config import DataConfig
    from comodal.evaluation.grid import CompareConfig, parse_weight

    config = CompareConfig(
        fusions=names_of(fusion),
        measures=names_of(measures),
        weight=parse_weight(weight),
        weight_grid=numbers_of(weight_grid, option="--weight-grid"),
        seeds=seeds,
        selection_seeds=selection_seeds,
        base=RunConfig(penalty=penalty, training=training, preset=preset),
        fusion_config=fusion_config,
        fusion_training=fusion_training,
    )
    source = DataConfig(
        source=data, features=pairs_of(features), protocol=protocol, label=label, task=task, clean=clean
    )
    with progress_bars() as stage:
        options: dict[str, Any] = {"jobs": jobs, "replicate": replicate, "keep_weights": not no_weights}
        options |= {"out": out, "metrics": metrics_of(metrics), "progress": stage}
        if label_budget is None:
            found = comparison.compare(source, config, **options)
        else:
            studied = label_budgets.compare_budgets(source, config, budgets=budgets_of(label_budget), **options)
    if label_budget is None:
        _print_comparison(found, Path(out), data, seeds, metrics=metrics_of(metrics), as_json=json)
    else:
        _print_budgets(studied, Path(out), data, seeds, as_json=json)


def _print_comparison(
    found: Comparison, out: Path, data: str, seeds: int, *, metrics: Sequence[str] | None, as_json: bool
) -> None:
    from comodal.reports import print_comparison, write_breakdown, write_summary

    title = f"comodal compare {data}"
    write_summary(found.rows, out, title=title)
    by_class = write_breakdown(found.breakdown, out, title=title)
    if found.replication:
        write_summary(found.replication, out / "replication", title=f"{title}: fresh seeds")
    if as_json:
        parts = {"rows": found.rows, "replication": found.replication}
        print_json({name: [asdict(row) for row in rows] for name, rows in parts.items()})
        return
    console = wide_console()
    print_comparison(found.rows, metrics=metrics, title=f"{data}, {seeds} seeds", console=console)
    if found.replication:
        print_comparison(found.replication, metrics=metrics, title=f"{data}, {seeds} fresh seeds", console=console)
    print(f"Written: {out / 'summary.json'}, .csv, .md; chosen weights: {out / 'selection.json'}")
    if by_class:
        print(f"By {found.breakdown[0].noun}: {', '.join(map(str, by_class))}")


def _print_budgets(found: dict[int, Comparison], out: Path, data: str, seeds: int, *, as_json: bool) -> None:
    from comodal.evaluation.label_budgets import budget_folder, budget_rows
    from comodal.reports import write_breakdown, write_summary
    from comodal.reports.label_budget_report import print_budgets, write_budgets

    title = f"comodal compare {data}"
    for budget, each in found.items():
        folder, named = budget_folder(out, budget), f"{title}, {budget or 'all'} labels"
        write_summary(each.rows, folder, title=named)
        write_breakdown(each.breakdown, folder, title=named)
    rows, fresh = budget_rows(found), budget_rows(found, replication=True)
    paths = write_budgets(rows, out, title=title)
    if fresh:
        write_budgets(fresh, out / "replication", title=f"{title}: fresh seeds")
    if as_json:
        print_json({name: [asdict(row) for row in part] for name, part in (("rows", rows), ("replication", fresh))})
        return
    console = wide_console()
    print_budgets(rows, title=f"{data}, {seeds} seeds", console=console)
    if fresh:
        print_budgets(fresh, title=f"{data}, {seeds} fresh seeds", console=console)
    print(f"Written: {', '.join(map(str, paths))}")
