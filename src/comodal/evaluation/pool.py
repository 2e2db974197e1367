"""Run a function on many items in worker processes of one thread each, and count what has finished."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

import torch

from comodal.contracts import InputError

__all__ = ["Advance", "Progress", "no_advance", "no_progress", "run_each"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Advance = Callable[[int], object]
"""Called with the number of items that have finished since the last call."""

Progress = Callable[[str, int], Advance]
"""Called with the name of a stage and its number of items; returns the function that counts them."""


def no_advance(count: int) -> None:
    """Ignore the number of finished items."""
    del count


def no_progress(stage: str, total: int) -> Advance:
    """Return the function that ignores the number of finished items."""
    del stage, total
    return no_advance


def run_each(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Iterator[tuple[Item, Result]]:
    """Yield every item with its result, in the order in which they finish.

    One process or one item runs here, with one thread, which gives the same bits as a worker process.
    """
    if processes == 1 or len(items) < 2:
        with _one_thread():
            for item in items:
                yield item, work(item)
        return
    pool = ProcessPoolExecutor(
        min(processes, len(items)), mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )
    try:
        futures: dict[Future[Result], Item] = {pool.submit(work, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a worker process ended in the middle of a run: out of memory (give fewer jobs), or called from a script "
            "without `if __name__ == '__main__':`; finished runs are kept, so the same command resumes from here",
            code="too_large",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_worker() -> None:
    torch.set_num_threads(1)
    # A terminal's Ctrl-C reaches every process; only the parent reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent process is killed, which would leave the worker waiting for work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
