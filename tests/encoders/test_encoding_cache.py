"""Encodings are shared between batches of the same tensors, and between nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderBank, EncoderConfig, encode_once
from comodal.fusion import FUSIONS

SPEC = DatasetSpec("toy", {"text": 5, "audio": 3}, {"text": 4, "audio": 4})


def sequence(dim: int, seed: int) -> ModalitySequence:
    values = torch.randn(6, 4, dim, generator=torch.Generator().manual_seed(seed))
    return ModalitySequence(values, torch.ones(6, 4, dtype=torch.bool))


def batch() -> MultimodalBatch:
    sequences = {"text": sequence(5, 0), "audio": sequence(3, 1)}
    return MultimodalBatch(tuple("abcdef"), sequences, torch.zeros(6))


def counted(bank: nn.Module) -> list[str]:
    """The names of the encoders, one entry a call."""
    calls: list[str] = []
    for name, encoder in bank.encoders.items():
        encoder.register_forward_hook(lambda *_, name=name: calls.append(name))
    return calls


def test_a_known_sequence_is_encoded_once_in_whatever_batch_it_comes() -> None:
    bank = EncoderBank(SPEC, EncoderConfig()).eval()
    calls, given = counted(bank), batch()
    other = replace(given, modalities={**given.modalities, "audio": sequence(3, 2)})
    expected = [bank(given), bank(other)]
    calls.clear()
    with encode_once(bank, given.modalities.values()):
        found = [bank(given), bank(other), bank(given), bank(other)]
    assert calls == ["text", "audio", "audio", "audio"]  # the audio that is not known is encoded anew each time
    for one, two in zip(found, expected * 2, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in SPEC.dims)
    calls.clear()
    bank(given)
    assert calls == ["text", "audio"]


def test_equal_values_in_other_tensors_are_not_taken_for_the_same() -> None:
    bank = EncoderBank(SPEC, EncoderConfig()).eval()
    calls, given = counted(bank), batch()
    with encode_once(bank, given.modalities.values()):
        bank(given)
        bank(batch())
        mask = torch.zeros(6, 4, dtype=torch.bool)
        hidden = {name: ModalitySequence(values, mask) for name, (values, _) in given.modalities.items()}
        absent = bank(replace(given, modalities=hidden))
    assert calls == ["text", "audio"] * 3
    assert not torch.equal(absent["text"], bank(given)["text"])


def test_two_encoders_of_one_sequence_stay_apart() -> None:
    spec = DatasetSpec("toy", {"text": 5, "audio": 5}, {"text": 4, "audio": 4})
    bank = EncoderBank(spec, EncoderConfig()).eval()
    both = sequence(5, 0)
    given = MultimodalBatch(tuple("abcdef"), {"text": both, "audio": both}, torch.zeros(6))
    with encode_once(bank, [both]):
        found = bank(given)
    assert not torch.equal(found["text"], found["audio"])


def test_training_draws_new_dropout_each_time_and_nested_use_ends_well() -> None:
    bank, given = EncoderBank(SPEC, EncoderConfig()), batch()
    with encode_once(bank, given.modalities.values()):
        assert not torch.equal(bank(given)["text"], bank(given)["text"])
        bank.eval()
        outer = bank(given)["text"]
        with encode_once(bank, given.modalities.values()):
            assert bank(given)["text"] is not outer
        assert bank(given)["text"] is outer


@pytest.mark.parametrize("name", [name for name, family in FUSIONS.items() if family.tokenizer is None])
def test_every_fusion_model_predicts_the_same(name: str) -> None:
    family = FUSIONS[name]
    model, given = family.build(SPEC, family.config()).eval(), batch()
    with torch.inference_mode():
        expected = model(given).logits
        with encode_once(model, given.modalities.values()):
            for _ in range(2):
                assert torch.equal(model(given).logits, expected)
