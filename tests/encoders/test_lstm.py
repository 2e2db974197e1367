from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_networks import Array, layer_norm, linear, lstm, ragged_batch, real_frames, weights_of

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import LSTMEncoder

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
