"""Train in a process of its own: alone, or as one of several under the environment of ``torchrun``.

Run as ``python training_worker.py FOLDER RUNS [BATCHES]``, the runs as JSON: name of a run below the folder to its
options. After so many batches the last process is terminated.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from comodal.contracts import PredictionTable
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.evaluation.experiment import train
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
from comodal.training.loop import TrainingLoop

DATA = SyntheticConfig(n_train=59, n_valid=23, n_test=20, dims={"text": 6, "audio": 5, "vision": 5}, label_shared=0.9)
WITHOUT_DROPOUT = {"dropout": 0.0, "encoder": {"dropout": 0.0, "input_dropout": 0.0}}


def run(folder: Path, *, penalty: dict[str, Any], training: dict[str, Any], labels: bool = True) -> PredictionTable:
    """Train on synthetic data without dropout, whose masks differ between processes."""
    dataset = synthetic(DATA)
    config = RunConfig(
        fusion_config=WITHOUT_DROPOUT,
        penalty=PenaltyConfig(**penalty),
        training=TrainingConfig(**{"max_epochs": 3, "batch_size": 16, **training}),
        seed=5,
    )
    return train(dataset if labels else dataset.without_labels(), config, out=folder).predictions


def terminate_after(batches: int) -> None:
    """Send the last process SIGTERM in the middle of a batch."""
    whole, seen = TrainingLoop._train_batch, itertools.count(1)

    def train_batch(self: TrainingLoop, *arguments: Any) -> bool:
        if next(seen) == batches and os.environ["RANK"] == "1":
            signal.raise_signal(signal.SIGTERM)
        return whole(self, *arguments)

    TrainingLoop._train_batch = train_batch


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 3:
        terminate_after(int(sys.argv[3]))
    for name, options in json.loads(sys.argv[2]).items():
        run(Path(sys.argv[1]) / name, **options)
