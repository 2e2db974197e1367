"""Cost of the EF-LSTM: its forward and backward pass compared with a bare LSTM on the same frames, on one core.

Run ``python benchmarks/recurrent_models.py``; it prints a table and never fails. The bare model is ``torch.nn.LSTM``
and a linear layer on frames that were concatenated beforehand, without masks, alignment, dropout or representations.
Short rounds of both are interleaved, so that a busy machine slows both alike; ``speed`` is the median over rounds of
bare seconds over the model's.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import torch
from support.interleaved import median_ratio, taken_in_turn
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.fusion import EFLSTM, EFLSTMConfig

DIMS = {"text": 300, "audio": 74, "vision": 35}
HIDDEN = 128


def batch_of(rows: int, steps: int) -> MultimodalBatch:
    """Return word-aligned samples of random lengths."""
    lengths = torch.randint(1, steps + 1, (rows, 1))
    lengths[0] = steps
    mask = torch.arange(steps) < lengths
    sequences = {name: ModalitySequence(torch.randn(rows, steps, dim), mask) for name, dim in DIMS.items()}
    return MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.randn(rows))


def bare(batch: MultimodalBatch) -> Callable[[], None]:
    """Return a function that runs the bare LSTM forward and backward."""
    frames = torch.cat([sequence.values for sequence in batch.modalities.values()], dim=2)
    lstm, head = nn.LSTM(frames.shape[2], HIDDEN, batch_first=True), nn.Linear(HIDDEN, 1)

    def run() -> None:
        states, _ = lstm(frames)
        head(states[:, -1]).square().sum().backward()

    return run


def ours(batch: MultimodalBatch, *, penalty: bool = False, **options: float) -> Callable[[], None]:
    """Return the same for the EF-LSTM; with a penalty, the objective contains each representation."""
    steps = next(iter(batch.modalities.values())).mask.shape[1]
    spec = DatasetSpec("benchmark", DIMS, dict.fromkeys(DIMS, steps))
    model = EFLSTM(spec, EFLSTMConfig(hidden=HIDDEN, **options))

    def run() -> None:
        output = model(batch)
        objective: Tensor = output.logits.square().sum()
        if penalty:
            objective = objective + sum(view.square().sum() for view in output.representations.values())
        objective.backward()

    return run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--passes", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'model':28} {'rows':>5} {'steps':>5} {'ms a pass':>10} {'speed':>6}")
    for rows, steps in ((32, 20), (32, 50), (64, 50)):
        batch = batch_of(rows, steps)
        variants = {
            "torch.nn.LSTM": bare(batch),
            "ef_lstm, no dropout": ours(batch, input_dropout=0.0, dropout=0.0),
            "ef_lstm": ours(batch),
            "ef_lstm, penalty": ours(batch, penalty=True),
        }
        seconds = taken_in_turn(variants, rounds=options.rounds, repeats=options.passes)
        for name, times in seconds.items():
            speed = median_ratio(seconds, "torch.nn.LSTM", name)
            print(f"{name:28} {rows:5} {steps:5} {statistics.median(times) * 1e3:10.1f} {speed:6.2f}")


if __name__ == "__main__":
    main()
