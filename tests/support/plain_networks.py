"""Networks computed one sample, one step and one unit at a time, to hold the library's against.

Everything is in double precision. Weights are what ``state_dict`` gives, as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch

Array = np.ndarray[Any, np.dtype[np.float64]]


def ragged_batch(dims: Mapping[str, int], lengths: Mapping[str, Sequence[int]], *, seed: int = 0) -> MultimodalBatch:
    """Samples with so many frames of each modality, 0 where it is absent, and NaN wherever there is none."""
    generator = torch.Generator().manual_seed(seed)
    sequences = {}
    for name, dim in dims.items():
        count = torch.tensor(lengths[name]).unsqueeze(1)
        mask = torch.arange(max(1, *lengths[name])) < count
        values = torch.randn(*mask.shape, dim, generator=generator, dtype=torch.float64)
        sequences[name] = ModalitySequence(torch.where(mask.unsqueeze(2), values, torch.nan), mask)
    rows = len(next(iter(lengths.values())))
    return MultimodalBatch(tuple(f"u{row}" for row in range(rows)), sequences, torch.zeros(rows))


def spec_of(batch: MultimodalBatch, *, aligned: bool = True) -> DatasetSpec:
    """What a batch holds."""
    dims = {name: sequence.values.shape[2] for name, sequence in batch.modalities.items()}
    longest = {name: sequence.mask.shape[1] for name, sequence in batch.modalities.items()}
    return DatasetSpec("toy", dims, longest, aligned=aligned)


def real_frames(batch: MultimodalBatch, name: str, row: int) -> list[Array]:
    """Frames of one modality of one sample."""
    values, mask = batch.modalities[name]
    return [values[row, step].numpy() for step in range(mask.shape[1]) if mask[row, step]]


def weights_of(module: nn.Module) -> dict[str, Array]:
    """Every parameter as an array."""
    return {name: parameter.detach().numpy().astype(np.float64) for name, parameter in module.named_parameters()}


def sigmoid(x: Array) -> Array:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def linear(weights: Mapping[str, Array], name: str, x: Array) -> Array:
    """A linear layer, one output unit after the other."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return np.array([sum(w * each for w, each in zip(row, x, strict=True)) for row in weight]) + bias


def mean_frame(frames: list[Array], dim: int) -> Array:
    """Mean over time, zero without a frame."""
    return sum(frames, np.zeros(dim)) / max(1, len(frames))


def sample_encoder(weights: Mapping[str, Array], name: str, frames: list[Array], dim: int) -> Array:
    """Mean frame, two layers, layer norm."""
    hidden = np.maximum(linear(weights, f"{name}.layers.1", mean_frame(frames, dim)), 0.0)
    return layer_norm(weights, f"{name}.layers.5", linear(weights, f"{name}.layers.4", hidden))


def layer_norm(weights: Mapping[str, Array], name: str, x: Array) -> Array:
    """Normalised over features, then scaled and shifted."""
    normal = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return normal * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def lstm(
    weights: Mapping[str, Array], name: str, frames: list[Array], *, layers: int = 1, order: str = "ifgo"
) -> Array:
    """State of the last layer after the last frame, zero without one; ``order`` is that of the gates in the weights."""
    for layer in range(layers):
        recurrent = weights[f"{name}.weight_hh_l{layer}"]
        size = recurrent.shape[1]
        state, cell = np.zeros(size), np.zeros(size)
        states = []
        for frame in frames:
            sums = weights[f"{name}.weight_ih_l{layer}"] @ frame + weights[f"{name}.bias_ih_l{layer}"]
            sums = sums + recurrent @ state + weights[f"{name}.bias_hh_l{layer}"]
            gate = {letter: sums[k * size : (k + 1) * size] for k, letter in enumerate(order)}
            cell = sigmoid(gate["f"]) * cell + sigmoid(gate["i"]) * np.tanh(gate["g"])
            state = sigmoid(gate["o"]) * np.tanh(cell)
            states.append(state)
        frames = states
    return state
