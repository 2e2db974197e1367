"""JSON, tables and progress bars on the terminal; rich is imported when something is drawn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["one_thread", "print_json", "progress_bars", "wide_console"]

_TABLE_WIDTH = 124


def print_json(value: Any) -> None:
    """Print a value as indented JSON; paths become text."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def wide_console() -> Console:
    """Return standard output, wide enough for the names of a table's rows."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, _TABLE_WIDTH)
    return console


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int | None], Callable[[int], None]]]:
    """Yield a function that starts a bar on standard error and returns what advances it; ``None`` is unknown length."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True))

    def stage(name: str, total: int | None) -> Callable[[int], None]:
        progress.start()  # not before: an error of one line has no empty bars around it
        return partial(progress.advance, progress.add_task(name, total=total))

    try:
        yield stage
    finally:
        if progress.tasks:
            progress.stop()


def one_thread() -> None:
    """Compute with one thread: faster for small models, and a rerun is exact."""
    import torch

    torch.set_num_threads(1)
