from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from comodal.contracts import FusionOutput, ModalitySequence, MultimodalBatch, Sentiment
from comodal.dependency import DependencyPenalty
from comodal.evaluation.fitted import predict


class Sum(nn.Module):
    """Predicts the sum of the first features; batch norm would betray a model left in training mode."""

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        views = {name: sequence.values[:, 0] for name, sequence in batch.modalities.items()}
        return FusionOutput(sum(v[:, :1] for v in views.values()), torch.zeros(len(batch), 3), views)


def batches(*sizes: int) -> list[MultimodalBatch]:
    made, first = [], 0
    for size in sizes:
        numbers = torch.arange(first, first + size, dtype=torch.float32)
        sequences = {
            name: ModalitySequence(torch.stack([numbers * scale, numbers**0.5], 1)[:, None], torch.ones(size, 1).bool())
            for name, scale in (("text", 1.0), ("audio", 10.0))
        }
        ids = tuple(f"u{int(number)}" for number in numbers)
        made.append(MultimodalBatch(ids, sequences, -numbers))
        first += size
    return made


def test_keeps_ids_targets_and_order_over_batches() -> None:
    groups = np.array(list("aabbccd"))
    table = predict(Sum(), batches(3, 1, 3), task=Sentiment(), group=groups, split="valid", scenario="no text")
    assert table.id.tolist() == [f"u{number}" for number in range(7)]
    assert table.group.tolist() == list("aabbccd")
    assert table.target.tolist() == [-number for number in range(7)]
    assert table.prediction.tolist() == [11.0 * number for number in range(7)]
    assert set(table.split.tolist()) == {"valid"}
    assert set(table.scenario.tolist()) == {"no text"}


def test_batching_does_not_change_a_prediction() -> None:
    one, many = (
        predict(Sum(), batches(*sizes), task=Sentiment(), group=np.zeros(7), split="test")
        for sizes in ((7,), (2, 2, 2, 1))
    )
    assert one.prediction.tolist() == many.prediction.tolist()


@pytest.mark.parametrize("between", ["modalities", "fusion"])
def test_the_critic_scores_every_sample_as_the_measure_does(between: str) -> None:
    dims = {"text": 2, "audio": 2} if between == "modalities" else {"fused": 3, "modalities": 4}
    penalty = DependencyPenalty("kl", dims=dims)
    table = predict(
        Sum(), batches(3, 4), task=Sentiment(), group=np.zeros(7), split="test", penalty=penalty, between=between
    )
    (whole,) = batches(7)
    out = Sum()(whole)
    views = out.representations
    if between == "fusion":
        views = {"fused": out.fused, "modalities": torch.cat(list(out.representations.values()), dim=1)}
    np.testing.assert_allclose(table.critic_score, penalty.measure.pointwise(views).detach().numpy(), rtol=1e-5)
    assert len(np.unique(table.critic_score)) > 1


def test_records_no_gradient_and_draws_nothing() -> None:
    model = nn.Linear(2, 1)

    class Linear(nn.Module):
        def forward(self, batch: MultimodalBatch) -> FusionOutput:
            assert torch.is_inference_mode_enabled()
            out = model(batch.modalities["text"].values[:, 0])
            return FusionOutput(out, out, {})

    before = torch.get_rng_state()
    predict(Linear(), batches(4), task=Sentiment(), group=np.zeros(4), split="test")
    assert torch.equal(torch.get_rng_state(), before)
    assert model.weight.grad is None


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_batches_go_to_the_device_of_the_model(device: str) -> None:
    class ReadError(Exception):
        pass

    class Elsewhere(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1, device=device))

        def forward(self, batch: MultimodalBatch) -> FusionOutput:
            where = {batch.target.device.type, *(each.values.device.type for each in batch.modalities.values())}
            raise ReadError(where)

    with pytest.raises(ReadError) as raised:
        predict(Elsewhere(), batches(4), task=Sentiment(), group=np.zeros(4), split="test")
    assert raised.value.args[0] == {device}
