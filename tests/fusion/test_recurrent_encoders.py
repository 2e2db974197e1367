"""Architectures over an encoder a modality keep their promises when the encoders are recurrent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from plain_networks import ragged_batch, spec_of

from comodal.contracts import ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig, LSTMEncoder
from comodal.fusion import fusion_family

DIMS = {"text": 3, "audio": 2, "vision": 4}
LENGTHS = {"text": [3, 1, 5, 2, 4], "audio": [6, 4, 1, 2, 3], "vision": [2, 2, 2, 1, 7]}

pytestmark = pytest.mark.parametrize("name", ["early", "late", "lfn", "tfn"])


def built(name: str) -> tuple[Any, MultimodalBatch]:
    batch = ragged_batch(DIMS, LENGTHS)
    family = fusion_family(name)
    config = family.config(encoder=EncoderConfig(kind="lstm", hidden=5, representation=4))
    model = family.build(spec_of(batch, aligned=False), config).double().eval()
    assert all(isinstance(encoder, LSTMEncoder) for encoder in model.encoders.encoders.values())
    return model, batch


def replaced(batch: MultimodalBatch, **sequences: ModalitySequence) -> MultimodalBatch:
    return dataclasses.replace(batch, modalities={**batch.modalities, **sequences})


@pytest.mark.parametrize("filler", [0.0, 7.0, float("nan"), float("inf")])
def test_extra_padding_changes_nothing(name: str, filler: float) -> None:
    model, batch = built(name)
    padded = {}
    for modality, (values, mask) in batch.modalities.items():
        real = torch.where(mask.unsqueeze(2), values, filler)
        padded[modality] = ModalitySequence(
            torch.cat([real, torch.full_like(values, filler)], dim=1), torch.cat([mask, torch.zeros_like(mask)], dim=1)
        )
    got, wanted = model(replaced(batch, **padded)), model(batch)
    assert wanted.logits.isfinite().all()
    torch.testing.assert_close(got.logits, wanted.logits)
    torch.testing.assert_close(got.fused, wanted.fused)
    torch.testing.assert_close(dict(got.representations), dict(wanted.representations))
    shorter = {m: ModalitySequence(s.values, s.mask & (s.mask.cumsum(1) < 3)) for m, s in batch.modalities.items()}
    assert not torch.allclose(model(replaced(batch, **shorter)).logits, wanted.logits)


def test_a_masked_modality_has_no_say_and_trains_nothing(name: str) -> None:
    model, batch = built(name)
    values, mask = batch.modalities["audio"]
    absent = replaced(batch, audio=ModalitySequence(values, torch.zeros_like(mask)))
    prediction = model(absent).logits
    assert torch.equal(
        model(replaced(batch, audio=ModalitySequence(values + 1.0, torch.zeros_like(mask)))).logits, prediction
    )
    assert not torch.allclose(model(batch).logits, prediction)
    prediction.square().sum().backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), parameter_name
            assert "encoders.audio." not in parameter_name or not parameter.grad.any(), parameter_name
    assert model.encoders.encoders["text"].lstm.weight_hh_l0.grad.any()
