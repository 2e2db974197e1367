"""How well critics find broken pairs, for every run of a comparison, against chance and linear CCA.

One modality of half the test samples is taken from another group. The area below the ROC curve is the probability that
a broken sample has a lower score than an intact one, 0.5 for a random score. The 95 % interval and the p-value against
0.5 are over seeds and groups (comodal.evaluation.crossed), the p-values corrected by Holm over all rows of the table;
* marks those below 0.05.

    comodal compare mosi:nested --fusion early,lfn --measures none,kl,f,wasserstein --seeds 32 --out runs/nested
    python benchmarks/pairing.py runs/nested --jobs 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch

from comodal.evaluation.crossed import CrossedMean, crossed_mean
from comodal.evaluation.multiplicity import holm
from comodal.evaluation.runs import RunSet, SavedRun, open_runs
from comodal.explain.pairing import Detection, detections, held_out_parts

Row = tuple[str, str, str, str]  # arm, score, target, modality
_open: dict[tuple[str, bool], RunSet] = {}


def found_by(folder: str, position: int, options: argparse.Namespace) -> tuple[str, list[Detection], float]:
    """Return the label of a run's arm, the detection of broken pairs by each score, and the processor seconds."""
    torch.set_num_threads(1)
    key = (folder, options.replication)
    if key not in _open:
        _open[key] = open_runs(folder, replication=options.replication)
    runs = _open[key]
    run, start = runs.runs[position], time.process_time()
    parts = held_out_parts(runs, run, measure_to_fit=options.fit)
    found = list(detections(parts, share=options.share, repetitions=options.repetitions, seed=run.seed))
    return f"{run.arm.label}/{run.arm.measure}", found, time.process_time() - start


def chosen(runs: RunSet, seeds: int) -> Iterator[int]:
    """Return positions of the runs with two modalities or more, the first seeds of each arm."""
    kept = sorted({run.seed for run in runs.runs})[: seeds or None]

    def usable(run: SavedRun) -> bool:
        return run.seed in kept and not run.arm.modality and run.has_weights

    return (position for position, run in enumerate(runs.runs) if usable(run))


def means(found: Mapping[Row, list[Detection]]) -> dict[Row, CrossedMean]:
    """Return AUROC above chance over seeds and groups; each seed drew its own pairs."""
    return {
        row: crossed_mean(
            np.array([each.auroc.value for each in seeds]) - 0.5,
            np.stack([each.auroc.left_out for each in seeds], axis=1) - 0.5,
            effective_groups=seeds[0].groups.effective_count,
        )
        for row, seeds in found.items()
    }


def table(found: Mapping[Row, list[Detection]]) -> Iterator[str]:
    """Return lines of Markdown: one row per arm and score, one column per modality."""
    results = means(found)
    corrected = dict(zip(results, holm([each.p_value for each in results.values()]), strict=True))
    columns = list(dict.fromkeys((target, modality) for _, _, target, modality in results))
    names = [modality or target for target, modality in columns]
    yield f"| arm | score | seeds | {' | '.join(names)} |"
    yield f"|---|---|---|{'---|' * len(columns)}"
    for arm, score in dict.fromkeys(row[:2] for row in results):
        cells = []
        for column in columns:
            mean, p_value = results[arm, score, *column], corrected[arm, score, *column]
            star = "*" if p_value is not None and p_value < 0.05 else ""
            cells.append(f"{0.5 + mean.delta:.3f} [{0.5 + mean.ci_low:.3f}, {0.5 + mean.ci_high:.3f}]{star}")
        yield f"| {arm} | {score} | {len(found[arm, score, *columns[0]])} | {' | '.join(cells)} |"


def main() -> None:
    """Evaluate the runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="what `comodal compare` or `comodal train` wrote, with weights")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=0, help="how many of the seeds; 0 for all")
    parser.add_argument("--fit", default="kl", help="measure of the critic that is fitted afterwards")
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--replication", action="store_true", help="the runs on fresh seeds")
    options = parser.parse_args()
    positions = list(chosen(open_runs(options.folder, replication=options.replication), options.seeds))
    found: dict[Row, list[Detection]] = {}
    seconds = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        count = len(positions)
        for arm, detected, spent in pool.map(found_by, [options.folder] * count, positions, [options] * count):
            seconds.append(spent)
            for each in detected:
                found.setdefault((arm, each.score.score, each.score.target, each.score.modality), []).append(each)
    print("\n".join(table(found)))
    print(f"\n{count} runs, {np.median(seconds):.2f} s each (median of processor time)")


if __name__ == "__main__":
    main()
