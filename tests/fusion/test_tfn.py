from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from plain_networks import Array, linear, ragged_batch, real_frames, sample_encoder, spec_of, weights_of
from refusals import refused
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import TFN, TFNConfig
from comodal.fusion.lfn import low_rank_product
from comodal.fusion.tfn import MOST_ENTRIES, tensor_product

DIMS = {"text": 3, "audio": 2, "vision": 4}
CASES = {
    "one modality": {"text": [4, 1, 2, 0]},
    "two modalities": {"text": [4, 1, 2, 0], "audio": [2, 5, 0, 0]},
    "three modalities": {"text": [3, 0, 5, 2, 0], "audio": [3, 4, 0, 2, 0], "vision": [0, 4, 5, 2, 0]},
}
REPRESENTATIONS = {"text": 4, "audio": 2, "vision": 3}


def small(**options: float) -> TFNConfig:
    encoder = EncoderConfig(hidden=5, representation=REPRESENTATIONS)
    return TFNConfig(**{"encoder": encoder, "hidden": 6, **options})


def built(case: str) -> tuple[TFN, MultimodalBatch]:
    lengths = CASES[case]
    batch = ragged_batch({name: DIMS[name] for name in lengths}, lengths)
    return TFN(spec_of(batch, aligned=False), small()).double().eval(), batch


def product_by_loop(views: list[Array]) -> Array:
    """An entry for each choice of one feature, or of the constant, a modality."""
    extended = [[1.0, *view] for view in views]
    return np.array([math.prod(choice) for choice in itertools.product(*extended)])


def by_loop(model: TFN, batch: MultimodalBatch) -> tuple[Array, Array, dict[str, Array]]:
    """Predictions, fused vectors and representations from the equations."""
    weights = weights_of(model)
    encoded = {
        name: [
            sample_encoder(weights, f"encoders.encoders.{name}", real_frames(batch, name, row), DIMS[name])
            for row in range(len(batch))
        ]
        for name in batch.modalities
    }
    fused = []
    for row in range(len(batch)):
        views = [z[row] if real_frames(batch, name, row) else 0.0 * z[row] for name, z in encoded.items()]
        first = np.maximum(linear(weights, "fuse.0", product_by_loop(views)), 0.0)
        fused.append(np.maximum(linear(weights, "fuse.3", first), 0.0))
    predictions = np.array([linear(weights, "head", each)[0] for each in fused])
    return predictions, np.array(fused), {name: np.array(z) for name, z in encoded.items()}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_equations_written_out(case: str) -> None:
    model, batch = built(case)
    out = model(batch)
    prediction, fused, representations = by_loop(model, batch)
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), prediction, atol=1e-10)
    np.testing.assert_allclose(out.fused.detach(), fused, atol=1e-10)
    for name, z in representations.items():
        np.testing.assert_allclose(out.representations[name].detach(), z, atol=1e-10)
    with torch.no_grad():
        model.fuse[0].weight.copy_(model.fuse[0].weight.flip(1))
    assert not np.allclose(by_loop(model, batch)[0], prediction), "weights in another order must be seen"


@pytest.mark.parametrize("dims", [(3,), (3, 2), (2, 1, 3), (1, 2, 1, 2, 1)])
def test_the_tensor_has_every_product_of_features(dims: tuple[int, ...]) -> None:
    views = [torch.randn(4, dim, dtype=torch.float64) for dim in dims]
    got = tensor_product(views)
    assert got.shape == (4, math.prod(dim + 1 for dim in dims))
    for row in range(4):
        np.testing.assert_allclose(got[row], product_by_loop([view[row].numpy() for view in views]), atol=1e-12)
    assert torch.autograd.gradcheck(
        lambda *inputs: tensor_product(inputs), [view.requires_grad_(requires_grad=True) for view in views]
    )


def test_of_an_absent_modality_only_the_constant_remains() -> None:
    """Weights of all products with its features can be anything."""
    model, batch = built("three modalities")
    audio = batch.modalities["audio"]
    absent = ModalitySequence(audio.values, torch.zeros_like(audio.mask))
    without = MultimodalBatch(batch.id, {**batch.modalities, "audio": absent}, batch.target)
    alone, together = model(without).logits, model(batch).logits
    with torch.no_grad():
        weight = model.fuse[0].weight.unflatten(1, [dim + 1 for dim in REPRESENTATIONS.values()])
        weight[:, :, 1:] = 100.0
    torch.testing.assert_close(model(without).logits, alone)
    assert not torch.allclose(model(batch).logits, together)


def full_rank_factors(weight: Tensor, dims: list[int]) -> list[Tensor]:
    """Factors of a low-rank fusion of as many ranks as there are products of all modalities but the last."""
    choices = list(itertools.product(*(range(dim + 1) for dim in dims[:-1])))
    whole = weight.unflatten(1, [dim + 1 for dim in dims])
    factors = [torch.zeros(len(choices), dim + 1, len(weight), dtype=weight.dtype) for dim in dims]
    for rank, choice in enumerate(choices):
        for factor, index in zip(factors, choice, strict=False):
            factor[rank, index] = 1.0
        factors[-1][rank] = whole[(slice(None), *choice)].T
    return factors


@pytest.mark.parametrize("case", CASES)
def test_its_first_layer_is_a_low_rank_fusion_of_full_rank(case: str) -> None:
    model, batch = built(case)
    layer, dims = model.fuse[0], list(model.dims.values())
    views = [torch.randn(len(batch), dim, dtype=torch.float64) for dim in dims]
    factors = full_rank_factors(layer.weight.detach(), dims)
    ranks = torch.ones(len(factors[0]), dtype=torch.float64)
    wanted = layer(tensor_product(views))
    torch.testing.assert_close(low_rank_product(views, factors, ranks, layer.bias), wanted)
    ranks[-1] = 0.0
    assert not torch.allclose(low_rank_product(views, factors, ranks, layer.bias), wanted), "a rank too low must fail"


def of_entries(representation: int, modalities: int) -> tuple[DatasetSpec, TFNConfig]:
    names = ["text", "audio", "vision", "touch"][:modalities]
    config = TFNConfig(encoder=EncoderConfig(hidden=1, representation=representation), hidden=1)
    return DatasetSpec("toy", dict.fromkeys(names, 2), dict.fromkeys(names, 1)), config


def test_a_tensor_that_is_too_large_is_refused_with_its_sizes_and_the_remedy() -> None:
    with refused("too_large", "text, audio, vision, touch", "33 x 33 x 33 x 33", 1185921, MOST_ENTRIES, "lfn"):
        TFN(*of_entries(32, 4))


def test_the_largest_tensor_is_still_built() -> None:
    largest = of_entries(31, 4)
    assert TFN(*largest).fuse[0].in_features == MOST_ENTRIES


def test_sizes_and_rates_are_those_of_the_config() -> None:
    encoder = EncoderConfig(hidden=3, representation=5, input_dropout=0.11, dropout=0.12)
    spec = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})
    model = TFN(spec, TFNConfig(encoder=encoder, hidden=9, dropout=0.13, modality_dropout=0.14))
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters() if name.startswith("fuse")}
    assert shapes == {"fuse.0.weight": (9, 36), "fuse.0.bias": (9,), "fuse.3.weight": (9, 9), "fuse.3.bias": (9,)}
    rates = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.11, 0.12, 0.11, 0.12, 0.13, 0.13]
    assert model.modality_dropout.rate == 0.14
