"""The wrapped encoder against the encoder itself, loaded and run without this library."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused
from tiny_language_models import LAYERS, POSITIONS, VOCABULARY, WIDTH, TinyBackbones
from torch import Tensor, nn

from comodal.contracts import ModalitySequence, TokenSpec
from comodal.encoders.backbone import LAYOUTS
from comodal.encoders.language_model import LanguageModel

KINDS = tuple(LAYOUTS)
LENGTHS = (9, 3, 6, 1, 9)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBackbones:
    return TinyBackbones(tmp_path_factory.mktemp("backbones"))


def pieces_of(lengths: tuple[int, ...] = LENGTHS) -> ModalitySequence:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    ids = torch.where(mask, torch.randint(5, VOCABULARY, mask.shape), 0)
    return ModalitySequence(torch.stack([ids, torch.zeros_like(ids)], dim=-1), mask)


def plain(folder: str, **options: Any) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, **options).eval()


def inputs_of(pieces: ModalitySequence, kind: str) -> dict[str, Tensor]:
    inputs = {"input_ids": pieces.values[..., 0], "attention_mask": pieces.mask.long()}
    if kind not in ("distilbert", "mpnet", "modernbert"):
        inputs["token_type_ids"] = pieces.values[..., 1]
    return inputs


def same(hidden: Tensor) -> Tensor:
    return hidden


def shifted(hidden: Tensor) -> Tensor:
    """A gate whose result tells sample, piece and unit apart."""
    rows, steps, width = hidden.shape
    offset = torch.arange(rows * steps * width, dtype=hidden.dtype).view(rows, steps, width)
    return hidden * 1.5 + (offset * 0.37).sin()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_pools_what_the_encoder_says(tiny: TinyBackbones, kind: str, pooling: str) -> None:
    model = LanguageModel(tiny(kind), pooling=pooling).eval()
    pieces = pieces_of()
    hidden = plain(tiny(kind))(**inputs_of(pieces, kind)).last_hidden_state.detach().numpy()
    wanted = np.zeros((len(LENGTHS), WIDTH))
    for row, length in enumerate(LENGTHS):
        if pooling == "mean":
            wanted[row] = sum(hidden[row, step] for step in range(length)) / length
        else:
            wanted[row] = hidden[row, length - 1 if kind == "xlnet" else 0]
    np.testing.assert_allclose(model(pieces, same).pooled.detach(), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_last_states_are_those_of_the_plain_encoder(tiny: TinyBackbones, kind: str) -> None:
    pieces = pieces_of()
    wanted = plain(tiny(kind))(**inputs_of(pieces, kind)).last_hidden_state
    found = LanguageModel(tiny(kind)).eval().last_states(pieces)
    torch.testing.assert_close(found[pieces.mask], wanted[pieces.mask], atol=1e-6, rtol=0)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(tiny: TinyBackbones, kind: str, pooling: str) -> None:
    model = LanguageModel(tiny(kind), pooling=pooling).eval()
    pieces = pieces_of()
    together = model(pieces, same).pooled
    for row, length in enumerate(LENGTHS):
        alone = ModalitySequence(pieces.values[row : row + 1, :length], pieces.mask[row : row + 1, :length])
        torch.testing.assert_close(model(alone, same).pooled[0], together[row], atol=1e-5, rtol=0)


@pytest.mark.parametrize("gate_layer", [0, 1, None])
@pytest.mark.parametrize("kind", KINDS)
def test_the_gate_stands_in_front_of_its_layer(tiny: TinyBackbones, kind: str, gate_layer: int | None) -> None:
    model = LanguageModel(tiny(kind), gate_layer=gate_layer).eval()
    pieces = pieces_of()
    place = (1 if kind == "xlnet" else 0) if gate_layer is None else gate_layer
    encoder = plain(tiny(kind))
    entered: list[Tensor] = []

    def hook(_: nn.Module, args: tuple[Tensor, ...], options: dict[str, Any]) -> Any:
        hidden = args[0].transpose(0, 1) if kind == "xlnet" else args[0]
        entered.append(hidden)
        gated = shifted(hidden)
        return (gated.transpose(0, 1) if kind == "xlnet" else gated, *args[1:]), options

    layers = next(m for m in encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == LAYERS)
    ungated = encoder(**inputs_of(pieces, kind), output_hidden_states=True)
    layers[place].register_forward_pre_hook(hook, with_kwargs=True)
    hidden = encoder(**inputs_of(pieces, kind)).last_hidden_state
    mask = pieces.mask.unsqueeze(-1)
    out = model(pieces, shifted)
    torch.testing.assert_close(out.pooled, (hidden * mask).sum(1) / mask.sum(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(out.entered, entered[0], atol=0, rtol=0)
    # What stands at the padding is nobody's concern.
    torch.testing.assert_close(out.entered * mask, ungated.hidden_states[place] * mask, atol=1e-6, rtol=0)
    assert not torch.allclose(out.pooled, model(pieces, same).pooled, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_states_at_the_gate_are_had_without_the_layers_behind_it(tiny: TinyBackbones, kind: str) -> None:
    model = LanguageModel(tiny(kind), gate_layer=1).eval()
    pieces, run = pieces_of(), []
    for number, layer in enumerate(model.layers):
        inner = layer.layer if number == 1 else layer
        inner.register_forward_hook(lambda *_, number=number: run.append(number))
    entered = model(pieces, same).entered
    assert run == [0, 1]
    assert torch.equal(model.states_at_gate(pieces), entered)
    assert run == [0, 1, 0]
    assert torch.equal(model(pieces, same).entered, entered)  # and it runs to the end afterwards


@pytest.mark.parametrize("kind", KINDS)
def test_every_trained_parameter_gets_a_gradient(tiny: TinyBackbones, kind: str) -> None:
    model = LanguageModel(tiny(kind))
    model(pieces_of(), same).pooled.square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    idle = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert idle == (["model.mask_emb"] if kind == "xlnet" else [])


def test_the_pooler_is_the_pretrained_one(tiny: TinyBackbones) -> None:
    model = LanguageModel(tiny("bert"), pooling="pooler").eval()
    pieces = pieces_of()
    wanted = plain(tiny("bert"))(**inputs_of(pieces, "bert")).pooler_output
    torch.testing.assert_close(model(pieces, same).pooled, wanted, atol=1e-6, rtol=0)
    assert any("pooler" in name for name, _ in model.named_parameters())
    assert not any("pooler" in name for name, _ in LanguageModel(tiny("bert")).named_parameters())


def test_a_gate_layer_that_is_not_there_is_refused(tiny: TinyBackbones) -> None:
    with refused("out_of_range", "gate_layer", LAYERS, LAYERS - 1):
        LanguageModel(tiny("bert"), gate_layer=LAYERS)


def tokens(vocabulary: int = VOCABULARY, max_length: int = 9, pad_id: int = 0) -> TokenSpec:
    return TokenSpec("toy", vocabulary, pad_id=pad_id, unknown_id=1, max_length=max_length)


def test_pieces_of_a_larger_vocabulary_are_refused(tiny: TinyBackbones) -> None:
    model = LanguageModel(tiny("bert"))
    model.require_tokens(tokens())
    with refused("mismatch", "toy", 31, 30):
        model.require_tokens(tokens(VOCABULARY + 1))
    with refused("mismatch", 30):
        model.require_tokens(tokens(pad_id=VOCABULARY))


LONGEST = {"bert": POSITIONS, "roberta": POSITIONS - 2, "mpnet": POSITIONS - 2, "distilbert": POSITIONS}


@pytest.mark.parametrize(("kind", "longest"), LONGEST.items())
def test_more_pieces_than_positions_are_refused(tiny: TinyBackbones, kind: str, longest: int) -> None:
    model = LanguageModel(tiny(kind)).eval()
    model.require_tokens(tokens(max_length=longest))
    assert model(pieces_of((longest,)), same).pooled.isfinite().all()
    with refused("out_of_range", longest + 1, f"max_length={longest}"):
        model.require_tokens(tokens(max_length=longest + 1))
    with pytest.raises((IndexError, RuntimeError)):  # the encoder itself agrees
        model(pieces_of((longest + 1,)), same)


@pytest.mark.parametrize("kind", ["xlnet", "deberta-v2", "modernbert"])
def test_relative_positions_have_no_end(tiny: TinyBackbones, kind: str) -> None:
    model = LanguageModel(tiny(kind)).eval()
    model.require_tokens(tokens(max_length=10 * POSITIONS))
    assert model(pieces_of((3 * POSITIONS,)), same).pooled.isfinite().all()


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("kind", KINDS)
def test_freezing_freezes_embeddings_and_first_layers(tiny: TinyBackbones, kind: str) -> None:
    def frozen(layers: int) -> set[str]:
        model = LanguageModel(tiny(kind), gate_layer=0)
        before = trained(model)
        model.freeze(layers)
        return {name.replace(".layer.layer.", ".layer.") for name in before - trained(model)}

    path = f"model.{LAYOUTS[kind].layers}."
    assert all("embedding" in name for name in frozen(0))
    assert frozen(0)
    first = frozen(1) - frozen(0)
    assert first
    assert all(name.startswith(f"{path}0.") for name in first)
    model = LanguageModel(tiny(kind))
    model.freeze(LAYERS)
    assert trained(model) == set()
    with refused("out_of_range", "freeze_layers", 3, LAYERS):
        model.freeze(3)


def test_frozen_layers_stay_as_they_are(tiny: TinyBackbones) -> None:
    model = LanguageModel(tiny("bert"))
    model.freeze(1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(pieces_of(), same).pooled.square().sum().backward()
    optimizer.step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved
    assert all(".layer.1." in name for name in moved)


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_are_all_that_is_trained_and_change_nothing_at_first(tiny: TinyBackbones, kind: str) -> None:
    model = LanguageModel(tiny(kind)).eval()
    pieces = pieces_of()
    before = model(pieces, shifted)
    model.add_adapters(2)
    after = model(pieces, shifted)
    torch.testing.assert_close(after.pooled, before.pooled, atol=1e-6, rtol=0)
    adapters = trained(model)
    assert {name.rpartition("lora_")[2][0] for name in adapters} == {"A", "B"}
    assert len(adapters) == 2 * LAYERS * len(LAYOUTS[kind].adapted)
    after.pooled.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    heard = [p for n, p in model.named_parameters() if "lora_B" in n and p.grad is not None and p.grad.abs().sum() > 0]
    assert len(heard) == LAYERS * len(LAYOUTS[kind].adapted)
    assert all(min(p.shape) == 2 for n, p in model.named_parameters() if "lora_" in n)


def test_adapters_without_peft_name_what_to_install(tiny: TinyBackbones, monkeypatch: pytest.MonkeyPatch) -> None:
    importer = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "peft":
            raise ImportError("No module named 'peft'")
        return importer(name, *args, **options)

    model = LanguageModel(tiny("bert"))
    monkeypatch.setattr(builtins, "__import__", without)
    with refused("needs_package", "pip install", "peft"):
        model.add_adapters(4)


def gradients(model: nn.Module, pieces: ModalitySequence, gate: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    torch.manual_seed(11)
    model.zero_grad()
    model(pieces, gate).pooled.square().sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gate_layer", [0, 1])
def test_checkpointed_gradients_are_the_same(tiny: TinyBackbones, kind: str, gate_layer: int) -> None:
    """Dropout included: what is run again draws what it drew."""
    model = LanguageModel(tiny(kind), gate_layer=gate_layer).train()
    pieces, calls = pieces_of(), {"inside": 0, "gate": 0}
    inside = next(module for module in model.gated.layer.modules() if isinstance(module, nn.Linear))
    inside.register_forward_hook(lambda *_: calls.update(inside=calls["inside"] + 1))

    def gate(hidden: Tensor) -> Tensor:
        calls["gate"] += 1
        return shifted(hidden)

    wanted = gradients(model, pieces, gate)
    once = calls["inside"]
    assert calls["gate"] == 1
    model.checkpoint_gradients()
    got = gradients(model, pieces, gate)
    assert calls == {"inside": 3 * once, "gate": 2}, "the layer is run again, and the gate is not"
    assert got.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(got[name], gradient, msg=name)


def test_checkpoints_are_copied_with_the_model(tiny: TinyBackbones) -> None:
    model = LanguageModel(tiny("bert")).train()
    model.checkpoint_gradients()
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(gradient.abs().sum() > 0 for gradient in gradients(other, pieces_of(), shifted).values())
