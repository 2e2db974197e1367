"""Seconds and memory of whole training runs on CMU-MOSI `clean`, one fresh process per architecture, one thread.

The first run of a process includes PyTorch's own warm-up and is left out. For comparison, the peer MMSA 2.2.1 spends
on the same data 3.4 CPU seconds on a run of LMF, 7.3 on MFN, 8.6 on EF-LSTM, 57 on MulT and 90 to 180 on TFN, and peaks
at 480 to 510 MB, TFN above 1 GB (README of the data). On a CPU, seconds are processor time; with `--accelerator gpu`
they are wall-clock time, and the memory is that of the GPU. Models have their defaults, or the options of a
configuration for `comodal compare`.

    python benchmarks/mosi_runs.py --runs 8
    python benchmarks/mosi_runs.py --runs 8 --config examples/mosi_models.yaml
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import resource
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
import yaml
from support.interleaved import clock_of

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.grid import CompareConfig
from comodal.fusion import FUSIONS
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
from comodal.training.data import prepare
from comodal.training.fit import fit_fold

SETTINGS = (
    *((fusion, "none") for fusion, family in FUSIONS.items() if family.tokenizer is None),
    ("early", "kl"),
    ("early", "wasserstein"),
    ("lfn", "kl"),
)


def measure(config: RunConfig, runs: int) -> tuple[list[float], list[int], list[float], float, int]:
    """Return seconds, epochs and validation loss of each run, peak memory in MB, and the number of training samples."""
    torch.set_num_threads(1)
    on_cpu = config.training.accelerator == "cpu"
    clock = clock_of("cpu" if on_cpu else "cuda")
    dataset = DataConfig(source="mosi:clean").load()
    fold = prepare(dataset, dataset.partitions[0])
    seconds, epochs, losses = [], [], []
    for seed in range(runs + 1):
        run = dataclasses.replace(config, seed=seed)
        started = clock()
        result = fit_fold(fold, run)
        FittedFold.of(fold, run, result).predict()
        seconds.append(clock() - started)
        epochs.append(result.epochs)
        losses.append(result.valid_loss)
    peak = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if on_cpu else torch.cuda.max_memory_allocated() / 1e6
    )
    return seconds[1:], epochs[1:], losses[1:], peak, len(fold.partition.train)


def main() -> None:
    """Print one line per architecture and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--batch", type=int, default=TrainingConfig().batch_size)
    parser.add_argument("--fusion", help="commas between names; all if not given")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    given = yaml.safe_load(options.config.read_text(encoding="utf-8")) if options.config else {}
    training = TrainingConfig(accelerator=options.accelerator, batch_size=options.batch)
    compared = CompareConfig(base=RunConfig(training=training), **given)
    chosen = options.fusion.split(",") if options.fusion else FUSIONS
    print(
        f"{'fusion':<10} {'measure':<12} {'s a run':>8} {'epochs':>7} {'utterances a second':>20} "
        f"{'valid MAE':>10} {'peak MB':>8}"
    )
    for fusion, penalty in (setting for setting in SETTINGS if setting[0] in chosen):
        config = dataclasses.replace(compared.base_for(fusion), penalty=PenaltyConfig(measure=penalty))
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            seconds, epochs, losses, peak, utterances = pool.submit(measure, config, options.runs).result()
        rate = utterances * sum(epochs) / sum(seconds)
        print(
            f"{fusion:<10} {penalty:<12} {statistics.mean(seconds):8.2f} {statistics.mean(epochs):7.1f} "
            f"{rate:20.0f} {statistics.mean(losses):10.3f} {peak:8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
