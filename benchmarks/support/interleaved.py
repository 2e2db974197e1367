"""Time several variants in turn, so that a busy machine slows all of them alike.

On a CPU the time is the process's own; on a GPU it is wall-clock time, read after all launched work is done.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import torch

__all__ = ["clock_of", "median_ratio", "repeats_in", "rounds_of_steps", "taken_in_turn"]


def clock_of(device: str) -> Callable[[], float]:
    """Return the clock for work on a device: ``cpu`` or a CUDA device."""
    if device == "cpu":
        return time.process_time

    def clock() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return clock


def rounds_of_steps(description: str | None) -> argparse.Namespace:
    """Return ``rounds`` and ``steps`` of the command line, and keep PyTorch on one core."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=20)
    torch.set_num_threads(1)
    return parser.parse_args()


def taken_in_turn(
    variants: Mapping[str, Callable[[], None]], *, rounds: int, repeats: int = 1, device: str = "cpu"
) -> dict[str, list[float]]:
    """Return the seconds per call of every variant in every round; a round has ``repeats`` calls of each in a row."""
    clock = clock_of(device)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(rounds + 1):
        for name, run in variants.items():
            each = _seconds(run, repeats, clock)
            if round_number:  # the first round warms caches up
                seconds[name].append(each)
    return seconds


def repeats_in(seconds: float, run: Callable[[], None]) -> int:
    """Return the number of calls, at least 1, that take about these CPU seconds, from one call after a warm-up."""
    run()
    return max(1, int(seconds / _seconds(run, 1, time.process_time)))


def median_ratio(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """Return the median over rounds of each round's ratio of one variant to another."""
    return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))


def _seconds(run: Callable[[], None], repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        run()
    return (clock() - start) / repeats
