"""CPU seconds of several ways to do a thing, taken in turn, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["median_ratio", "repeats_in", "taken_in_turn"]


def taken_in_turn(
    variants: Mapping[str, Callable[[], None]], *, rounds: int, repeats: int = 1
) -> dict[str, list[float]]:
    """CPU seconds of one call of every variant in every round; a round has ``repeats`` calls of each in a row."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_number in range(rounds + 1):
        for name, run in variants.items():
            each = _seconds(run, repeats)
            if round_number:  # the first round warms caches up
                seconds[name].append(each)
    return seconds


def repeats_in(seconds: float, run: Callable[[], None]) -> int:
    """How many calls take about so many CPU seconds, at least 1; by one call, behind one that warms caches up."""
    run()
    return max(1, int(seconds / _seconds(run, 1)))


def median_ratio(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """Median over rounds of each round's ratio of one variant to another."""
    return statistics.median(a / b for a, b in zip(seconds[one], seconds[other], strict=True))


def _seconds(run: Callable[[], None], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        run()
    return (time.process_time() - start) / repeats
