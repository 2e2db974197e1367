"""What MAG computes, from the encoder itself and the gate written out in loops over samples and pieces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from tiny_language_models import LAYERS, VOCABULARY
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch, TokenSpec
from comodal.fusion import MAG, AdaptationGate, MAGConfig

KINDS = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert", "xlnet")
DIMS = {"text": 2, "audio": 4, "vision": 3}
TEXT_TYPES = {"bert", "roberta", "electra", "deberta-v2", "xlnet"}
PAD, UNKNOWN = 0, 1
LENGTHS = (7, 3, 5, 7)


def spec_of(*names: str, vocabulary: int = VOCABULARY, max_length: int = 9) -> DatasetSpec:
    tokens = TokenSpec("toy", vocabulary, pad_id=PAD, unknown_id=UNKNOWN, max_length=max_length)
    return DatasetSpec("toy", {n: DIMS[n] for n in names}, dict.fromkeys(names, max_length), tokens=tokens)


def batch_of(*names: str, lengths: tuple[int, ...] = LENGTHS) -> MultimodalBatch:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    sequences = {}
    for name in names:
        if name == "text":
            ids = torch.where(mask, torch.randint(5, VOCABULARY, mask.shape), PAD)
            values = torch.stack([ids, torch.zeros_like(ids)], dim=-1)
        else:
            values = torch.randn(*mask.shape, DIMS[name]) * mask.unsqueeze(-1)
        sequences[name] = ModalitySequence(values, mask)
    return MultimodalBatch(tuple(map(str, range(len(lengths)))), sequences, torch.randn(len(lengths)))


def replaced(batch: MultimodalBatch, **sequences: ModalitySequence) -> MultimodalBatch:
    return MultimodalBatch(batch.id, {**batch.modalities, **sequences}, batch.target)


def absent(batch: MultimodalBatch, name: str, *, rows: tuple[int, ...] = (0, 1, 2, 3)) -> MultimodalBatch:
    sequence = batch.modalities[name]
    mask = sequence.mask.clone()
    mask[list(rows)] = False
    return replaced(batch, **{name: ModalitySequence(sequence.values * mask.unsqueeze(-1), mask)})


def model_of(spec: DatasetSpec, **options: Any) -> MAG:
    """A model in evaluation, the biases and the norm of whose gate are not those it starts with."""
    torch.manual_seed(5)
    model = MAG(spec, MAGConfig(**options)).eval()
    if model.gate is not None:
        with torch.no_grad():
            for parameter in (model.gate.bias, *model.gate.norm.parameters()):
                parameter.copy_(torch.randn_like(parameter))
    return model


def encoder_of(folder: str) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder).eval()


def gated_by_loop(gate: AdaptationGate, states: np.ndarray, frames: Mapping[str, ModalitySequence]) -> np.ndarray:
    """Rahman et al. 2020, equations 1 to 5, for every sample and piece."""
    weights = {name: value.detach().double().numpy() for name, value in gate.named_parameters()}
    out = np.zeros_like(states)
    for row, step in np.ndindex(*states.shape[:2]):
        x = states[row, step]
        said = {n: s.values[row, step].detach().double().numpy() for n, s in frames.items() if s.mask[row, step]}
        h = weights["bias"] * bool(said)
        for name, v in said.items():
            opening = weights[f"gates.{name}.weight"] @ np.concatenate([x, v]) + weights[f"gates.{name}.bias"]
            h = h + np.maximum(opening, 0.0) * (weights[f"projections.{name}.weight"] @ v)
        length = math.sqrt((h**2).sum())
        y = x + (min(math.sqrt((x**2).sum()) / length * gate.beta, 1.0) * h if length else 0.0)
        centred = y - y.mean()
        normed = centred / math.sqrt((centred**2).mean() + gate.norm.eps)
        out[row, step] = weights["norm.weight"] * normed + weights["norm.bias"]
    return out


def run_plainly(
    folder: str, kind: str, ids: Tensor, mask: Tensor, *, model: MAG | None = None, frames: Any = None, place: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the last hidden states of each sample, and the states in front of layer ``place``."""
    encoder = encoder_of(folder)
    entered: list[np.ndarray] = []

    def hook(_: nn.Module, args: tuple[Tensor, ...], options: dict[str, Any]) -> Any:
        first = kind == "xlnet"
        states = (args[0].transpose(0, 1) if first else args[0]).detach().double().numpy()
        entered.append(states)
        if model is not None and model.gate is not None:
            states = gated_by_loop(model.gate, states, frames)
        hidden = torch.from_numpy(states).float()
        return (hidden.transpose(0, 1) if first else hidden, *args[1:]), options

    layers = next(m for m in encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == LAYERS)
    layers[place].register_forward_pre_hook(hook, with_kwargs=True)
    types = {"token_type_ids": torch.zeros_like(ids)} if kind in TEXT_TYPES else {}
    hidden = encoder(input_ids=ids, attention_mask=mask.long(), **types).last_hidden_state.detach().double().numpy()
    pooled = np.stack([hidden[row, mask[row].numpy()].mean(axis=0) for row in range(len(ids))])
    return pooled, entered[0]


def head_of(model: MAG, pooled: np.ndarray) -> np.ndarray:
    return pooled @ model.head.weight.detach().double().numpy()[0] + model.head.bias.item()
