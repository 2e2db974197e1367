from __future__ import annotations

import pytest
from refusals import refused

from comodal.contracts import DatasetSpec
from comodal.contracts.errors import Code
from comodal.encoders import EncoderBank, EncoderConfig
from comodal.encoders.widths import sizes_per_modality

SPEC = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})


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
