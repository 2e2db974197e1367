from __future__ import annotations

import numpy as np
import torch

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import EncoderConfig
from comodal.fusion import EarlyFusion, EarlyFusionConfig


def toy(rows: int = 6) -> tuple[DatasetSpec, MultimodalBatch]:
    dims = {"text": 4, "audio": 2}
    sequences = {n: ModalitySequence(torch.randn(rows, 1, d), torch.ones(rows, 1).bool()) for n, d in dims.items()}
    return DatasetSpec("toy", dims, dict.fromkeys(dims, 1)), MultimodalBatch(
        tuple(map(str, range(rows))), sequences, torch.zeros(rows)
    )


def test_equals_the_formula_in_numpy() -> None:
    spec, batch = toy()
    model = EarlyFusion(spec, EarlyFusionConfig(hidden=7)).eval()
    out = model(batch)
    joined = np.concatenate([z.detach().numpy() for z in out.representations.values()], axis=1)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    fused = np.maximum(joined @ weights["fuse.0.weight"].T + weights["fuse.0.bias"], 0)
    np.testing.assert_allclose(out.fused.detach(), fused, atol=1e-5)
    prediction = fused @ weights["head.weight"][0] + weights["head.bias"]
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), prediction, atol=1e-5)


def test_an_absent_modality_enters_as_zeros() -> None:
    spec, batch = toy()
    model = EarlyFusion(spec).eval()
    audio = batch.modalities["audio"]
    hidden = ModalitySequence(audio.values, torch.zeros_like(audio.mask))
    out = model(MultimodalBatch(batch.id, {**batch.modalities, "audio": hidden}, batch.target))
    text = out.representations["text"]
    torch.testing.assert_close(out.fused, model.fuse(torch.cat([text, torch.zeros_like(text)], dim=1)))


def test_sizes_and_rates_are_those_of_the_config() -> None:
    spec, _ = toy()
    encoder = EncoderConfig(hidden=3, representation=5, input_dropout=0.11, dropout=0.12)
    model = EarlyFusion(spec, EarlyFusionConfig(encoder=encoder, hidden=9, dropout=0.13, modality_dropout=0.14))
    assert {n: tuple(p.shape) for n, p in model.named_parameters() if "weight" in n} == {
        "encoders.encoders.text.layers.1.weight": (3, 4),
        "encoders.encoders.text.layers.4.weight": (5, 3),
        "encoders.encoders.text.layers.5.weight": (5,),
        "encoders.encoders.audio.layers.1.weight": (3, 2),
        "encoders.encoders.audio.layers.4.weight": (5, 3),
        "encoders.encoders.audio.layers.5.weight": (5,),
        "fuse.0.weight": (9, 10),
        "head.weight": (1, 9),
    }
    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.11, 0.12, 0.11, 0.12, 0.13]
    assert model.modality_dropout.rate == 0.14
