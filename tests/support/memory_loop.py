"""The equations of memory fusion networks, for one sample, step by step and modality by modality."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch

Array = NDArray[np.float64]
Weights = Mapping[str, Array]
Summary = Callable[[Weights, Mapping[str, Array], Mapping[str, Array], set[str]], Array]
"""What is said at a step: of the weights, the cells before it, those after it, and who is there."""

DIMS = {"text": 4, "audio": 3, "vision": 2}
HIDDEN = {"text": 3, "audio": 1, "vision": 2}
SMALL = {"memory": 4, "proposal": 6, "retain": 7, "update": 3, "output": 5}
DROPPED = {"retain_dropout": 0.2, "update_dropout": 0.2}


def sigmoid(x: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def layer(weights: Weights, name: str, x: Array) -> Array:
    return np.asarray(weights[f"{name}.weight"] @ x + weights[f"{name}.bias"])


def network(weights: Weights, name: str, x: Array) -> Array:
    """One hidden layer of rectified units."""
    return layer(weights, f"{name}.second", np.maximum(layer(weights, f"{name}.first", x), 0.0))


def cell_step(weights: Weights, name: str, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
    """One step of one LSTM, gate by gate."""
    prefix, width = f"encoders.encoders.{name}", len(h)
    total = weights[f"{prefix}.weight_ih"] @ x + weights[f"{prefix}.bias_ih"]
    total = total + weights[f"{prefix}.weight_hh"] @ h + weights[f"{prefix}.bias_hh"]
    write, keep, content, read = (total[k * width : (k + 1) * width] for k in range(4))
    c = sigmoid(keep) * c + sigmoid(write) * np.tanh(content)
    return sigmoid(read) * np.tanh(c), c


def remember(weights: Weights, said: Array, u: Array) -> Array:
    """Proposal and gates: the memory after a step."""
    proposal = np.tanh(network(weights, "proposal", said))
    gates = weights["memory.said"] @ said + weights["memory.remembered"] @ u + weights["memory.bias"]
    hidden = np.maximum(gates, 0.0)
    split = weights["memory.retain.weight"].shape[1]
    retain = sigmoid(layer(weights, "memory.retain", hidden[:split]))
    update = sigmoid(layer(weights, "memory.update", hidden[split:]))
    return np.asarray(retain * u + update * proposal)


def by_loop(model: Any, batch: MultimodalBatch, row: int, summary: Summary) -> tuple[float, Array, dict[str, Array]]:
    """Prediction, fused vector and representations of one sample."""
    weights = {name: value.numpy() for name, value in model.fusion.state_dict().items()}
    frames = {name: batch.modalities[name].values[row][batch.modalities[name].mask[row]].numpy() for name in model.dims}
    heard = {name for name, values in frames.items() if len(values)}
    h = {name: np.zeros(width) for name, width in model.dims.items()}
    c = {name: np.zeros(width) for name, width in model.dims.items()}
    u = np.zeros(weights["memory.retain.bias"].shape)
    for step in range(max(1, *(len(each) for each in frames.values()))):
        before = dict(c)
        for name in heard:
            x = frames[name][min(step, len(frames[name]) - 1)]
            h[name], c[name] = cell_step(weights, name, x, h[name], c[name])
        u = remember(weights, summary(weights, before, c, heard), u)
    fused = np.concatenate([*h.values(), u])
    out = layer(weights, "output.3", np.maximum(layer(weights, "output.0", fused), 0.0))
    return float(out[0]), fused, h


def make(
    build: Callable[[DatasetSpec, Mapping[str, Any]], Any],
    modalities: int,
    lengths: list[int],
    *,
    silent: tuple[tuple[str, int], ...] = (),
) -> tuple[Any, MultimodalBatch]:
    """A model in float64 and a batch of ragged samples; ``silent`` (modality, row) pairs are absent."""
    torch.manual_seed(3)
    dims = dict(list(DIMS.items())[:modalities])
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    sequences = {}
    for name, dim in dims.items():
        there = mask.clone()
        for row in (r for each, r in silent if each == name):
            there[row] = False
        values = torch.randn(len(lengths), longest, dim, dtype=torch.float64)
        sequences[name] = ModalitySequence(values.masked_fill(~there.unsqueeze(2), math.nan), there)
    spec = DatasetSpec("toy", dims, dict.fromkeys(dims, longest))
    options = {"hidden": {name: HIDDEN[name] for name in dims}, **SMALL, **DROPPED}
    ids = tuple(map(str, range(len(lengths))))
    return build(spec, options).double().eval(), MultimodalBatch(ids, sequences, torch.zeros(len(lengths)))


def assert_equals_the_loop(model: Any, batch: MultimodalBatch, summary: Summary) -> None:
    out = model(batch)
    for row in range(len(batch)):
        prediction, fused, representations = by_loop(model, batch, row, summary)
        np.testing.assert_allclose(out.logits[row].item(), prediction, atol=1e-10)
        np.testing.assert_allclose(out.fused[row].detach(), fused, atol=1e-10)
        for name, wanted in representations.items():
            np.testing.assert_allclose(out.representations[name][row].detach(), wanted, atol=1e-10)
