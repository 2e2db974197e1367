"""One function a subcommand: from parsed options to a call, from its result to the screen."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from comodal.atomic_write import write_atomic
from comodal.cli.data_commands import DATA_COMMANDS
from comodal.cli.explain_command import explain_command
from comodal.cli.parser import pairs, words
from comodal.cli.predict_command import export_command, predict_command
from comodal.cli.progress import Bars
from comodal.cli.report_command import report_command
from comodal.cli.robustness_command import robustness_command
from comodal.cli.serve_command import serve_command
from comodal.contracts import InputError
from comodal.data.formats.npz_views import views_from_npz
from comodal.dependency.estimation import estimate_dependency
from comodal.evaluation.comparison import Comparison, compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import RunReport, evaluate, train
from comodal.evaluation.grid import CompareConfig, parse_weight
from comodal.reports import print_comparison, write_summary
from comodal.training.config import PenaltyConfig, RunConfig

__all__ = ["COMMANDS"]

_TABLE_WIDTH = 124
_RUN_FIELDS = tuple(field.name for field in dataclasses.fields(RunConfig))


def _train(options: Any) -> None:
    torch.set_num_threads(1)  # small models are slower on more, and one thread makes a rerun exact
    report = train(
        _data(options),
        RunConfig(**{name: options[name] for name in _RUN_FIELDS}),
        out=options.out,
        logger=options.logger,
        progress=options.progress == "yes" or (options.progress == "auto" and sys.stderr.isatty() and not options.json),
    )
    _print_report(report, as_json=options.json)


def _evaluate(options: Any) -> None:
    torch.set_num_threads(1)
    report = evaluate(options.run, split=options.split, source=options.data)
    if options.predictions:
        write_atomic(Path(options.predictions), report.predictions.to_parquet)
    _print_report(report, as_json=options.json)


def _estimate(options: Any) -> None:
    torch.set_num_threads(1)
    views = views_from_npz(options.file, words(options.views) if options.views else None)
    estimate = dataclasses.asdict(estimate_dependency(views, measure=options.measure, seed=options.seed))
    estimate.pop("pointwise")
    if options.json:
        print(json.dumps(estimate, indent=2))
        return
    table = Table(title=f"{Path(options.file).name}: {', '.join(views)}", show_header=False)
    for name, value in estimate.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    Console().print(table)


def _compare(options: Any) -> None:
    config = CompareConfig(
        fusions=words(options.fusion),
        measures=words(options.measures),
        weight=parse_weight(options.weight),
        weight_grid=_numbers(options.weight_grid),
        seeds=options.seeds,
        selection_seeds=options.selection_seeds,
        base=RunConfig(
            penalty=PenaltyConfig(**vars(options.penalty)),
            training=options.training,
            preset=options.preset,
        ),
        fusion_config=options.fusion_config,
        fusion_training=options.fusion_training,
    )
    with Bars() as bars:
        found = compare(
            _data(options),
            config,
            out=options.out,
            jobs=options.jobs,
            replicate=options.replicate,
            keep_weights=not options.no_weights,
            progress=bars.stage,
        )
    _print_comparison(found, options)


def _print_comparison(found: Comparison, options: Any) -> None:
    out = Path(options.out)
    title = f"comodal compare {options.data}"
    write_summary(found.rows, out, title=title)
    if found.replication:
        write_summary(found.replication, out / "replication", title=f"{title}: fresh seeds")
    if options.json:
        parts = {"rows": found.rows, "replication": found.replication}
        print(json.dumps({name: [dataclasses.asdict(row) for row in rows] for name, rows in parts.items()}, indent=2))
        return
    console = _console()
    print_comparison(found.rows, title=f"{options.data}, {options.seeds} seeds", console=console)
    if found.replication:
        print_comparison(found.replication, title=f"{options.data}, {options.seeds} fresh seeds", console=console)
    console.print(
        f"Written: {out / 'summary.json'}, .csv, .md; chosen weights: {out / 'selection.json'}", soft_wrap=True
    )


def _print_report(report: RunReport, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"folder": str(report.folder), **report.metrics}, indent=2))
        return
    table = Table(title=str(report.folder))
    for heading in ("metric", "value", "95 % interval over videos"):
        table.add_column(heading)
    for name, value in report.metrics.items():
        if isinstance(value, dict):
            table.add_row(name, _shown(value["value"]), f"[{_shown(value['ci_low'])}, {_shown(value['ci_high'])}]")
        else:
            table.add_row(name, _shown(value) if isinstance(value, float) else str(value), "")
    Console().print(table, markup=False)


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _console() -> Console:
    """Standard output, never so narrow that a table loses the names of its rows."""
    console = Console()
    console.width = max(console.width, _TABLE_WIDTH)
    return console


def _data(options: Any) -> DataConfig:
    features = pairs(options.features) if options.features else None
    return DataConfig(source=options.data, features=features, protocol=options.protocol, clean=options.clean)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in words(text))
    except ValueError as error:
        raise InputError(f"--weight-grid {text!r}: give comma-separated numbers") from error


def _prepare(options: Any) -> int | None:
    return DATA_COMMANDS[options.action](options[options.action])


COMMANDS: dict[str, Callable[[Any], int | None]] = {
    "data": _prepare,
    "train": _train,
    "evaluate": _evaluate,
    "estimate": _estimate,
    "compare": _compare,
    "predict": predict_command,
    "export": export_command,
    "explain": explain_command,
    "robustness": robustness_command,
    "report": report_command,
    "serve": serve_command,
}
