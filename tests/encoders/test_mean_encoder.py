from __future__ import annotations

import numpy as np
import torch

from comodal.contracts import ModalitySequence
from comodal.encoders import MeanEncoder


def sequence(rows: int, steps: int, dim: int) -> ModalitySequence:
    lengths = torch.randint(1, steps + 1, (rows, 1))
    return ModalitySequence(torch.randn(rows, steps, dim), torch.arange(steps) < lengths)


def test_equals_the_formula_in_numpy() -> None:
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
