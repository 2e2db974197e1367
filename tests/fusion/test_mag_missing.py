"""MAG where a modality is absent, hidden or said once for the whole sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mag_by_hand import KINDS, PAD, UNKNOWN, absent, batch_of, model_of, replaced, run_plainly, spec_of
from tiny_language_models import WIDTH, TinyBackbones, save_tiny

from comodal.contracts import ModalitySequence


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBackbones:
    return TinyBackbones(tmp_path_factory.mktemp("backbones"))


def test_absent_text_is_read_as_unknown_pieces(tiny: TinyBackbones) -> None:
    """At every step at which another modality has a frame; in the other samples the text stays."""
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    batch = absent(batch_of("text", "audio"), "text", rows=(1, 3))
    text, audio = batch.modalities["text"], batch.modalities["audio"]
    ids = torch.where(audio.mask, torch.where(text.mask, text.values[..., 0], UNKNOWN), PAD)
    pooled, _ = run_plainly(tiny("bert"), "bert", ids, audio.mask, model=model, frames={"audio": audio})
    out = model(batch)
    np.testing.assert_allclose(out.fused.detach(), pooled, atol=1e-5)
    assert out.representations["text"][[1, 3]].abs().max() == 0.0
    assert out.representations["text"][[0, 2]].abs().min() > 0.0


def test_nothing_at_all_is_one_unknown_piece(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    batch = absent(absent(batch_of("text", "audio"), "text", rows=(2,)), "audio", rows=(2,))
    ids = torch.tensor([[UNKNOWN]])
    nobody = {"audio": ModalitySequence(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.bool))}
    pooled, _ = run_plainly(tiny("bert"), "bert", ids, ids > 0, model=model, frames=nobody)
    np.testing.assert_allclose(model(batch).fused[2].detach(), pooled[0], atol=1e-5)


def test_absent_audio_displaces_nothing(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    batch = absent(batch_of("text", "audio"), "audio", rows=(0, 2))
    text, audio = batch.modalities["text"], batch.modalities["audio"]
    pooled, _ = run_plainly(tiny("bert"), "bert", text.values[..., 0], text.mask, model=model, frames={"audio": audio})
    np.testing.assert_allclose(model(batch).fused.detach(), pooled, atol=1e-5)
    assert model.gate is not None
    hidden = torch.randn(4, 7, WIDTH)
    assert model.gate.displacement(hidden, {"audio": audio})[[0, 2]].abs().max() == 0.0


def test_one_frame_stands_for_the_whole_sample(tiny: TinyBackbones) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny("bert"))
    batch = batch_of("text", "audio")
    audio = batch.modalities["audio"]
    once = ModalitySequence(audio.values[:, :1], audio.mask[:, :1])
    repeated = ModalitySequence(audio.values[:, :1].expand(-1, 7, -1) * audio.mask.unsqueeze(-1), audio.mask)
    torch.testing.assert_close(model(replaced(batch, audio=once)).fused, model(replaced(batch, audio=repeated)).fused)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_masked_pieces_has_no_say(tiny: TinyBackbones, kind: str) -> None:
    model = model_of(spec_of("text", "audio"), backbone=tiny(kind))
    batch = absent(batch_of("text", "audio"), "text", rows=(1,))
    text = batch.modalities["text"]
    filled = ModalitySequence(torch.where(text.mask.unsqueeze(-1), text.values, 10**9), text.mask)
    assert torch.equal(model(replaced(batch, text=filled)).logits, model(batch).logits)


def test_modality_dropout_hides_the_text_as_if_it_were_absent(tmp_path: Any) -> None:
    names = ("text", "audio")
    still = save_tiny(tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = model_of(spec_of(*names), backbone=still, modality_dropout=0.9, dropout=0.0, head_dropout=0.0)
    batch = batch_of(*names, lengths=(7,) * 24)
    whole = model(batch)
    no_text = model(absent(batch, "text", rows=tuple(range(24)))).logits
    no_audio = model(absent(batch, "audio", rows=tuple(range(24)))).logits
    dropped = model.train()(batch)
    seen = {
        name: torch.isclose(dropped.logits, other, atol=1e-5)
        for name, other in {"all": whole.logits, "no text": no_text, "no audio": no_audio}.items()
    }
    assert torch.stack(list(seen.values())).any(dim=0).all()
    assert seen["no text"].sum() > 3
    assert seen["no audio"].sum() > 3
    for name in names:
        assert torch.equal(dropped.representations[name], whole.representations[name])
