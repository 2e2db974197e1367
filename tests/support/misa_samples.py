"""Small MISA models and batches."""

from __future__ import annotations

import itertools

import torch

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import MISA, MISAConfig

DIMS = {"text": 4, "audio": 2, "vision": 3}
SMALL = MISAConfig(
    EncoderConfig(hidden=9, representation=8), width=8, heads=2, feedforward=7, hidden=3, similarity_weight=0.7
)


def spec_of(modalities: int, steps: int = 3) -> DatasetSpec:
    names = list(DIMS)[:modalities]
    lengths = {name: steps + k for k, name in enumerate(names)}
    return DatasetSpec("toy", {name: DIMS[name] for name in names}, lengths, aligned=False)


def batch_of(spec: DatasetSpec, rows: int = 9, *, missing: bool = False, seed: int = 3) -> MultimodalBatch:
    """Sequences of random lengths, each modality its own; with ``missing``, in every combination of modalities."""
    generator = torch.Generator().manual_seed(seed)
    known = list(itertools.product([True, False], repeat=len(spec.dims)))
    sequences = {}
    for index, (name, dim) in enumerate(spec.dims.items()):
        steps = spec.max_lengths[name]
        lengths = torch.randint(1, steps + 1, (rows, 1), generator=generator)
        if missing:
            lengths = lengths * torch.tensor([[known[row % len(known)][index]] for row in range(rows)])
        values = torch.randn(rows, steps, dim, generator=generator, dtype=torch.float64)
        sequences[name] = ModalitySequence(values, torch.arange(steps) < lengths)
    return MultimodalBatch(tuple(map(str, range(rows))), sequences, torch.zeros(rows, dtype=torch.float64))


def build(spec: DatasetSpec, config: MISAConfig = SMALL, *, seed: int = 0) -> MISA:
    """A model in double precision whose norms and biases are not those of the beginning."""
    torch.manual_seed(seed)
    model = MISA(spec, config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model
