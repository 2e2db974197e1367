"""Cost of crossmodal transformers: a training step of MulT compared with a sequential implementation, on one core.

Run ``python benchmarks/crossmodal.py``; it prints a table and never fails. The reference is the same network at the
same sizes in its usual form: one module per pair of modalities around ``torch.nn.MultiheadAttention`` with padding
masks, and ``torch.nn.Conv1d``. Samples have random lengths and three modalities: one frame each, and up to 50, 375 and
500 unaligned frames, as in CMU-MOSI. Short rounds of both are interleaved, so that a busy machine slows both alike;
``speed`` is the median over rounds of the reference's seconds over ours.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable

import torch
from support.interleaved import median_ratio, repeats_in, taken_in_turn
from support.steps import fitting, training_step
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders.temporal import sinusoidal_positions
from comodal.fusion import MulT, MulTConfig

DIMS = {"text": 300, "audio": 74, "vision": 47}
SETTINGS = {"one frame": (64, (1, 1, 1)), "aligned": (32, (50, 50, 50)), "unaligned": (8, (50, 375, 500))}


def batch_of(rows: int, lengths: tuple[int, ...]) -> MultimodalBatch:
    """Return samples of random lengths, the first of full length."""
    sequences = {}
    for (name, dim), longest in zip(DIMS.items(), lengths, strict=True):
        real = torch.randint(1, longest + 1, (rows, 1))
        real[0] = longest
        mask = torch.arange(longest) < real
        sequences[name] = ModalitySequence(torch.randn(rows, longest, dim) * mask.unsqueeze(-1), mask)
    return MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.randn(rows))


class Layer(nn.Module):
    """Attention and a feed-forward network of one transformer."""

    def __init__(self, width: int, config: MulTConfig) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, config.heads, dropout=config.attention_dropout, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, target: Tensor, source: Tensor, padding: Tensor) -> Tensor:
        """Map ``(B, T, D)`` to the same shape."""
        keys = self.norms[0](source)
        attended, _ = self.attention(self.norms[0](target), keys, keys, key_padding_mask=padding, need_weights=False)
        target = target + self.dropout(attended)
        hidden = functional.relu(self.expand(self.norms[1](target)))
        return target + self.dropout(self.contract(hidden))


class Transformer(nn.Module):
    """Layers that attend to a source, or without one to themselves."""

    def __init__(self, width: int, layers: int, config: MulTConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, config) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, target: Tensor, source: Tensor | None, padding: Tensor) -> Tensor:
        """Map ``(B, T, D)`` to the same shape."""
        for layer in self.layers:
            target = layer(target, target if source is None else source, padding)
        return self.norm(target)


class OneAfterAnother(nn.Module):
    """MulT with one module per pair of modalities, run one after another."""

    def __init__(self, config: MulTConfig) -> None:
        super().__init__()
        width, count = config.width, len(DIMS)
        self.dropout = nn.Dropout(config.input_dropout)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, width, 3, padding=1, bias=False) for dim in DIMS.values())
        self.pairs = list(itertools.permutations(range(count), 2))
        self.crossmodal = nn.ModuleList(Transformer(width, config.layers, config) for _ in self.pairs)
        wide = width * (count - 1)
        self.memory = nn.ModuleList(Transformer(wide, config.self_layers, config) for _ in DIMS)
        self.block = nn.Sequential(
            nn.Linear(wide * count, wide * count),
            nn.ReLU(),
            nn.Dropout(config.output_dropout),
            nn.Linear(wide * count, wide * count),
        )
        self.head = nn.Linear(wide * count, 1)

    def forward(self, batch: MultimodalBatch) -> Tensor:
        """Return predictions ``(B,)``."""
        sequences = list(batch.modalities.values())
        frames = []
        for sequence, convolution in zip(sequences, self.convolutions, strict=True):
            convolved = convolution(self.dropout(sequence.values).transpose(1, 2)).transpose(1, 2)
            frames.append(convolved + sinusoidal_positions(convolved.shape[1], convolved.shape[2]))
        padding = [~sequence.mask for sequence in sequences]
        attended = [
            transformer(frames[m], frames[n], padding[n])
            for (m, n), transformer in zip(self.pairs, self.crossmodal, strict=True)
        ]
        last = []
        for m, transformer in enumerate(self.memory):
            side_by_side = torch.cat(
                [each for each, (target, _) in zip(attended, self.pairs, strict=True) if target == m], 2
            )
            states = transformer(side_by_side, None, padding[m])
            last.append(states[torch.arange(len(states)), sequences[m].mask.sum(dim=1) - 1])
        fused = torch.cat(last, dim=1)
        return self.head(fused + self.block(fused)).squeeze(1)


def step_of(model: nn.Module, batch: MultimodalBatch, predict: Callable[[], Tensor]) -> Callable[[], None]:
    """One training step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    return training_step(model, optimizer, fitting(predict, batch.target))


def variants(batch: MultimodalBatch, spec: DatasetSpec, config: MulTConfig) -> dict[str, Callable[[], None]]:
    """The two models' training steps on the same batch."""
    reference, ours = OneAfterAnother(config), MulT(spec, config)
    return {
        "one after another": step_of(reference, batch, lambda: reference(batch)),
        "mult": step_of(ours, batch, lambda: ours(batch).logits),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a round of one model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = MulTConfig()
    print(f"{'frames':10} {'model':18} {'rows':>5} {'ms a step':>10} {'samples/s':>10} {'speed':>6}")
    for setting, (rows, lengths) in SETTINGS.items():
        batch = batch_of(rows, lengths)
        spec = DatasetSpec("benchmark", DIMS, dict(zip(DIMS, lengths, strict=True)), aligned=len(set(lengths)) == 1)
        both = variants(batch, spec, config)
        repeats = repeats_in(options.seconds, both["mult"])
        seconds = taken_in_turn(both, rounds=options.rounds, repeats=repeats)
        for name, times in seconds.items():
            speed = median_ratio(seconds, "one after another", name)
            median = statistics.median(times)
            print(f"{setting:10} {name:18} {rows:5} {median * 1e3:10.1f} {rows / median:10.0f} {speed:6.2f}")


if __name__ == "__main__":
    main()
