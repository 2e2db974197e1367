"""Start-up cost as a ratio to ``import torch``: CPU seconds of whole processes, taken in turn.

Targets: ``--help`` at most 0.2; one epoch of ``comodal train synthetic`` at most 1.3 plus the training itself, which
is the time of a second run in a process that has finished one.

    python benchmarks/import_time.py [rounds]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import numpy as np

COMMAND = "from comodal.cli import main; main({!r}.split())"
TRAIN = "train synthetic:redundant --training.max_epochs 1 --json --out {}"
GRID = """
import time
from comodal.evaluation.grid import CompareConfig, Trial
before = time.process_time()
config = CompareConfig(fusions=("early", "lfn"))
for arm in config.arms():
    for seed in range(256 // len(config.arms())):
        Trial(arm, 0.1, seed, 0, True).config(config.base)
print(time.process_time() - before)
"""
ROWS = {
    "import torch": "import torch",
    "import comodal": "import comodal",
    "import torch and every public name": "import torch, comodal; [getattr(comodal, n) for n in comodal.__all__]",
    "comodal --help": COMMAND.format("--help"),
    "comodal train --help": COMMAND.format("train --help"),
    "comodal compare --help": COMMAND.format("compare --help"),
    "comodal data inspect --help": COMMAND.format("data inspect --help"),
    "comodal train, one epoch": COMMAND.format(TRAIN.format("one")),
    "comodal train, one epoch, twice": "\n".join(COMMAND.format(TRAIN.format(out)) for out in ("one", "two")),
}


def cpu_seconds(code: str) -> float:
    """CPU time of a fresh interpreter, in an empty folder, that runs ``code``."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.times()
        silent = f"try:\n    exec({code!r})\nexcept SystemExit:\n    pass"
        subprocess.run([sys.executable, "-c", silent], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main(rounds: int) -> None:
    """Print the median of each row and of its ratio to the first row of the same round."""
    taken = np.array([[cpu_seconds(code) for code in ROWS.values()] for _ in range(rounds + 1)])[1:]  # first: byte code
    print(f"median CPU seconds of {rounds} rounds, Python {sys.version.split()[0]}\n{'':<36}{'CPU s':>8}{'ratio':>8}")
    for name, column in zip(ROWS, taken.T, strict=True):
        print(f"{name:<36}{np.median(column):>8.3f}{np.median(column / taken[:, 0]):>8.3f}")
    start = 2 * taken[:, -2] - taken[:, -1]
    print(f"{'comodal train without the training':<36}{np.median(start):>8.3f}{np.median(start / taken[:, 0]):>8.3f}")
    grid = subprocess.run([sys.executable, "-c", GRID], check=True, capture_output=True, text=True).stdout
    print(f"the configurations of 256 runs: {float(grid):.3f} CPU s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
