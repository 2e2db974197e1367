"""Search for fine-tuning settings of a language model with the gate, on validation parts only.

Each setting is trained on seeds that `comodal compare` never uses, and the lowest validation loss (MAE) of each run is
printed. The test part is not read.

    python benchmarks/language_model_search.py mosi:clean --backbone path/to/all-MiniLM-L6-v2
    python benchmarks/language_model_search.py mosi:clean --backbone PATH --accelerator gpu --batches 32,64 --jobs 14
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import itertools
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor

import torch

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import SELECTION_SEED
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.data import FoldData, prepare
from comodal.training.fit import fit_fold

FIRST_SEED = SELECTION_SEED + 700_000
RATES = (1e-4, 5e-5, 2e-4)
DROPOUTS = (0.1, 0.5)
HEAD_RATE = 1e-3


@functools.lru_cache(maxsize=1)
def fold_of(data: str, backbone: str) -> FoldData:
    """Return the data as a language model's pieces, made once per process."""
    dataset = DataConfig(source=data).load()
    return prepare(dataset, dataset.partitions[0], RunConfig(fusion="mag", fusion_config={"backbone": backbone}))


def validation_loss(data: str, config: RunConfig) -> tuple[float, float, int]:
    """Return the lowest validation loss of one run, its seconds, and the epoch of that loss."""
    torch.set_num_threads(1)
    result = fit_fold(fold_of(data, config.fusion_config["backbone"]), config)
    return result.valid_loss, result.seconds, result.best_epoch + 1


def settings(options: argparse.Namespace) -> dict[tuple[int, float, float], RunConfig]:
    """Return the run of each batch size, learning rate of the encoder and dropout of the gate."""
    found = {}
    for batch, rate, dropout in itertools.product(map(int, options.batches.split(",")), RATES, DROPOUTS):
        training = TrainingConfig(
            lr=HEAD_RATE,
            group_lr={"encoders": rate},
            schedule="linear",
            warmup_share=0.1,
            batch_size=batch,
            max_epochs=options.epochs,
            patience=options.epochs,
            length_pool=8,
            precision="bf16-mixed",
            accelerator=options.accelerator,
        )
        of_model = {"backbone": options.backbone, "dropout": dropout}
        found[batch, rate, dropout] = RunConfig(fusion="mag", fusion_config=of_model, training=training)
    return found


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batches", default="32")
    parser.add_argument("--accelerator", default="cpu")
    options = parser.parse_args()
    print(
        f"{'batch':>5} {'encoder lr':>10} {'gate dropout':>13} {'valid MAE':>10} {'se':>7} "
        f"{'best epoch':>10} {'seconds':>8}"
    )
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        runs = {
            setting: [
                pool.submit(validation_loss, options.data, dataclasses.replace(config, seed=FIRST_SEED + seed))
                for seed in range(options.seeds)
            ]
            for setting, config in settings(options).items()
        }
        for (batch, rate, dropout), futures in runs.items():
            losses, seconds, epochs = zip(*(future.result() for future in futures), strict=True)
            error = statistics.stdev(losses) / len(losses) ** 0.5
            print(
                f"{batch:>5} {rate:>10g} {dropout:>13g} {statistics.mean(losses):>10.4f} {error:>7.4f} "
                f"{statistics.mean(epochs):>10.1f} {statistics.mean(seconds):>8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
