"""Fine-tuning settings of a language model with the gate, on validation alone.

Each setting is trained on seeds apart from all that `comodal compare` uses, and the lowest validation loss (MAE) of
each run is printed. Nothing of the test part is read.

    python benchmarks/language_model_search.py mosi:clean --backbone path/to/all-MiniLM-L6-v2
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor

import torch

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import fit_fold
from comodal.evaluation.grid import SELECTION_SEED
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.data import prepare

FIRST_SEED = SELECTION_SEED + 700_000
RATES = (1e-4, 5e-5, 2e-4)
DROPOUTS = (0.1, 0.5)
EPOCHS = 6
HEAD_RATE = 1e-3


def validation_loss(data: str, backbone: str, rate: float, dropout: float, seed: int) -> tuple[float, float]:
    """Lowest validation loss of one run, and its seconds."""
    torch.set_num_threads(1)
    dataset = DataConfig(source=data).load()
    training = TrainingConfig(
        lr=HEAD_RATE,
        group_lr={"encoders": rate},
        schedule="linear",
        warmup_share=0.1,
        batch_size=32,
        max_epochs=EPOCHS,
        patience=EPOCHS,
        length_pool=8,
        precision="bf16-mixed",
    )
    options = {"backbone": backbone, "dropout": dropout}
    config = RunConfig(fusion="mag", fusion_config=options, training=training, seed=FIRST_SEED + seed)
    result = fit_fold(prepare(dataset, dataset.partitions[0], config), config)
    return result.valid_loss, result.seconds


def main() -> None:
    """Print one line a setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print(f"{'encoder lr':>10} {'gate dropout':>13} {'valid MAE':>10} {'of each seed':>20} {'seconds':>8}")
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        runs = {
            (rate, dropout): [
                pool.submit(validation_loss, options.data, options.backbone, rate, dropout, seed)
                for seed in range(options.seeds)
            ]
            for rate, dropout in itertools.product(RATES, DROPOUTS)
        }
        for (rate, dropout), futures in runs.items():
            losses, seconds = zip(*(future.result() for future in futures), strict=True)
            each = ", ".join(f"{loss:.4f}" for loss in losses)
            mean = statistics.mean(losses)
            print(f"{rate:>10g} {dropout:>13g} {mean:>10.4f} {each:>20} {statistics.mean(seconds):>8.0f}", flush=True)


if __name__ == "__main__":
    main()
