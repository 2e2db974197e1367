from __future__ import annotations

import string

import numpy as np
import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import LFN, LFNConfig
from comodal.fusion.lfn import low_rank_product


def random_terms(
    dims: tuple[int, ...], *, rows: int = 5, rank: int = 3, width: int = 4
) -> tuple[list[Tensor], list[Tensor], Tensor, Tensor]:
    views = [torch.randn(rows, dim, dtype=torch.float64) for dim in dims]
    factors = [torch.randn(rank, dim + 1, width, dtype=torch.float64) for dim in dims]
    return views, factors, torch.randn(rank, dtype=torch.float64), torch.randn(width, dtype=torch.float64)


def by_loop(views: list[Tensor], factors: list[Tensor], weights: Tensor, bias: Tensor) -> np.ndarray:
    """Liu et al. 2018, equation 6 written out: a loop over samples, outputs, ranks, modalities and features."""
    rank, _, width = factors[0].shape
    out = np.zeros((len(views[0]), width))
    for row in range(len(out)):
        for unit in range(width):
            for r in range(rank):
                term = 1.0
                for view, factor in zip(views, factors, strict=True):
                    extended = [1.0, *view[row].tolist()]
                    term *= sum(extended[d] * float(factor[r, d, unit]) for d in range(len(extended)))
                out[row, unit] += float(weights[r]) * term
            out[row, unit] += float(bias[unit])
    return out


def by_explicit_tensors(views: list[Tensor], factors: list[Tensor], weights: Tensor, bias: Tensor) -> np.ndarray:
    """Equations 1 to 4: the outer product of all [1; z_m], contracted with the whole weight tensor."""
    axes = string.ascii_lowercase[: len(views)]
    extended = [np.concatenate([np.ones((len(v), 1)), v.numpy()], axis=1) for v in views]
    outer = np.einsum(",".join(f"z{axis}" for axis in axes) + f"->z{axes}", *extended)
    weight_tensor = np.einsum(
        "r," + ",".join(f"r{axis}h" for axis in axes) + f"->{axes}h", weights.numpy(), *[f.numpy() for f in factors]
    )
    return np.einsum(f"z{axes},{axes}h->zh", outer, weight_tensor) + bias.numpy()


@pytest.mark.parametrize("dims", [(3,), (3, 2), (3, 2, 4), (2, 3, 2, 1, 2)])
def test_equals_the_papers_equation_and_the_explicit_tensor(dims: tuple[int, ...]) -> None:
    terms = random_terms(dims)
    fast = low_rank_product(*terms).numpy()
    np.testing.assert_allclose(fast, by_loop(*terms), atol=1e-10)
    np.testing.assert_allclose(fast, by_explicit_tensors(*terms), atol=1e-10)


def test_by_hand() -> None:
    """R = 2 of one feature each: 0.5 (1 + 2a)(3 - b) + 2 (a)(4) + 10 at a = 1, b = 2 is 19.5."""
    first = torch.tensor([[[1.0], [2.0]], [[0.0], [1.0]]])
    second = torch.tensor([[[3.0], [-1.0]], [[4.0], [0.0]]])
    out = low_rank_product(
        [torch.tensor([[1.0]]), torch.tensor([[2.0]])], [first, second], torch.tensor([0.5, 2.0]), torch.tensor([10.0])
    )
    assert out.tolist() == [[19.5]]


def test_gradient_agrees_with_finite_differences() -> None:
    views, factors, weights, bias = random_terms((2, 3), rows=2, rank=2, width=2)
    inputs = [*views, *factors, weights, bias]
    for tensor in inputs:
        tensor.requires_grad_(requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b, f, g, w, c: low_rank_product([a, b], [f, g], w, c), inputs)


def test_views_without_one_factor_each_are_refused() -> None:
    with refused("mismatch", "0 views", "0 factors"):
        low_rank_product([], [], torch.ones(1), torch.zeros(1))
    with refused("mismatch", "2 views", "1 factors"):
        low_rank_product([torch.zeros(1, 1)] * 2, [torch.zeros(1, 2, 1)], torch.ones(1), torch.zeros(1))


def toy(rows: int = 6) -> tuple[DatasetSpec, MultimodalBatch]:
    dims = {"text": 4, "audio": 2}
    sequences = {n: ModalitySequence(torch.randn(rows, 1, d), torch.ones(rows, 1).bool()) for n, d in dims.items()}
    return DatasetSpec("toy", dims, dict.fromkeys(dims, 1)), MultimodalBatch(
        tuple(map(str, range(rows))), sequences, torch.zeros(rows)
    )


def test_the_model_is_the_product_of_its_representations_and_a_head() -> None:
    spec, batch = toy()
    model = LFN(spec, LFNConfig(rank=3, hidden=5)).eval()
    out = model(batch)
    fused = by_loop(
        [z.detach() for z in out.representations.values()],
        [f.detach() for f in model.factors],
        model.rank_weights.detach(),
        model.bias.detach(),
    )
    np.testing.assert_allclose(out.fused.detach(), fused, atol=1e-4)
    prediction = fused @ model.head.weight.detach().numpy()[0] + model.head.bias.item()
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), prediction, atol=1e-4)


def test_an_absent_modality_contributes_the_constant_of_its_factors() -> None:
    spec, batch = toy()
    model = LFN(spec, LFNConfig(rank=2, hidden=3)).eval()
    text = batch.modalities["text"]
    hidden = ModalitySequence(text.values, torch.zeros_like(text.mask))
    out = model(MultimodalBatch(batch.id, {**batch.modalities, "text": hidden}, batch.target))
    audio = torch.cat([torch.ones(6, 1), out.representations["audio"]], dim=1)
    wanted = torch.einsum("r,rh,bd,rdh->bh", model.rank_weights, model.factors[0][:, 0], audio, model.factors[1])
    torch.testing.assert_close(out.fused, wanted + model.bias)


def test_dropout_falls_on_the_fused_vector() -> None:
    spec, batch = toy()
    still = EncoderConfig(input_dropout=0.0, dropout=0.0)
    model = LFN(spec, LFNConfig(encoder=still, dropout=0.5, hidden=64, modality_dropout=0.0))
    dropped, whole = model.train()(batch).fused, model.eval()(batch).fused
    zero = dropped == 0
    assert 0.2 < zero.float().mean() < 0.8
    torch.testing.assert_close(dropped[~zero], 2 * whole[~zero])
