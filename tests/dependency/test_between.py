from __future__ import annotations

import torch
from refusals import refused

from comodal.contracts import FusionOutput
from comodal.dependency.between import views_of

OUTPUT = FusionOutput(
    logits=torch.zeros(4, 1),
    fused=torch.randn(4, 3),
    representations={"text": torch.randn(4, 5), "audio": torch.randn(4, 2)},
)


def test_between_modalities_is_the_representations() -> None:
    assert views_of(OUTPUT) == dict(OUTPUT.representations)


def test_between_fusion_is_the_fused_against_all_of_them() -> None:
    views = views_of(OUTPUT, between="fusion")
    assert views["fused"] is OUTPUT.fused
    assert torch.equal(views["modalities"][:, :5], OUTPUT.representations["text"])
    assert torch.equal(views["modalities"][:, 5:], OUTPUT.representations["audio"])


def test_anything_else_is_refused() -> None:
    with refused("unknown_name", "'modality'", "'modalities'"):
        views_of(OUTPUT, between="modality")
