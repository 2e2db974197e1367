"""The whole model against the encoder itself, run without this library with the gate written out in a hook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mag_by_hand import KINDS, LENGTHS, batch_of, head_of, model_of, replaced, run_plainly, spec_of
from refusals import refused
from small_tokenizers import bert_like
from tiny_language_models import LAYERS, TinyBackbones, save_tiny

from comodal.contracts import DatasetSpec, ModalitySequence
from comodal.fusion import MAG, MAGConfig, fusion_family
from comodal.fusion.mag import tokenizer_of


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBackbones:
    return TinyBackbones(tmp_path_factory.mktemp("backbones"))


@pytest.mark.parametrize("names", [("text", "audio"), ("audio", "text", "vision")])
@pytest.mark.parametrize("gate_layer", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_encoder_with_the_gate_written_out(
    tiny: TinyBackbones, kind: str, gate_layer: int, names: tuple[str, ...]
) -> None:
    model = model_of(spec_of(*names), backbone=tiny(kind), gate_layer=gate_layer, beta=0.8)
    batch = batch_of(*names)
    text = batch.modalities["text"]
    frames = {name: batch.modalities[name] for name in names if name != "text"}
    pooled, entered = run_plainly(
        tiny(kind), kind, text.values[..., 0], text.mask, model=model, frames=frames, place=gate_layer
    )
    out = model(batch)
    np.testing.assert_allclose(out.fused.detach(), pooled, atol=1e-5)
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), head_of(model, pooled), atol=1e-5)
    assert tuple(out.representations) == names
    for name, got in out.representations.items():
        for row, length in enumerate(LENGTHS):
            if name == "text":
                wanted = entered[row, :length].mean(axis=0)
            else:
                assert model.gate is not None
                projection = model.gate.projections[name].weight.detach().double().numpy()
                frame = frames[name].values[row].double().numpy()
                wanted = sum(projection @ frame[step] for step in range(length)) / length
            np.testing.assert_allclose(got[row].detach(), wanted, atol=1e-5)
    ungated = run_plainly(tiny(kind), kind, text.values[..., 0], text.mask)[0]
    assert not np.allclose(out.fused.detach(), ungated, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_with_beta_zero_it_is_the_plain_encoder(tiny: TinyBackbones, kind: str) -> None:
    batch = batch_of("text", "audio")
    text = batch.modalities["text"]
    pooled, _ = run_plainly(tiny(kind), kind, text.values[..., 0], text.mask)
    off = model_of(spec_of("text", "audio"), backbone=tiny(kind), beta=0.0)
    np.testing.assert_allclose(off(batch).fused.detach(), pooled, atol=1e-6)
    np.testing.assert_allclose(off(batch).logits.squeeze(1).detach(), head_of(off, pooled), atol=1e-6)
    on = model_of(spec_of("text", "audio"), backbone=tiny(kind), beta=0.5)
    assert not np.allclose(on(batch).fused.detach(), pooled, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_alone_is_plain_fine_tuning(tiny: TinyBackbones, kind: str) -> None:
    batch = batch_of("text")
    text = batch.modalities["text"]
    model = model_of(spec_of("text"), backbone=tiny(kind))
    assert model.gate is None
    pooled, entered = run_plainly(tiny(kind), kind, text.values[..., 0], text.mask, place=1 if kind == "xlnet" else 0)
    out = model(batch)
    np.testing.assert_allclose(out.fused.detach(), pooled, atol=1e-6)
    np.testing.assert_allclose(
        out.representations["text"][1].detach(), entered[1, : LENGTHS[1]].mean(axis=0), atol=1e-6
    )
    assert model.parameter_groups()["fusion"] == list(model.head.parameters())


def test_xlnet_is_gated_in_front_of_layer_one_by_default(tiny: TinyBackbones) -> None:
    batch = batch_of("text", "audio")
    published, first, second = (
        model_of(spec_of("text", "audio"), backbone=tiny("xlnet"), gate_layer=place)(batch).logits
        for place in (None, 0, 1)
    )
    assert torch.equal(published, second)
    assert not torch.allclose(published, first)


def test_pieces_may_be_of_any_integer_type(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny("xlnet"))
    batch = batch_of("text", "audio")
    text = batch.modalities["text"]
    short = ModalitySequence(text.values.to(torch.int32), text.mask)
    assert torch.equal(model(replaced(batch, text=short)).logits, model(batch).logits)


def test_type_ids_are_read(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text"), backbone=tiny("bert"))
    batch = batch_of("text")
    text = batch.modalities["text"]
    second = ModalitySequence(text.values + torch.tensor([0, 1]), text.mask)
    assert not torch.allclose(model(replaced(batch, text=second)).logits, model(batch).logits)


def test_a_penalty_reaches_embeddings_and_projections_only(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    out = model(batch_of("text", "audio"))
    sum(z.square().sum() for z in out.representations.values()).backward()
    heard = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert all(".embeddings." in name or "projections" in name for name in heard)
    assert {"gate.projections.audio.weight", "encoder.model.embeddings.word_embeddings.weight"} <= heard


def test_options_of_what_is_trained_reach_the_encoder(tiny: TinyBackbones) -> None:
    spec = spec_of("text", "audio")

    def trained(**options: Any) -> set[str]:
        model = model_of(spec, backbone=tiny("bert"), **options)
        model(batch_of("text", "audio")).logits.square().sum().backward()
        for name, parameter in model.named_parameters():
            assert parameter.requires_grad == (parameter.grad is not None), name
        return {name for name, parameter in model.encoder.named_parameters() if parameter.requires_grad}

    everything = trained()
    assert trained(gradient_checkpointing=True) == everything
    assert {name for name in everything - trained(freeze_layers=0) if "embeddings" not in name} == set()
    assert trained(freeze_layers=LAYERS) == set()
    adapted = trained(lora_rank=2)
    assert adapted
    assert all("lora_" in name for name in adapted)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near_single(tiny: TinyBackbones, kind: str) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny(kind))
    batch = batch_of("text", "audio")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(batch)
    exact = model(batch)
    assert 0 < (out.logits.float() - exact.logits).abs().max() < 0.1
    out.logits.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_the_tokenizer_is_that_of_the_backbone(tmp_path: Any) -> None:
    name = save_tiny(tmp_path, tokenizer=bert_like())
    assert fusion_family("mag").tokenizer is tokenizer_of
    assert tokenizer_of(MAGConfig(backbone=name))("so good")["input_ids"] == [2, 4, 5, 3]
    with refused("missing", "fusion_config.backbone"):
        tokenizer_of(MAGConfig())


def test_pieces_that_do_not_fit_are_refused(tiny: TinyBackbones) -> None:
    with refused("mismatch", 31, 30):
        MAG(spec_of("text", vocabulary=31), MAGConfig(backbone=tiny("bert")))
    with refused("out_of_range", 25, 24):
        MAG(spec_of("text", max_length=25), MAGConfig(backbone=tiny("bert")))


def test_a_data_set_without_pieces_is_refused(tiny: TinyBackbones) -> None:
    config = MAGConfig(backbone=tiny("bert"))
    vectors = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 3, "audio": 3})
    with refused("wrong_type", "MAG"):
        fusion_family("mag").build(vectors, config)
    no_text = DatasetSpec("toy", {"audio": 2}, {"audio": 3}, tokens=spec_of("text").tokens)
    for spec in (vectors, no_text):
        with refused("missing", "toy", "MAG"):
            MAG(spec, config)


def test_a_model_needs_a_backbone() -> None:
    with refused("missing", "fusion_config.backbone"):
        MAG(spec_of("text", "audio"))


def test_it_leaves_nothing_of_a_batch_behind(tiny: TinyBackbones) -> None:
    """A failed forward pass included: the next one does not see its frames."""
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    batch = batch_of("text", "audio")
    wanted = model(batch).logits
    wrong = batch.modalities["audio"]
    with pytest.raises(RuntimeError):
        model(replaced(batch, audio=ModalitySequence(wrong.values[..., :2], wrong.mask)))
    assert torch.equal(model(batch).logits, wanted)
    with pytest.raises(RuntimeError, match="without its gate"):
        model.encoder.model(input_ids=batch.modalities["text"].values[..., 0])
