"""Batches of toy data for any fusion architecture: frames of features, or word pieces where it reads those."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from tiny_language_models import VOCABULARY
from torch import Tensor

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.fusion import fusion_family

NAMES = ("text", "audio", "vision", "touch", "smell")
WIDTHS = (6, 4, 5, 3, 2)
SPECIAL_TOKENS = 2
FIRST_WORD = 5


def spec_of(name: str, modalities: int, steps: int = 1) -> DatasetSpec:
    """What the architecture takes: sequences of the same lengths where it needs them, of any lengths elsewhere."""
    names, needs = NAMES[:modalities], fusion_family(name).model.input_spec
    dims = dict(zip(names, WIDTHS, strict=False))
    if needs.tokens:
        pieces = steps + SPECIAL_TOKENS
        tokens = TokenSpec("toy", VOCABULARY, pad_id=0, unknown_id=1, max_length=pieces)
        return DatasetSpec("toy", dims | {"text": 2}, dict.fromkeys(names, pieces), tokens=tokens)
    aligned = steps == 1 or needs.aligned
    lengths = dict.fromkeys(names, steps) if aligned else {each: steps + k for k, each in enumerate(names)}
    return DatasetSpec("toy", dims, lengths, aligned=aligned)


def make_batch(spec: DatasetSpec, rows: int = 8, *, seed: int = 2) -> MultimodalBatch:
    """Every modality present, of random length where the spec allows sequences, and aligned as the spec says."""
    generator = torch.Generator().manual_seed(seed)
    sequences = {}
    shortest = 1 + SPECIAL_TOKENS if spec.tokens else 1
    common = torch.rand(rows, 1, generator=generator)
    for name, dim in spec.dims.items():
        steps = spec.max_lengths[name]
        share = common if spec.aligned else torch.rand(rows, 1, generator=generator)
        mask = torch.arange(steps) < shortest + (share * (steps - shortest + 1)).long()
        values = torch.randn(rows, steps, dim, generator=generator)
        if spec.tokens and name == "text":
            words = torch.randint(FIRST_WORD, VOCABULARY, (rows, steps), generator=generator)
            values = torch.stack([words, torch.zeros_like(words)], dim=-1)
        sequences[name] = ModalitySequence(values * mask.unsqueeze(-1), mask)
    ids = tuple(f"u{row}" for row in range(rows))
    return MultimodalBatch(ids, sequences, torch.randn(rows, generator=generator))


def nonsense(values: Tensor, filler: float) -> Tensor:
    """What may stand where a mask is false: any number in frames, ids of no word among word pieces."""
    if values.is_floating_point():
        return torch.full_like(values, filler)
    return torch.full_like(values, int(filler) if math.isfinite(filler) else -7)


def legal(values: Tensor) -> Tensor:
    """The same values, nonsense among word pieces made pieces."""
    return values if values.is_floating_point() else values % torch.tensor([VOCABULARY, 2])


def changed(values: Tensor) -> Tensor:
    """Other values everywhere: other frames, or another word for each."""
    return values + 1.0 if values.is_floating_point() else (values + torch.tensor([1, 0])) % VOCABULARY


def with_sequences(
    batch: MultimodalBatch, change: Callable[[str, ModalitySequence], ModalitySequence]
) -> MultimodalBatch:
    changed = {name: change(name, sequence) for name, sequence in batch.modalities.items()}
    return dataclasses.replace(batch, modalities=changed)


def featureless(batch: MultimodalBatch) -> MultimodalBatch:
    """The same samples with all features 0: where integrated gradients start."""
    return with_sequences(batch, lambda _, each: ModalitySequence(torch.zeros_like(each.values), each.mask))


def without(batch: MultimodalBatch, name: str, *, values: float = 0.0) -> MultimodalBatch:
    """One modality masked out; what stands in its place must not matter."""

    def change(each: str, sequence: ModalitySequence) -> ModalitySequence:
        if each != name:
            return sequence
        return ModalitySequence(nonsense(sequence.values, values), torch.zeros_like(sequence.mask))

    return with_sequences(batch, change)
