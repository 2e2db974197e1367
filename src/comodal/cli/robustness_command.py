"""`comodal robustness`: from parsed options to a call, from its result to the screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from comodal.cli.parser import words
from comodal.cli.progress import Bars
from comodal.contracts import InputError
from comodal.contracts.json_records import json_text
from comodal.evaluation.robustness import RobustnessConfig, robustness
from comodal.reports.robustness_report import ROWS, SHOWN_METRICS, print_robustness, write_robustness

__all__ = ["robustness_command"]

_TABLE_WIDTH = 124


def robustness_command(options: Any) -> None:
    """Evaluate, write the four files, print."""
    config = RobustnessConfig(
        scenarios=options.scenarios,
        severities=_severities(options.severities),
        kinds=words(options.kinds) if options.kinds else None,
        modalities=words(options.modalities) if options.modalities else None,
        metrics=words(options.metrics),
    )
    out = _out(options)
    if (out / ROWS).exists() and not options.force:
        raise InputError(f"{out / ROWS}: exists already; give --force to replace it, or another --out")
    with Bars() as bars:
        rows = robustness(
            options.run,
            config,
            out=out,
            source=options.data,
            replication=options.replication,
            jobs=options.jobs,
            progress=bars.stage,
        )
    title = f"comodal robustness {options.run}" + (": fresh seeds" if options.replication else "")
    written = write_robustness(rows, out, title=title)
    if options.json:
        print(json_text(rows), end="")
        return
    console = Console()
    console.width = max(console.width, _TABLE_WIDTH)
    shown = [name for name in SHOWN_METRICS if name in config.metrics] or config.metrics
    print_robustness(rows, metrics=shown, title=title, console=console)
    console.print(f"Written: {', '.join(map(str, written.values()))}", soft_wrap=True, markup=False)


def _out(options: Any) -> Path:
    if options.out:
        return Path(options.out)
    below = Path(options.run) / "robustness"
    return below / "replication" if options.replication else below


def _severities(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in words(text))
    except ValueError as error:
        raise InputError(f"--severities {text!r}: give comma-separated numbers from 0 to 1") from error
