from __future__ import annotations

import pytest
import torch

from comodal.contracts import DatasetSpec, InputError, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig

SPEC = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})


def batch(*names: str) -> MultimodalBatch:
    sequences = {
        name: ModalitySequence(torch.randn(3, 1, SPEC.dims.get(name, 1)), torch.ones(3, 1).bool()) for name in names
    }
    return MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))


def test_each_modality_has_an_encoder_of_its_own() -> None:
    bank = EncoderBank(SPEC, EncoderConfig(representation=8, input_dropout=0.0, dropout=0.0))
    given = batch("text", "audio")
    out = bank(given)
    assert list(out) == ["text", "audio"]
    assert torch.equal(out["text"], bank.encoders["text"](given.modalities["text"]))
    assert torch.equal(out["audio"], bank.encoders["audio"](given.modalities["audio"]))
    shared = {id(p) for p in bank.encoders["text"].parameters()} & {id(p) for p in bank.encoders["audio"].parameters()}
    assert not shared


def test_order_is_that_of_the_spec_and_strangers_are_left_out() -> None:
    bank = EncoderBank(SPEC, EncoderConfig(representation=8))
    assert list(bank(batch("smell", "audio", "text"))) == ["text", "audio"]


def test_a_batch_without_a_modality_is_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match="no modality 'audio': give it with a mask that is all false"):
        EncoderBank(SPEC, EncoderConfig())(batch("text"))
