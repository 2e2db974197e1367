"""Hyper-parameters of the fusion models on validation alone.

Every architecture is trained without a penalty at three learning rates and two sizes (its default and a smaller one),
on seeds apart from all that `comodal compare` uses, and the mean validation loss (MAE) is printed, the best of each
architecture last. Nothing of the test parts is read. What this chose stands in examples/mosi_models.yaml.

    python benchmarks/model_search.py mosi:clean --seeds 4 --jobs 2 --out runs/model_search
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from comodal.data.load import load
from comodal.evaluation.experiment import DataConfig
from comodal.evaluation.grid import NONE, SELECTION_SEED, Arm, Task
from comodal.evaluation.runner import run_tasks
from comodal.training.config import RunConfig, TrainingConfig

FIRST_SEED = SELECTION_SEED + 600_000
RATES = (3e-4, 1e-3, 3e-3)
SMALLER: dict[str, dict[str, Any]] = {
    "early": {"hidden": 32, "encoder": {"hidden": 64, "representation": 16}},
    "late": {"hidden": 16, "encoder": {"hidden": 64, "representation": 16}},
    "lfn": {"rank": 2, "hidden": 16, "encoder": {"hidden": 64, "representation": 16}},
    "tfn": {"hidden": 32, "encoder": {"hidden": 64, "representation": 6}},
    "ef_lstm": {"hidden": 48},
    "mfn": {"hidden": 16, "memory": 32},
    "mult": {"width": 16, "layers": 1, "self_layers": 1},
    "misa": {"width": 32, "hidden": 64, "encoder": {"hidden": 64, "representation": 16}},
}


def main() -> None:
    """Train every setting and print its validation loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--fusion", default=",".join(SMALLER))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/model_search"))
    options = parser.parse_args()
    parts = range(len(load(options.data).partitions))
    print(f"{'fusion':<8} {'size':<8} {'lr':>7} {'valid MAE':>10} {'se':>7} {'seconds a run':>14}")
    for fusion in options.fusion.split(","):
        found = {}
        for size, config in {"default": {}, "smaller": SMALLER[fusion]}.items():
            for lr in RATES:
                base = RunConfig(fusion=fusion, fusion_config=config, training=TrainingConfig(lr=lr))
                tasks = [
                    Task(Arm(fusion, NONE), 0.0, FIRST_SEED + seed, part, reads_test=False)
                    for seed in range(options.seeds)
                    for part in parts
                ]
                root = options.out / f"{fusion}-{size}-{lr:g}"
                results = run_tasks(
                    tasks, data=DataConfig(source=options.data), bases={fusion: base}, root=root, jobs=options.jobs
                )
                losses = np.array([result.valid_loss for result in results.values()])
                seconds = np.mean([result.seconds for result in results.values()])
                found[losses.mean()] = f"{size}, lr {lr:g}"
                error = losses.std(ddof=1) / len(losses) ** 0.5
                print(
                    f"{fusion:<8} {size:<8} {lr:>7g} {losses.mean():>10.4f} {error:>7.4f} {seconds:>14.2f}", flush=True
                )
        print(f"{fusion:<8} best: {found[min(found)]}", flush=True)


if __name__ == "__main__":
    main()
