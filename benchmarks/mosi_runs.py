"""CPU seconds and memory of whole training runs on CMU-MOSI `clean`, a fresh process an architecture, one thread.

The first run of a process also pays PyTorch's own warm-up and is left out. For comparison, the peer MMSA 2.2.1
spends 3.4 CPU seconds on an LMF run on the same data and peaks at 490 MB (README of the data).

    python benchmarks/mosi_runs.py --runs 8
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

import torch

from comodal.evaluation.experiment import DataConfig, fit_fold, predict_fold
from comodal.training.config import PenaltyConfig, RunConfig
from comodal.training.data import prepare

SETTINGS = (("early", "none"), ("lfn", "none"), ("early", "kl"), ("early", "wasserstein"), ("lfn", "kl"))


def measure(fusion: str, penalty: str, runs: int) -> tuple[list[float], list[int], float]:
    """CPU seconds and epochs of each run, and the process's peak memory in MB."""
    torch.set_num_threads(1)
    dataset = DataConfig(source="mosi:clean").load()
    fold = prepare(dataset, dataset.partitions[0])
    seconds, epochs = [], []
    for seed in range(runs + 1):
        config = RunConfig(fusion=fusion, penalty=PenaltyConfig(measure=penalty), seed=seed)
        started = time.process_time()
        result = fit_fold(fold, config)
        predict_fold(fold, result, config)
        seconds.append(time.process_time() - started)
        epochs.append(result.epochs)
    return seconds[1:], epochs[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one line an architecture and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    print(f"{'fusion':<8} {'measure':<12} {'CPU s a run':>12} {'epochs':>7} {'ms an epoch':>12} {'peak MB':>8}")
    for fusion, penalty in SETTINGS:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            seconds, epochs, peak = pool.submit(measure, fusion, penalty, options.runs).result()
        each = 1000 * sum(seconds) / sum(epochs)
        print(
            f"{fusion:<8} {penalty:<12} {statistics.mean(seconds):12.2f} {statistics.mean(epochs):7.1f} "
            f"{each:12.1f} {peak:8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
