"""Calibration of the comparison: many small A/A comparisons, whose p-values must be uniform.

Each comparison draws its own data set and trains early fusion twice per seed: without a penalty, and as a placebo,
which has no penalty either but other random streams. All differences are chance, so 5 % of the p-values should be below
0.05 and their distribution uniform (Kolmogorov-Smirnov).

    python benchmarks/placebo.py --comparisons 200 --seeds 6 --jobs 2
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch

from comodal.data.load import load
from comodal.data.synthetic_config import SyntheticConfig
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.grid import NONE, PLACEBO, Arm, Trial
from comodal.evaluation.multiplicity import uniformity
from comodal.evaluation.rows import SeedRun, comparison_rows
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.data import prepare
from comodal.training.fit import fit_fold

METRICS = ("mae", "corr", "acc_2_pos")
BASE = RunConfig(
    fusion_config={"hidden": 32, "encoder": {"hidden": 32, "representation": 16}},
    training=TrainingConfig(max_epochs=25, patience=5),
)


def compare_with_placebo(number: int, seeds: int) -> dict[str, float]:
    """Return the uncorrected p-values of one A/A comparison on data set ``number``."""
    torch.set_num_threads(1)
    dataset = load(SyntheticConfig(n_train=96, n_valid=48, n_test=160, seed=number))
    fold = prepare(dataset, dataset.partitions[0])
    runs: dict[tuple[str, str, float], list[SeedRun]] = {}
    for measure in (NONE, PLACEBO):
        runs["early", measure, 0.0] = []
        for seed in range(number * seeds, (number + 1) * seeds):
            config = Trial(Arm("early", measure), 0.0, seed, 0, reads_test=True).config(BASE)
            result = fit_fold(fold, config)
            table = FittedFold.of(fold, config, result).predict()
            runs["early", measure, 0.0].append(SeedRun(seed, table, result.seconds))
    rows = comparison_rows(runs, metrics=METRICS)
    return {row.metric: row.p_raw for row in rows if row.measure == PLACEBO and row.p_raw is not None}


def main() -> None:
    """Run the comparisons and print the uniformity of their p-values."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    count = options.comparisons
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(compare_with_placebo, range(count), [options.seeds] * count, chunksize=4))
    print(f"{count} A/A comparisons of {options.seeds} seeds each")
    print(f"{'metric':<10} {'p < 0.05':>9} {'p < 0.01':>9} {'KS':>6} {'KS p-value':>11}")
    for metric in METRICS:
        p_values = np.array([each[metric] for each in found if metric in each])
        test = uniformity(p_values)
        shares = [f"{100 * np.mean(p_values < level):8.1f}%" for level in (0.05, 0.01)]
        print(f"{metric:<10} {shares[0]:>9} {shares[1]:>9} {test.statistic:6.3f} {test.p_value:11.3f}")


if __name__ == "__main__":
    main()
