"""Work spread over processes of one thread each."""

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

__all__ = ["in_processes", "one_thread"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int
) -> Iterator[tuple[Item, Result]]:
    """Every item and what came of it, in the order in which they are finished.

    Args:
        work: a function of a module; it keeps what it made itself, so that an interruption loses little.
        items: what it is given; plain enough to be sent to another process.
        processes: how many at most. They end with the process that started them, however that ends.

    Raises:
        InputError: whatever the work raises, or a process that ended in the middle.
    """
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
            "without `if __name__ == '__main__':`; finished runs are kept, so the same command goes on from here"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """The same arithmetic, bit for bit, as in a worker process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _start_worker() -> None:
    torch.set_num_threads(1)
    # A terminal's Ctrl-C reaches every process; the parent alone speaks of it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot say so, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
