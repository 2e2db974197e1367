from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from plain_networks import (
    Array,
    layer_norm,
    linear,
    lstm,
    ragged_batch,
    real_frames,
    sample_encoder,
    spec_of,
    weights_of,
)
from torch import nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import LateFusion, LateFusionConfig
from comodal.fusion.late import present_softmax

DIMS = {"text": 3, "audio": 2, "vision": 4}
CASES = {
    "one modality": {"text": [4, 1, 2, 0]},
    "two modalities": {"text": [4, 1, 2, 0], "audio": [2, 5, 0, 0]},
    "three modalities": {"text": [3, 0, 5, 2, 0], "audio": [3, 4, 0, 2, 0], "vision": [0, 4, 5, 2, 0]},
}


def small(kind: str = "mean", **options: float) -> LateFusionConfig:
    encoder = EncoderConfig(kind=kind, hidden=5, representation=4)
    return LateFusionConfig(**{"encoder": encoder, "hidden": 3, **options})


def trained(model: LateFusion) -> LateFusion:
    """As if training had moved the logits."""
    with torch.no_grad():
        model.logits.copy_(torch.linspace(-1.0, 1.5, len(model.logits)))
    return model.double().eval()


def encoded(model: LateFusion, batch: MultimodalBatch, kind: str) -> dict[str, list[Array]]:
    """Representations of every sample by modality."""
    weights = weights_of(model)
    found = {}
    for name in batch.modalities:
        frames = [real_frames(batch, name, row) for row in range(len(batch))]
        encoder = f"encoders.encoders.{name}"
        if kind == "mean":
            found[name] = [sample_encoder(weights, encoder, each, DIMS[name]) for each in frames]
        else:
            states = [lstm(weights, f"{encoder}.lstm", each) for each in frames]
            found[name] = [
                layer_norm(weights, f"{encoder}.layers.2", linear(weights, f"{encoder}.layers.1", each))
                for each in states
            ]
    return found


def by_loop(model: LateFusion, batch: MultimodalBatch, kind: str, logits: list[float]) -> tuple[Array, Array]:
    """Predictions and fused vectors: every modality's own prediction, then their weighted mean."""
    weights = weights_of(model)
    representations = encoded(model, batch, kind)
    vectors, bias = weights["head.weight"][0].reshape(len(logits), -1), weights["head.bias"][0]
    predictions, fused = [], []
    for row in range(len(batch)):
        there = [name for name in batch.modalities if real_frames(batch, name, row)]
        total = sum(math.exp(a) for name, a in zip(batch.modalities, logits, strict=True) if name in there)
        prediction, parts = 0.0 if there else bias, []
        for name, a, vector in zip(batch.modalities, logits, vectors, strict=True):
            hidden = np.maximum(linear(weights, f"hidden.{name}.0", representations[name][row]), 0.0)
            weight = math.exp(a) / total if name in there else 0.0
            prediction += weight * (float(vector @ hidden) + bias)
            parts.append(weight * hidden)
        predictions.append(prediction)
        fused.append(np.concatenate(parts))
    return np.array(predictions), np.array(fused)


@pytest.mark.parametrize("kind", ["mean", "lstm"])
@pytest.mark.parametrize("case", CASES)
def test_equals_a_weighted_mean_of_unimodal_predictions(case: str, kind: str) -> None:
    lengths = CASES[case]
    batch = ragged_batch({name: DIMS[name] for name in lengths}, lengths)
    model = trained(LateFusion(spec_of(batch, aligned=False), small(kind)))
    out = model(batch)
    logits = model.logits.tolist()
    prediction, fused = by_loop(model, batch, kind, logits)
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), prediction, atol=1e-10)
    np.testing.assert_allclose(out.fused.detach(), fused, atol=1e-10)
    for name, vectors in encoded(model, batch, kind).items():
        np.testing.assert_allclose(out.representations[name].detach(), vectors, atol=1e-10)
    if len(logits) > 1:
        assert not np.allclose(by_loop(model, batch, kind, logits[::-1])[0], prediction), "weights must be seen"


def test_the_prediction_is_linear_in_the_fused_vector() -> None:
    batch = ragged_batch(DIMS, CASES["three modalities"])
    model = trained(LateFusion(spec_of(batch, aligned=False), small()))
    out = model(batch)
    torch.testing.assert_close(out.logits, model.head(out.fused))


def test_by_hand() -> None:
    """Weights 3/4 and 1/4 of the predictions 1 + 8 and 1 + 4, then of one alone, then of none."""
    spec = DatasetSpec("toy", {"text": 1, "audio": 1}, {"text": 1, "audio": 1})
    model = LateFusion(spec, LateFusionConfig(encoder=EncoderConfig(representation=2), hidden=1)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.logits[0] = math.log(3.0)
        model.hidden["text"][0].bias.fill_(2.0)
        model.hidden["audio"][0].bias.fill_(0.5)
        model.head.weight.copy_(torch.tensor([[4.0, 8.0]]))
        model.head.bias.fill_(1.0)
    masks = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    sequences = {n: ModalitySequence(torch.ones(4, 1, 1), masks[:, m : m + 1]) for m, n in enumerate(spec.modalities)}
    out = model(MultimodalBatch(tuple("abcd"), sequences, torch.zeros(4)))
    torch.testing.assert_close(out.logits.squeeze(1), torch.tensor([8.0, 9.0, 5.0, 1.0]))
    torch.testing.assert_close(out.fused, torch.tensor([[1.5, 0.125], [2.0, 0.0], [0.0, 0.5], [0.0, 0.0]]))


def test_weights_of_what_is_there_sum_to_one() -> None:
    logits = torch.tensor([0.3, -2.0, 1.0, 0.0])
    present = torch.rand(50, 4) < 0.5
    present[0] = False
    weights = present_softmax(logits, present)
    for row in range(50):
        total = sum(math.exp(logits[m].item()) for m in range(4) if present[row, m])
        wanted = [math.exp(logits[m].item()) / total if present[row, m] else 0.0 for m in range(4)]
        assert weights[row].tolist() == pytest.approx(wanted)
    assert not torch.allclose(logits.softmax(0) * present, weights), "weights that are not scaled up must be seen"


def test_weights_survive_logits_that_are_far_apart() -> None:
    logits = torch.tensor([500.0, -500.0], requires_grad=True)
    weights = present_softmax(logits, torch.tensor([[True, True], [False, True], [False, False]]))
    assert weights.tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    weights.square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("modalities", [1, 3, 5])
def test_a_modality_alone_starts_at_the_scale_of_its_own_network(modalities: int) -> None:
    names = [f"m{number}" for number in range(modalities)]
    spec = DatasetSpec("toy", dict.fromkeys(names, 8), dict.fromkeys(names, 1))
    present = {name: torch.full((512, 1), name == "m0") for name in names}
    sequences = {name: ModalitySequence(torch.randn(512, 1, 8), present[name]) for name in names}
    model = LateFusion(spec).eval()
    assert 0.5 < model(MultimodalBatch(("u",) * 512, sequences, torch.zeros(512))).logits.std() < 2.0


def test_rates_are_those_of_the_config_and_dropout_falls_on_the_hidden_layers() -> None:
    encoder = EncoderConfig(input_dropout=0.0, dropout=0.0)
    model = LateFusion(
        DatasetSpec("toy", {"text": 3}, {"text": 1}),
        LateFusionConfig(encoder=encoder, hidden=64, dropout=0.4, modality_dropout=0.1),
    )
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.0, 0.0, 0.4]
    assert model.modality_dropout.rate == 0.1
    batch = MultimodalBatch(
        ("u",) * 20, {"text": ModalitySequence(torch.randn(20, 1, 3), torch.ones(20, 1).bool())}, torch.zeros(20)
    )
    dropped, whole = model.train()(batch).fused, model.eval()(batch).fused
    gone = (dropped == 0) & (whole > 0)
    assert 0.3 < gone.sum() / (whole > 0).sum() < 0.5
    torch.testing.assert_close(dropped[~gone], whole[~gone] / 0.6)
