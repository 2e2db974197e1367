"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Bars"]


class Bars:
    """One bar a stage; nothing is drawn before the first stage begins."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._progress.tasks:
            self._progress.stop()

    def stage(self, name: str, total: int | None) -> Callable[[int], None]:
        """Start a bar, of unknown length where the total is not known; the result advances it."""
        self._progress.start()  # not before: an error of one line has no empty bars around it
        bar = self._progress.add_task(name, total=total)
        return lambda count: self._progress.advance(bar, count)
