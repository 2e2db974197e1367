"""Cost of the gate and the penalty in a language model: a training step with them over plain fine-tuning.

Run ``python benchmarks/language_model_step.py``; it prints a table and never fails. ``mag`` on an encoder of the sizes
of MiniLM-L6 with random weights (22 million; ``--backbone`` takes a folder instead), 48 utterances (``--batch``) of 50
word pieces with audio and vision frames of the sizes of CMU-MOSI, forward, backward and AdamW in a plain loop. Single
steps of all variants are interleaved, so that a busy machine slows all alike; a ratio is the median over rounds of each
round's ratio. Plain fine-tuning is the same model with the text alone, which has no gate. ``--device cuda`` takes the
steps on a GPU, ten in a row, ``--precision bf16`` under autocast.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from support.interleaved import median_ratio, taken_in_turn
from support.steps import penalized, training_step
from torch import Tensor

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.dependency import DependencyPenalty
from comodal.fusion import MAG, MAGConfig
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

DIMS = {"text": 2, "audio": 74, "vision": 47}
PIECES = 50
WORDS = 1000


def save_random(folder: str) -> None:
    """Save an encoder of the sizes of MiniLM-L6 with random weights."""
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    BertModel(BertConfig(**sizes)).save_pretrained(folder)


@dataclass(frozen=True)
class Setting:
    """Device, precision and batch of the measured steps."""

    backbone: str
    device: str
    precision: str
    batch: int


def step_of(setting: Setting, names: tuple[str, ...], measure: str | None = None) -> Callable[[], None]:
    """Return a function that makes one training step on the modalities of ``names``, with a penalty or without."""
    torch.manual_seed(0)
    backbone, rows = setting.backbone, setting.batch
    dims = {name: DIMS[name] for name in names}
    tokens = TokenSpec(backbone, WORDS, pad_id=0, unknown_id=1, max_length=PIECES)
    spec = DatasetSpec("benchmark", dims, dict.fromkeys(dims, PIECES), tokens=tokens)
    model = MAG(spec, MAGConfig(backbone=backbone)).to(setting.device).train()
    penalty = (
        None if measure is None else DependencyPenalty(measure, dims=model.dims, critic_steps=1).to(setting.device)
    )
    optimizer = build_optimizer(model, TrainingConfig(lr=1e-5))
    mask = torch.ones(rows, PIECES, dtype=torch.bool)
    words = torch.randint(5, WORDS, (rows, PIECES))
    sequences = {"text": ModalitySequence(torch.stack([words, torch.zeros_like(words)], dim=-1), mask)}
    sequences |= {name: ModalitySequence(torch.randn(rows, PIECES, DIMS[name]), mask) for name in names[1:]}
    batch = MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.randn(rows)).to(setting.device)
    objective = penalized(model, batch, penalty)

    def cast() -> Tensor:
        with torch.autocast(setting.device, torch.bfloat16, enabled=setting.precision == "bf16"):
            return objective()

    return training_step(model, optimizer, cast)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--backbone", help="folder or name of an encoder; one of random weights if not given")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    repeats = 1 if options.device == "cpu" else 10
    with tempfile.TemporaryDirectory() as folder:
        if options.backbone is None:
            save_random(folder)
        setting = Setting(options.backbone or str(Path(folder)), options.device, options.precision, options.batch)
        variants = {
            "plain fine-tuning": step_of(setting, ("text",)),
            "mag": step_of(setting, tuple(DIMS)),
            "mag, kl penalty": step_of(setting, tuple(DIMS), "kl"),
        }
    seconds = taken_in_turn(variants, rounds=options.rounds, repeats=repeats, device=options.device)
    print(f"{'step':20} {'ms a step':>10} {'ratio':>7} {'utterances a second':>20}")
    for name, times in seconds.items():
        ratio = median_ratio(seconds, name, "plain fine-tuning")
        middle = statistics.median(times)
        print(f"{name:20} {middle * 1e3:10.1f} {ratio:7.3f} {options.batch / middle:20.0f}")


if __name__ == "__main__":
    main()
