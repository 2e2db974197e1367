"""What ``input_scale`` says, for every architecture that has it: the network of scaled features, of equal weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from fusion_batches import make_batch, spec_of, with_sequences, without

from comodal.contracts import FusionOutput, ModalitySequence, MultimodalBatch
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

SCALED = [
    name
    for name, family in FUSIONS.items()
    if any(field.name == "input_scale" for field in dataclasses.fields(family.config))
]


def build(name: str, steps: int, **options: Any) -> Any:
    torch.manual_seed(1)
    family = fusion_family(name)
    return family.build(spec_of(name, 3, steps), family.config(**options)).double()


def batch_of(name: str, steps: int, scale: float = 1.0) -> MultimodalBatch:
    batch = without(make_batch(spec_of(name, 3, steps)), "audio")
    return with_sequences(batch, lambda _, s: ModalitySequence(s.values.double() * scale, s.mask))


def close(one: FusionOutput, other: FusionOutput) -> bool:
    pairs = [(one.logits, other.logits), (one.fused, other.fused)]
    pairs += [(z, other.representations[name]) for name, z in one.representations.items()]
    return all(torch.allclose(a, b, atol=1e-12, rtol=1e-10) for a, b in pairs)


def test_every_recurrent_architecture_has_it() -> None:
    assert SCALED == ["ef_lstm", "mfn", "graph_mfn"]


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", SCALED)
def test_it_is_the_network_of_scaled_features(name: str, steps: int) -> None:
    small = build(name, steps, input_scale=0.1).eval()
    plain = build(name, steps).eval()
    assert close(small(batch_of(name, steps)), plain(batch_of(name, steps, 0.1)))
    assert not close(small(batch_of(name, steps)), plain(batch_of(name, steps)))


@pytest.mark.parametrize("name", SCALED)
def test_weights_that_read_small_features_learn_slowly(name: str) -> None:
    """Adam's steps do not know the scale: a step moves what is read of the features by the scale times as much."""

    def moved(scale: float) -> float:
        model = build(name, 1, input_scale=scale).eval()
        batch = batch_of(name, 1)
        before = model(batch).representations["text"].detach() / scale
        encoders = {id(p) for p in model.parameter_groups()["encoders"]}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in encoders and parameter.ndim == 2)
        optimizer = build_optimizer(model, TrainingConfig(lr=1e-3, weight_decay=0.0))
        model(batch).logits.sum().backward()
        optimizer.step()
        after = model(batch).representations["text"].detach() / scale
        return float((after - before).norm() * scale)

    assert moved(0.01) < 0.03 * moved(1.0)
