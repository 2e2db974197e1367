from __future__ import annotations

import pytest
import torch
from refusals import refused

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.contracts.errors import Code
from comodal.encoders import ENCODERS, EncoderBank, EncoderConfig
from comodal.encoders.widths import sizes_per_modality

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
    with refused("missing", "'audio'"):
        EncoderBank(SPEC, EncoderConfig())(batch("text"))


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_kind_is_that_of_the_config(kind: str) -> None:
    config = EncoderConfig(kind=kind, hidden=3, representation=8, input_dropout=0.1, dropout=0.2)
    bank = EncoderBank(SPEC, config)
    assert all(type(encoder) is ENCODERS[kind] for encoder in bank.encoders.values())
    assert [module.p for module in bank.modules() if isinstance(module, torch.nn.Dropout)] == [0.1, 0.2] * 2
    assert {name: tuple(z.shape) for name, z in bank(batch("text", "audio")).items()} == {
        "text": (3, 8),
        "audio": (3, 8),
    }


def test_an_unknown_kind_offers_the_nearest() -> None:
    with refused("unknown_name", "lsmt", "lstm", "mean"):
        EncoderConfig(kind="lsmt")


def test_a_bank_of_encoders_of_their_own_sizes() -> None:
    bank = EncoderBank(SPEC, EncoderConfig(hidden={"text": 7, "audio": 3}, representation={"text": 5, "audio": 2}))
    assert bank.dims == {"text": 5, "audio": 2}
    assert bank.encoders["text"].layers[1].weight.shape == (7, 4)
    assert bank.encoders["audio"].layers[1].weight.shape == (3, 2)
    assert EncoderBank(SPEC, EncoderConfig(representation=5)).dims == {"text": 5, "audio": 5}


def test_a_bank_of_encoders_of_their_own_kinds() -> None:
    bank = EncoderBank(SPEC, EncoderConfig(kind={"text": "lstm", "audio": "mean"}))
    assert {name: type(each).__name__ for name, each in bank.encoders.items()} == {
        "text": "LSTMEncoder",
        "audio": "MeanEncoder",
    }
    with refused("unknown_name", "lstn", "lstm"):
        EncoderConfig(kind={"text": "lstn"})
    with refused("missing", "encoder.kind", "audio"):
        EncoderBank(SPEC, EncoderConfig(kind={"text": "lstm"}))


@pytest.mark.parametrize(
    ("size", "code", "named"),
    [
        ({"text": 4}, "missing", ["'audio'", "text"]),
        ({"text": 4, "audio": 0}, "out_of_range", ["'audio'", 0]),
        (-1, "out_of_range", ["'text'", -1]),
    ],
)
def test_what_is_no_size_is_refused(size: int | dict[str, int], code: Code, named: list[object]) -> None:
    with refused(code, "hidden", *named):
        sizes_per_modality(size, ["text", "audio"], option="hidden")
