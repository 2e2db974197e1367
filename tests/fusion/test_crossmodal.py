from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from comodal.contracts import ModalitySequence
from comodal.fusion.crossmodal import (
    CrossmodalTransformers,
    ParallelLinear,
    SelfAttentionTransformers,
    TransformerLayer,
)

WIDTH, HEADS = 8, 2


def ragged(rows: int, steps: int, width: int = WIDTH, *, absent: int | None = None) -> ModalitySequence:
    lengths = torch.randint(1, steps + 1, (rows, 1))
    lengths[0] = steps
    if absent is not None:
        lengths[absent] = 0
    return ModalitySequence(torch.randn(rows, steps, width, dtype=torch.float64), torch.arange(steps) < lengths)


def normal(frames: Tensor) -> Tensor:
    return functional.layer_norm(frames, frames.shape[-1:])


def shaken(module: nn.Module) -> nn.Module:
    """In double precision and evaluation, biases and residual branches of a scale that shows."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.4)
    return module.eval()


def by_pytorch(layer: TransformerLayer, member: int, target: Tensor, source: Tensor, mask: Tensor) -> Tensor:
    """A layer of one transformer through ``nn.MultiheadAttention``, which knows nothing of absent sources."""
    attention = nn.MultiheadAttention(layer.width, layer.heads, batch_first=True).double()

    def linear(maps: ParallelLinear) -> tuple[Tensor, Tensor]:
        return maps.weight[member].T, maps.bias.view(-1, maps.outputs)[member]

    with torch.no_grad():
        attention.in_proj_weight.copy_(linear(layer.project)[0])
        attention.in_proj_bias.copy_(linear(layer.project)[1])
        attention.out_proj.weight.copy_(linear(layer.combine)[0])
        attention.out_proj.bias.copy_(linear(layer.combine)[1])
    told, _ = attention(normal(target), source, source, key_padding_mask=~mask)
    target = target + told
    return target + functional.linear(
        functional.relu(functional.linear(normal(target), *linear(layer.expand))), *linear(layer.contract)
    )


@pytest.mark.parametrize(("frames", "keys"), [(1, 1), (4, 6), (5, 1), (1, 7)])
def test_a_layer_equals_pytorch_s_attention(frames: int, keys: int) -> None:
    layer = shaken(TransformerLayer(3, WIDTH, HEADS, dropout=0.0, attention_dropout=0.0))
    targets = torch.randn(3, 5, frames, WIDTH, dtype=torch.float64)
    sources = [ragged(5, keys) for _ in range(3)]
    mask = torch.stack([source.mask for source in sources])
    got = layer(targets, mask, range(3), torch.stack([source.values for source in sources]))
    for member, (target, source) in enumerate(zip(targets, sources, strict=True)):
        wanted = by_pytorch(layer, member, target, source.values, source.mask)
        torch.testing.assert_close(got[member], wanted)
        other = by_pytorch(layer, (member + 1) % 3, target, source.values, source.mask)
        assert not torch.allclose(got[member], other), "the weights of another transformer go unseen"


@pytest.mark.parametrize("frames", [1, 4])
def test_a_layer_that_attends_to_itself_equals_pytorch_s(frames: int) -> None:
    layer = shaken(TransformerLayer(2, WIDTH, HEADS, dropout=0.0, attention_dropout=0.0))
    sequences = [ragged(5, frames) for _ in range(2)]
    mask = torch.stack([each.mask for each in sequences])
    got = layer(torch.stack([each.values for each in sequences]), mask, range(2))
    for member, (values, real) in enumerate(sequences):
        torch.testing.assert_close(got[member], by_pytorch(layer, member, values, normal(values), real))


@pytest.mark.parametrize("keys", [1, 4])
@pytest.mark.parametrize("attention_dropout", [0.0, 0.5])
def test_an_absent_source_adds_exactly_nothing(keys: int, attention_dropout: float) -> None:
    layer = shaken(TransformerLayer(1, WIDTH, HEADS, dropout=0.0, attention_dropout=attention_dropout)).train()
    target = torch.randn(1, 3, 2, WIDTH, dtype=torch.float64, requires_grad=True)
    source = torch.randn(1, 3, keys, WIDTH, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(1, 3, keys, dtype=torch.bool)
    mask[:, 1] = False
    nn.init.zeros_(layer.contract.weight)
    nn.init.zeros_(layer.contract.bias)
    out = layer(target, mask, [0], source)
    assert torch.equal(out[:, 1], target[:, 1])
    assert not torch.isclose(out[:, [0, 2]], target[:, [0, 2]]).all()
    out.square().sum().backward()
    assert source.grad is not None
    assert target.grad is not None
    assert torch.equal(target.grad[:, 1], 2 * target[:, 1])
    assert not source.grad[:, 1].any()
    assert source.grad[:, [0, 2]].any()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in layer.parameters())


def test_attention_dropout_falls_on_whole_heads_of_a_single_frame() -> None:
    layer = shaken(TransformerLayer(1, WIDTH, HEADS, dropout=0.0, attention_dropout=0.5)).train()
    nn.init.zeros_(layer.contract.weight)
    nn.init.zeros_(layer.contract.bias)
    target = torch.zeros(1, 200, 1, WIDTH, dtype=torch.float64)
    source = torch.ones(1, 200, 1, WIDTH, dtype=torch.float64)
    out = layer(target, torch.ones(1, 200, 1, dtype=torch.bool), [0], source)
    assert len(out.flatten(0, 2).unique(dim=0)) == 2**HEADS


LENGTHS = pytest.mark.parametrize("lengths", [(4, 4, 4), (4, 4, 6), (1, 4, 6), (1, 1, 1), (5, 2)])
"""All pairs at once, some of them, none."""


@LENGTHS
def test_many_transformers_equal_one_after_another(lengths: tuple[int, ...]) -> None:
    transformers = shaken(CrossmodalTransformers(len(lengths), WIDTH, HEADS, 2, dropout=0.0, attention_dropout=0.0))
    sequences = [ragged(5, steps) for steps in lengths]
    for m, got in enumerate(transformers(sequences)):
        told = []
        for pair, (target, source) in enumerate(transformers.pairs):
            frames = sequences[m].values
            for layer in transformers.layers:
                frames = by_pytorch(layer, pair, frames, normal(sequences[source].values), sequences[source].mask)
            if target == m:
                told.append(normal(frames))
        torch.testing.assert_close(got, torch.cat(told, dim=-1))
        if len(told) > 1:
            assert not torch.allclose(got, torch.cat(told[::-1], dim=-1)), "the order of the sources goes unseen"


@LENGTHS
def test_the_last_frame_of_a_transformer_needs_no_other_in_its_last_layer(lengths: tuple[int, ...]) -> None:
    transformers = shaken(SelfAttentionTransformers(len(lengths), WIDTH, HEADS, 2, dropout=0.0, attention_dropout=0.0))
    sequences = [ragged(5, steps, absent=number) for number, steps in enumerate(lengths)]
    wanted = []
    for member, (values, mask) in enumerate(sequences):
        there, frames = mask.any(dim=1), values
        for layer in transformers.layers:
            every = frames.clone()
            every[there] = by_pytorch(layer, member, frames[there], normal(frames[there]), mask[there])
            frames = every
        last = normal(frames)[torch.arange(5), (mask.sum(dim=1) - 1).clamp_min(0)]
        wanted.append(last * there.unsqueeze(1))
    got = transformers(sequences)
    torch.testing.assert_close(got, torch.cat(wanted, dim=1))
    assert not torch.allclose(got, torch.cat([wanted[-1], *wanted[:-1]], dim=1))


@LENGTHS
def test_padding_that_parts_the_pairs_changes_nothing(lengths: tuple[int, ...]) -> None:
    count = len(lengths)
    crossmodal = shaken(CrossmodalTransformers(count, WIDTH, HEADS, 2, dropout=0.0, attention_dropout=0.0))
    memory = shaken(SelfAttentionTransformers(count, WIDTH, HEADS, 2, dropout=0.0, attention_dropout=0.0))
    sequences = [ragged(5, steps, absent=number) for number, steps in enumerate(lengths)]
    values, mask = sequences[0]
    padded = ModalitySequence(functional.pad(values, (0, 0, 0, 3), value=9.0), functional.pad(mask, (0, 3)))
    longer = [padded, *sequences[1:]]
    for (_, real), one, other in zip(sequences, crossmodal(sequences), crossmodal(longer), strict=True):
        torch.testing.assert_close(other[:, : real.shape[1]][real], one[real])
    torch.testing.assert_close(memory(longer), memory(sequences))
    seen = ModalitySequence(padded.values, torch.ones_like(padded.mask))
    assert not torch.allclose(memory([seen, *sequences[1:]]), memory(sequences)), "a mask that is ignored goes unseen"


def test_what_enters_a_residual_path_starts_small() -> None:
    transformers = CrossmodalTransformers(3, 32, 4, 4, dropout=0.0, attention_dropout=0.0)
    sequences = [ModalitySequence(torch.randn(64, 5, 32), torch.ones(64, 5, dtype=torch.bool)) for _ in range(3)]
    for told, (values, _) in zip(transformers(sequences), sequences, strict=True):
        changed = (told - normal(values).repeat(1, 1, 2)).square().mean()
        assert 1e-4 < changed < 0.2


def test_biases_have_no_weight_decay_and_weights_have() -> None:
    layer = TransformerLayer(3, WIDTH, HEADS, dropout=0.0, attention_dropout=0.0)
    for name, parameter in layer.named_parameters():
        assert (parameter.ndim > 1) == name.endswith("weight"), "one axis marks what is not decayed"
