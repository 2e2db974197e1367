"""`comodal predict`, `probe`, `export` and `estimate`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from comodal.cli.comma_lists import budgets_of, metrics_of, names_of, pairs_of
from comodal.cli.options import (
    Arm,
    Clean,
    Features,
    Force,
    Json,
    LabelName,
    Metrics,
    MovedData,
    Protocol,
    Run,
    Seed,
    TaskName,
)
from comodal.cli.screen import one_thread, print_json, wide_console

__all__ = ["estimate", "export", "predict", "probe"]


def predict(
    model: Annotated[str, "folder of `comodal train` or `comodal compare`, or an exported model"],
    source: Annotated[
        str | None,
        "any data set that can be trained on, a table without labels, or an .npz file of arrays; by default the data "
        "that the model was trained on",
    ] = None,
    *,
    out: Annotated[str, "predictions to write: .csv, .json or .parquet"],
    arm: Arm = "",
    seed: Seed = None,
    split: Annotated[
        Literal["train", "unlabelled", "valid", "test"] | None,
        "one part of SOURCE, every sample by default; train is its samples with a label, unlabelled the others",
    ] = None,
    protocol: Protocol = None,
    features: Features = None,
    clean: Clean = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Predict new samples, labelled or not.

    Every sample of SOURCE is predicted, with the modalities that it has. Features are standardised with the statistics
    of the model's training part. A model of several folds predicts the mean of its folds.

    Example: comodal predict runs/lfn-kl new_samples/ -o predictions.csv
    """
    import numpy as np

    from comodal.evaluation.data_config import data_of_run
    from comodal.evaluation.predictions import require_new_table
    from comodal.evaluation.predictor import predictor_of
    from comodal.evaluation.saved_model import find_model

    one_thread()
    file = require_new_table(out, force=force)
    saved = find_model(model, arm=arm, seed=seed)
    loaded = predictor_of(saved)
    if source is None:
        kept = data_of_run(saved.data, where=saved.folder)
        source, protocol = kept.source, protocol or kept.protocol
    dataset = loaded.read(source, features=pairs_of(features), protocol=protocol, split=split)
    found = loaded.predict(dataset, clean=clean)
    found.write(file, force=force)
    for note in found.notes:
        print(f"comodal: note: {note}", file=sys.stderr)
    if not json:
        print(f"Written: {file}, {len(found)} samples predicted by {found.folds.shape[1]} fold(s)")
        return
    kinds, counts = np.unique(found.modalities, return_counts=True)
    print_json(
        {
            "file": file,
            "samples": len(found),
            "folds": found.folds.shape[1],
            "modalities": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
            "notes": list(found.notes),
        }
    )


def probe(
    *runs: Run,
    label_budget: Annotated[
        str, "labels per class (without classes: in all) that the probe learns from, comma-separated, such as 2,5,all"
    ] = "all",
    seeds: Annotated[int, "draws of these labels; of several runs each takes its share"] = 8,
    data: MovedData = None,
    label: LabelName = None,
    task: TaskName = None,
    arm: Arm = "",
    seed: Seed = None,
    metrics: Metrics = None,
    out: Annotated[str | None, "folder for all metrics, as tables and a chart"] = None,
    json: Json = False,
) -> None:
    """Fit linear models on the representations of a trained network, whose weights stay as they are.

    The network is usually one of `comodal train --task none`. Ridge or logistic regression, for classes also
    self-training and label spreading, learn from the representations of all modalities, and for comparison from the
    features themselves. Several runs of one setting, with seeds of their own, make the intervals hold for new encoders.

    Example: comodal probe runs/pretrained --label-budget 2,5,all
    """
    from dataclasses import replace

    from comodal.evaluation import probe as evaluation
    from comodal.evaluation.data_config import data_of_run
    from comodal.evaluation.predictor import predictor_of
    from comodal.evaluation.saved_model import find_model
    from comodal.reports.label_budget_report import print_budgets, write_budgets

    one_thread()
    saved = [find_model(run, arm=arm, seed=seed) for run in runs]
    source = data_of_run(saved[0].data, source=data, where=saved[0].folder)
    rows = evaluation.probe(
        [predictor_of(each) for each in saved],
        replace(source, label=label or source.label, task=task),
        budgets=budgets_of(label_budget),
        seeds=seeds,
        metrics=metrics_of(metrics),
    )
    title = f"comodal probe {' '.join(runs)}"
    written = write_budgets(rows, out, title=title) if out else []
    if json:
        print_json([asdict(row) for row in rows])
        return
    print_budgets(rows, title=f"{title}, {seeds} seeds", console=wide_console())
    if written:
        print(f"Written: {', '.join(map(str, written))}")


def export(
    run: Run,
    folder: Annotated[str, "folder to write"],
    *,
    arm: Arm = "",
    seed: Seed = None,
    onnx: Annotated[bool, "also write model.onnx, checked against PyTorch to 1e-4"] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Package a trained run for sharing, with ONNX where possible.

    The folder holds the weights and statistics of every fold as safetensors, the configuration and a model card.
    `comodal predict` and comodal.load_model read it.

    Example: comodal export runs/nested lfn-kl --arm lfn/kl --seed 0 --onnx
    """
    from comodal.export.folder import export_model

    one_thread()
    found = export_model(run, folder, arm=arm, seed=seed, onnx=onnx, force=force)
    if json:
        print_json(asdict(found))
        return
    print(f"Written: {found.folder}: {', '.join(found.files)}")
    if found.onnx_difference is not None:
        print(f"model.onnx differs from PyTorch by at most {found.onnx_difference:.1e}")


def estimate(
    file: Annotated[str, ".npz file with one array (samples, features) per view"],
    *,
    views: Annotated[str | None, "names of the arrays, comma-separated; all of them by default"] = None,
    measure: Annotated[str, "kl, f, wasserstein, jensen_shannon, ..."] = "kl",
    seed: Annotated[int, "seed of the split, the critic and the pairings"] = 0,
    json: Json = False,
) -> None:
    """Estimate the dependency between views in a file.

    A critic is fitted on one half of the samples; the dependency between the views is reported on the other half.

    Example: comodal estimate views.npz --views a,b,c --measure kl --json
    """
    from comodal.data.formats.named_arrays import views_from_npz
    from comodal.dependency.estimation import estimate_dependency

    one_thread()
    arrays = views_from_npz(file, names_of(views) if views else None)
    found = asdict(estimate_dependency(arrays, measure=measure, seed=seed))
    found.pop("pointwise")
    if json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{Path(file).name}: {', '.join(arrays)}", show_header=False)
    for name, value in found.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)
