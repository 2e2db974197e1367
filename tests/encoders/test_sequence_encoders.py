from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_networks import Array, layer_norm, linear, lstm, ragged_batch, real_frames, weights_of

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import LSTMEncoder, MeanEncoder

LENGTHS = [4, 1, 0, 6, 3]


def built() -> tuple[LSTMEncoder, MultimodalBatch]:
    encoder = LSTMEncoder(3, hidden=5, out=4, input_dropout=0.5, dropout=0.5).double().eval()
    return encoder, ragged_batch({"text": 3}, {"text": LENGTHS})


def by_loop(encoder: LSTMEncoder, batch: MultimodalBatch, *, drop: int = 0) -> Array:
    """State after the last frame (but ``drop``), projected and normalised."""
    weights = weights_of(encoder)
    states = [
        lstm(weights, "lstm", frames[: max(0, len(frames) - drop)])
        for frames in (real_frames(batch, "text", row) for row in range(len(batch)))
    ]
    return np.array([layer_norm(weights, "layers.2", linear(weights, "layers.1", state)) for state in states])


def test_equals_the_recurrence_written_out_whatever_the_padding_holds() -> None:
    encoder, batch = built()
    out = encoder(batch.modalities["text"]).detach()
    np.testing.assert_allclose(out, by_loop(encoder, batch), atol=1e-10)
    assert not np.allclose(out, by_loop(encoder, batch, drop=1)), "a frame too few must be seen"


@pytest.mark.parametrize("filler", [0.0, float("nan"), float("inf")])
def test_more_padding_changes_nothing(filler: float) -> None:
    encoder, batch = built()
    values, mask = batch.modalities["text"]
    longer = ModalitySequence(
        torch.cat([torch.where(mask.unsqueeze(2), values, filler), torch.full_like(values, filler)], dim=1),
        torch.cat([mask, torch.zeros_like(mask)], dim=1),
    )
    torch.testing.assert_close(encoder(longer), encoder(batch.modalities["text"]))


def test_gradients_are_finite_and_none_comes_from_an_absent_modality() -> None:
    encoder, batch = built()
    values, mask = batch.modalities["text"]
    values.requires_grad_(requires_grad=True)
    encoder(ModalitySequence(values, mask)).square().sum().backward()
    assert values.grad is not None
    assert (values.grad[~mask] == 0).all()
    assert (values.grad[mask].abs().sum(dim=1) > 0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_rates_are_those_it_is_given() -> None:
    encoder = LSTMEncoder(3, hidden=5, out=4, input_dropout=0.1, dropout=0.2)
    assert [module.p for module in encoder.modules() if isinstance(module, torch.nn.Dropout)] == [0.1, 0.2]


def sequence(rows: int, steps: int, dim: int) -> ModalitySequence:
    lengths = torch.randint(1, steps + 1, (rows, 1))
    return ModalitySequence(torch.randn(rows, steps, dim), torch.arange(steps) < lengths)


def test_the_mean_encoder_equals_the_formula_in_numpy() -> None:
    encoder = MeanEncoder(5, hidden=7, out=4, input_dropout=0.5, dropout=0.5).double().eval()
    given = sequence(6, 3, 5).to(torch.float64)
    weights = {name: value.numpy() for name, value in encoder.state_dict().items()}
    first_w, first_b, second_w, second_b, scale, shift = weights.values()
    mask = given.mask.numpy()[..., None]
    pooled = (given.values.numpy() * mask).sum(1) / mask.sum(1)
    z = np.maximum(pooled @ first_w.T + first_b, 0) @ second_w.T + second_b
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5) * scale + shift
    np.testing.assert_allclose(encoder(given).detach().numpy(), z, atol=1e-12)


def test_representation_is_normalised_whatever_the_size_of_the_features() -> None:
    encoder = MeanEncoder(5, hidden=7, out=16, input_dropout=0.0, dropout=0.0)
    for size in (1.0, 1e3):
        given = sequence(8, 3, 5)
        representation = encoder(ModalitySequence(given.values * size, given.mask))
        torch.testing.assert_close(representation.mean(dim=1), torch.zeros(8), atol=1e-5, rtol=0)
        assert (representation.std(dim=1, correction=0) < 1.0 + 1e-4).all()


def test_both_dropouts_act_in_training_only() -> None:
    given = sequence(4, 2, 5)
    for rates in ({"input_dropout": 0.5, "dropout": 0.0}, {"input_dropout": 0.0, "dropout": 0.5}):
        encoder = MeanEncoder(5, hidden=32, out=4, **rates)
        assert not torch.equal(encoder(given), encoder(given)), rates
        encoder.eval()
        assert torch.equal(encoder(given), encoder(given))
