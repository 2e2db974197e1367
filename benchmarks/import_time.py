"""What ``import comodal`` adds to ``import torch``, each in fresh interpreters, taken in turn; target: at most 0.3 s.

The third row also loads what a training loop of one's own uses, the last every public name, Accelerate included. CPU
seconds are printed beside those of the clock, since they tell a busy machine from a slow import.

    python benchmarks/import_time.py [rounds]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np

LOOP = ("DependencyPenalty", "estimate_dependency")
ROWS = {
    "import torch": "import torch",
    "import torch, comodal": "import torch, comodal",
    "... and the penalty": f"import torch, comodal; [getattr(comodal, n) for n in {LOOP!r} if n in comodal.__all__]",
    "... and every public name": "import torch, comodal; [getattr(comodal, n) for n in comodal.__all__]",
}


def seconds(code: str) -> tuple[float, float]:
    """Clock and CPU time of a fresh interpreter that runs ``code``."""
    clock, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    clock, after = time.perf_counter() - clock, os.times()
    return clock, after.children_user + after.children_system - before.children_user - before.children_system


def main(rounds: int) -> None:
    """Print the median of each row, and of its difference to the first row of the same round."""
    for code in ROWS.values():  # writes byte code and warms the file cache
        seconds(code)
    taken = np.array([[seconds(code) for code in ROWS.values()] for _ in range(rounds)])  # (rounds, rows, 2)
    median, added = np.median(taken, axis=0), np.median(taken - taken[:, :1], axis=0)
    print(f"median of {rounds} interleaved rounds, Python {sys.version.split()[0]}")
    print(f"{'':<28}{'seconds':>10}{'added':>10}{'ratio':>10}{'CPU s':>10}{'added':>10}")
    for row, name in enumerate(ROWS):
        ratio = np.median(taken[:, row, 0] / taken[:, 0, 0])
        (clock, cpu), (more_clock, more_cpu) = median[row], added[row]
        print(f"{name:<28}{clock:>10.3f}{more_clock:>10.3f}{ratio:>10.3f}{cpu:>10.3f}{more_cpu:>10.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
