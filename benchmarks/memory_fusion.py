"""Cost of the Memory Fusion Network: a training step of a loop over cells over one of the library's, on one core.

Run ``python benchmarks/memory_fusion.py``; it prints a table and never fails. The loop is the model in its usual form:
at every step one ``nn.LSTMCell`` per modality, then attention, proposal and gates, padding included. Both train on the
same batch of 64 samples with the same widths and dropout; ``ragged`` samples have 1 to T frames, evenly spread,
``full`` ones all T. Rounds of both are interleaved, so that a busy machine slows both alike; a ratio is the median over
rounds of each round's ratio.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from support.interleaved import median_ratio, taken_in_turn
from support.steps import fitting, training_step
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.fusion import MFN, MFNConfig
from comodal.training.config import TrainingConfig

DIMS = {"text": 300, "audio": 74, "vision": 47}
BATCH = 64


@dataclass(frozen=True)
class Size:
    """Widths of a model: of the states by modality, of the memory and of every hidden layer."""

    hidden: tuple[int, int, int]
    memory: int
    layer: int


SIZES = (
    Size((32, 32, 32), 64, 64),
    Size((64, 8, 80), 128, 64),
    Size((64, 8, 80), 128, 128),
    Size((128, 32, 128), 128, 128),
)


class LoopOverCells(nn.Module):
    """Memory fusion as a loop over time steps."""

    def __init__(self, size: Size, dropout: float) -> None:
        super().__init__()

        def network(dim: int, out: int) -> nn.Module:
            return nn.Sequential(nn.Linear(dim, size.layer), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size.layer, out))

        cells = sum(size.hidden)
        self.memory = size.memory
        self.cells = nn.ModuleList(nn.LSTMCell(d, h) for d, h in zip(DIMS.values(), size.hidden, strict=True))
        self.attention = network(2 * cells, 2 * cells)
        self.proposal = network(2 * cells, size.memory)
        self.retain = network(2 * cells + size.memory, size.memory)
        self.update = network(2 * cells + size.memory, size.memory)
        self.output = network(cells + size.memory, 1)

    def forward(self, batch: MultimodalBatch) -> Tensor:
        """Return predictions ``(B,)``; masks are ignored."""
        frames = [sequence.values for sequence in batch.modalities.values()]
        rows, steps, _ = frames[0].shape
        hidden = [values.new_zeros(rows, cell.hidden_size) for values, cell in zip(frames, self.cells, strict=True)]
        state, memory = list(hidden), frames[0].new_zeros(rows, self.memory)
        for step in range(steps):
            before = state
            parts = zip(self.cells, frames, hidden, state, strict=True)
            hidden, state = map(list, zip(*[cell(x[:, step], (h, c)) for cell, x, h, c in parts], strict=True))
            window = torch.cat([*before, *state], dim=1)
            attended = self.attention(window).softmax(dim=1) * window
            both = torch.cat([attended, memory], dim=1)
            memory = self.retain(both).sigmoid() * memory + self.update(both).sigmoid() * self.proposal(attended).tanh()
        return self.output(torch.cat([*hidden, memory], dim=1)).squeeze(1)


def batch_of(steps: int, *, ragged: bool) -> MultimodalBatch:
    """Return random samples."""
    torch.manual_seed(0)
    lengths = torch.linspace(1, steps, BATCH).round() if ragged else torch.full((BATCH,), steps)
    mask = torch.arange(steps) < lengths[torch.randperm(BATCH)].unsqueeze(1)
    sequences = {
        name: ModalitySequence(torch.randn(BATCH, steps, dim) * mask.unsqueeze(2), mask) for name, dim in DIMS.items()
    }
    return MultimodalBatch(tuple(map(str, range(BATCH))), sequences, torch.randn(BATCH))


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser used for both."""
    return torch.optim.AdamW(model.parameters(), lr=TrainingConfig().lr, fused=True)


def variants(size: Size, steps: int, *, ragged: bool, dropout: float) -> dict[str, Callable[[], None]]:
    """The two models' training steps on the same batch."""
    batch = batch_of(steps, ragged=ragged)
    widths = dict.fromkeys(("attention", "proposal", "retain", "update", "output"), size.layer)
    rates = {f"{name}_dropout": dropout for name in ("attention", "proposal", "retain", "update")}
    hidden = dict(zip(DIMS, size.hidden, strict=True))
    config = MFNConfig(hidden=hidden, memory=size.memory, **widths, **rates, dropout=dropout, input_dropout=0.0)
    ours, loop = MFN(DatasetSpec("benchmark", DIMS, dict.fromkeys(DIMS, steps)), config), LoopOverCells(size, dropout)
    return {
        "loop": training_step(loop, optimizer_of(loop), fitting(lambda: loop(batch), batch.target)),
        "ours": training_step(ours, optimizer_of(ours), fitting(lambda: ours(batch).logits.squeeze(1), batch.target)),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dropout", type=float, default=0.2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{'states':>14} {'memory':>6} {'layer':>5} {'T':>3} {'lengths':>7} {'loop ms':>8} {'ours ms':>8} {'ratio':>6}"
    )
    for size in SIZES:
        for steps in (20, 50):
            for ragged in (True, False):
                both = variants(size, steps, ragged=ragged, dropout=options.dropout)
                seconds = taken_in_turn(both, rounds=options.rounds)
                loop, ours = (statistics.median(seconds[name]) * 1e3 for name in ("loop", "ours"))
                ratio = median_ratio(seconds, "loop", "ours")
                states = "/".join(map(str, size.hidden))
                lengths = "ragged" if ragged else "full"
                print(
                    f"{states:>14} {size.memory:6} {size.layer:5} {steps:3} {lengths:>7} "
                    f"{loop:8.1f} {ours:8.1f} {ratio:6.2f}"
                )


if __name__ == "__main__":
    main()
