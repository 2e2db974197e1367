"""SIGTERM: finish the step, write a checkpoint, leave with status 143."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["TERMINATED", "noting_termination"]

TERMINATED = 128 + signal.SIGTERM
"""Exit status of a run that was asked to end and can be resumed."""


@contextlib.contextmanager
def noting_termination() -> Iterator[Callable[[], bool]]:
    """Note SIGTERM instead of ending at once; the block asks whether one came and leaves when it suits.

    Only the main thread receives signals; in another one nothing is noted.

    Example:
        >>> with noting_termination() as terminated:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     terminated()
        True
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        del frame
        came.append(number)

    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGTERM, before)
