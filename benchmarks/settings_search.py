"""Search for settings in which a penalty helps, on validation parts only.

For every setting below, early fusion is trained with and without a penalty on the same seeds and partitions, and
the paired difference of the validation loss (MAE) is printed: negative is better. `comodal compare` never uses these
seeds, neither for selection nor for reporting. The test parts are not read, so the best setting can be tested once.

    python benchmarks/settings_search.py mosi:nested --seeds 4 --jobs 2 --out runs/search
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from comodal.data.load import load
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import NONE, SELECTION_SEED, Arm, Trial
from comodal.evaluation.runner import run_trials
from comodal.training.build_config import build_config
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

FIRST_SEED = SELECTION_SEED + 500_000
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "five critic steps": {"penalty": {"critic_steps": 5}},
    "fresh batches": {"penalty": {"fresh_batches": True}},
    "simultaneous": {"penalty": {"critic_steps": 0}},
    "faster critic": {"penalty": {"critic_lr": 1e-2}},
    "wider critic": {"penalty": {"critic_hidden": (256, 256)}},
    "separable critic": {"penalty": {"critic": "separable"}},
    "unit sphere": {"penalty": {"normalize": "sphere"}},
    "fusion against modalities": {"penalty": {"between": "fusion"}},
    "warm-up of 10 epochs": {"penalty": {"warmup_epochs": 10}},
    "batches of 32": {"training": {"batch_size": 32}},
    "batches of 128": {"training": {"batch_size": 128}},
    "half of the videos": {"training": {"train_share": 0.5}},
    "a quarter of the videos": {"training": {"train_share": 0.25}},
    "no dropout": {"fusion_config": {"dropout": 0.0, "encoder": {"dropout": 0.0, "input_dropout": 0.0}}},
    "modality dropout 0.3": {"fusion_config": {"modality_dropout": 0.3}},
    "narrow encoders": {"fusion_config": {"encoder": {"hidden": 32, "representation": 8}}},
    "narrow, critic that keeps up": {
        "fusion_config": {"hidden": 64, "encoder": {"hidden": 64, "representation": 4}},
        "penalty": {"critic_lr": 5e-3, "critic_steps": 5},
        "training": {"batch_size": 32},
    },
    "no dropout, a quarter of the videos": {
        "fusion_config": {"dropout": 0.0, "encoder": {"dropout": 0.0, "input_dropout": 0.0}},
        "training": {"train_share": 0.25},
    },
    "without vision": {"features": ("text", "audio")},
    "without audio": {"features": ("text", "vision")},
    "without text": {"features": ("audio", "vision")},
}


def base_config(setting: dict[str, Any]) -> RunConfig:
    """Return the run configuration of a setting."""
    return RunConfig(
        fusion_config=setting.get("fusion_config", {}),
        penalty=build_config(PenaltyConfig, setting.get("penalty", {}), where="penalty"),
        training=build_config(TrainingConfig, setting.get("training", {}), where="training"),
    )


def main() -> None:
    """Train every setting and print the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/search"))
    parser.add_argument("--arms", default="kl=1,f=1,wasserstein=0.1")
    parser.add_argument("--only", help="comma-separated settings, all when not given")
    options = parser.parse_args()
    dataset = load(options.data)
    parts = range(len(dataset.partitions))
    weights = {name: float(weight) for name, _, weight in (item.partition("=") for item in options.arms.split(","))}
    print(f"{'setting':<36} {'none':>7}  " + "  ".join(f"{f'{m} {w:g}':>24}" for m, w in weights.items()))
    chosen = options.only.split(",") if options.only else list(SETTINGS)
    for number, (name, setting) in enumerate(SETTINGS.items()):
        if name not in chosen:
            continue
        losses = {}
        arms = {NONE: 0.0, **weights}
        trials = [
            Trial(Arm("early", measure), weight, FIRST_SEED + seed, part, reads_test=False)
            for seed in range(options.seeds)
            for measure, weight in arms.items()
            for part in parts
        ]
        bases = {"early": dataclasses.replace(base_config(setting), fusion="early")}
        features = {name: name for name in setting["features"]} if "features" in setting else None
        data = DataConfig(source=options.data, features=features)
        results = run_trials(trials, data=data, bases=bases, root=options.out / f"{number:02d}", jobs=options.jobs)
        for measure in arms:
            losses[measure] = np.array([r.valid_loss for trial, r in results.items() if trial.arm.measure == measure])
        cells = []
        for measure in weights:
            difference = losses[measure] - losses[NONE]
            error = difference.std(ddof=1) / len(difference) ** 0.5
            cells.append(f"{difference.mean():+.4f} (se {error:.4f}, t {difference.mean() / error:+.1f})")
        print(f"{name:<36} {losses[NONE].mean():7.4f}  " + "  ".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
