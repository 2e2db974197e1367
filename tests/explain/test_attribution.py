"""Integrated gradients against closed forms, a plain sum along the path, and the law of completeness."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fusion_batches import featureless
from mag_by_hand import UNKNOWN, batch_of, model_of, replaced, spec_of
from refusals import refused
from tiny_language_models import save_tiny
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, FusionOutput, ModalitySequence, MultimodalBatch
from comodal.explain.attribution import TOP_FEATURES, attributions_of, integrated_gradients
from comodal.fusion import FUSIONS

LENGTHS = (5, 2, 4)
DIMS = {"text": 12, "audio": 3, "vision": 4}


def _batch(*, longest: int = 5) -> MultimodalBatch:
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(longest) < torch.tensor(LENGTHS).clamp(max=longest).unsqueeze(1)
    sequences = {
        name: ModalitySequence(torch.randn(3, longest, dim, generator=generator) * mask.unsqueeze(-1), mask)
        for name, dim in DIMS.items()
    }
    return MultimodalBatch(("a", "b", "c"), sequences, torch.zeros(3))


def _spec(longest: int = 5) -> DatasetSpec:
    return DatasetSpec("toy", DIMS, dict.fromkeys(DIMS, longest))


class Product(nn.Module):
    """``(sum of text) * (sum of audio)``: its integral along the path is half the product for each."""

    def forward(self, batch: MultimodalBatch) -> FusionOutput:
        text, audio = (batch.modalities[name].values.sum(dim=(1, 2)) for name in ("text", "audio"))
        return FusionOutput((text * audio).unsqueeze(1), text.unsqueeze(1), {})


def test_a_product_is_shared_in_halves() -> None:
    batch = _batch()
    found = integrated_gradients(Product(), batch)
    sums = {name: batch.modalities[name].values.sum(dim=(1, 2)) for name in DIMS}
    for name in ("text", "audio"):
        np.testing.assert_allclose(found.values[name].sum(dim=(1, 2)), sums["text"] * sums["audio"] / 2, rtol=1e-3)
    assert not bool(found.values["vision"].any())
    np.testing.assert_allclose(found.change, sums["text"] * sums["audio"], rtol=1e-5)


@pytest.mark.parametrize("fusion", ["early", "late", "lfn", "tfn", "ef_lstm", "mfn", "graph_mfn", "mult", "misa"])
def test_contributions_sum_to_the_change_of_the_prediction(fusion: str) -> None:
    torch.manual_seed(1)
    model = FUSIONS[fusion].build(_spec(), FUSIONS[fusion].config()).eval()
    batch = _batch()
    found = integrated_gradients(model, batch)
    with torch.no_grad():
        change = (model(batch).logits - model(featureless(batch)).logits).squeeze(1)
    total = torch.stack([values.sum(dim=(1, 2)) for values in found.values.values()]).sum(dim=0)
    np.testing.assert_allclose(total, change, atol=0.011 * max(1.0, float(change.abs().max())))
    assert float(change.abs().max()) > 0.02
    for name, values in found.values.items():
        assert not bool(values[~batch.modalities[name].mask].any())


def test_agrees_with_a_plain_sum_along_the_path() -> None:
    torch.manual_seed(1)
    model = FUSIONS["lfn"].build(_spec(), FUSIONS["lfn"].config()).eval()
    batch, steps = _batch(), 300
    total = {name: torch.zeros_like(s.values) for name, s in batch.modalities.items()}
    for step in range(steps):
        share = (step + 0.5) / steps
        leaves = {n: (share * s.values).requires_grad_() for n, s in batch.modalities.items()}
        sequences = {n: ModalitySequence(leaves[n], s.mask) for n, s in batch.modalities.items()}
        prediction = model(MultimodalBatch(batch.id, sequences, batch.target)).logits.sum()
        for name, slope in zip(leaves, torch.autograd.grad(prediction, list(leaves.values())), strict=True):
            total[name] += slope * batch.modalities[name].values / steps
    found = integrated_gradients(model, batch, steps=(128,))
    for name, values in total.items():
        np.testing.assert_allclose(found.values[name], values, atol=5e-3)


def test_one_step_is_not_enough_and_is_refined() -> None:
    torch.manual_seed(1)
    model = FUSIONS["lfn"].build(_spec(), FUSIONS["lfn"].config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)  # far from linear
    coarse = integrated_gradients(model, _batch(), steps=(1,))
    fine = integrated_gradients(model, _batch(), steps=(1, 32, 512))
    assert float(coarse.residual.abs().max()) > 0.05
    assert float(fine.residual.abs().max()) < float(coarse.residual.abs().max()) / 5


def test_sums_by_frame_and_feature_are_those_of_the_contributions() -> None:
    batch = _batch()
    found = integrated_gradients(Product(), batch)
    words = [{"text": ["so", "very", "good", "a", "film"]}, {"text": ["one"]}, {}]
    entries = attributions_of(batch, found, words)
    text = next(each for each in entries if (each.id, each.modality) == ("a", "text"))
    values = found.values["text"][0]
    assert text.words == ("so", "very", "good", "a", "film")
    np.testing.assert_allclose(text.frames, values.sum(dim=1), atol=1e-6)
    assert text.total == pytest.approx(float(values.sum()), abs=1e-5)
    sizes = [abs(value) for _, value in text.features]
    assert len(sizes) == TOP_FEATURES
    assert sizes == sorted(sizes, reverse=True)
    for place, value in text.features:
        assert value == pytest.approx(float(values[:, place].sum()), abs=1e-6)
    short = next(each for each in entries if (each.id, each.modality) == ("b", "text"))
    assert len(short.frames) == 2
    assert short.words == ()  # one word for two frames: the frames are no words


def test_an_absent_modality_has_no_entry() -> None:
    batch = _batch()
    sequence = batch.modalities["audio"]
    mask = sequence.mask.clone()
    mask[1] = False
    hidden = {**batch.modalities, "audio": ModalitySequence(sequence.values * mask.unsqueeze(-1), mask)}
    batch = MultimodalBatch(batch.id, hidden, batch.target)
    entries = attributions_of(batch, integrated_gradients(Product(), batch), [{}, {}, {}])
    assert {each.modality for each in entries if each.id == "b"} == {"text", "vision"}


def test_word_pieces_are_attributed_through_their_embedding(tmp_path: Path) -> None:
    spec = spec_of("text", "audio")
    model = model_of(spec, backbone=save_tiny(tmp_path / "bert"), beta=0.8)
    batch = batch_of("text", "audio")
    found = integrated_gradients(model, batch, tokens=spec.tokens)
    text = batch.modalities["text"]
    ids = text.values.clone()
    ids[..., 0] = torch.where(text.mask, UNKNOWN, ids[..., 0])
    silent = ModalitySequence(torch.zeros_like(batch.modalities["audio"].values), batch.modalities["audio"].mask)
    nothing = replaced(batch, text=ModalitySequence(ids, text.mask), audio=silent)
    with torch.no_grad():
        change: Tensor = (model(batch).logits - model(nothing).logits).squeeze(1)
    total = sum(values.sum(dim=(1, 2)) for values in found.values.values())
    np.testing.assert_allclose(total, change, atol=0.011 * max(1.0, float(change.abs().max())))
    assert found.values["text"].shape[:2] == text.mask.shape
    assert not bool(found.values["text"][~text.mask].any())
    entries = attributions_of(batch, found, [{}] * len(batch), pieces=True)
    assert all(each.features == () for each in entries if each.modality == "text")
    # The model itself is as before: no hook is left on it.
    with torch.no_grad():
        assert not torch.equal(model(batch).logits, model(nothing).logits)


def test_without_captum_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with refused("needs_package", "captum"):
        integrated_gradients(Product(), _batch())
