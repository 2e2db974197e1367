from __future__ import annotations

import pytest
import torch
from refusals import refused

from comodal.contracts import FusionOutput
from comodal.contracts.errors import Code
from comodal.dependency.views import ViewLayout, views_of

TEXT, AUDIO = torch.zeros(5, 3), torch.ones(5, 2)
LAYOUT = ViewLayout({"text": 3, "audio": 2})


def test_names_are_put_in_order_and_sequences_are_taken_as_they_are() -> None:
    for views in ({"audio": AUDIO, "text": TEXT}, [TEXT, AUDIO], (TEXT, AUDIO)):
        matched = LAYOUT.match(views)
        assert matched[0] is TEXT
        assert matched[1] is AUDIO


def test_widths_alone_are_named_by_place() -> None:
    layout = ViewLayout([3, 2])
    assert layout.names == ("0", "1")
    assert layout.match([TEXT, AUDIO])[1] is AUDIO


@pytest.mark.parametrize(
    ("views", "code", "named"),
    [
        ({"text": TEXT}, "mismatch", [["text"], ["text", "audio"]]),
        ({"text": TEXT, "sound": AUDIO}, "mismatch", ["'sound'"]),
        ({"text": TEXT, "audio": AUDIO, "vision": AUDIO}, "mismatch", ["'vision'"]),
        ([TEXT], "mismatch", [1, 2]),
        ([TEXT, AUDIO, AUDIO], "mismatch", [3]),
        ([AUDIO, TEXT], "wrong_shape", ["'text'", (5, 2), 3]),
        ([TEXT, AUDIO[0]], "wrong_shape", ["'audio'", (2,)]),
        ([TEXT, AUDIO.long()], "wrong_shape", ["torch.int64"]),
        ([TEXT, AUDIO[:4]], "mismatch", ["'audio'", 4, "'text'", 5]),
        ([TEXT.numpy(), AUDIO], "wrong_type", ["'text'", "ndarray"]),
        ([torch.tensor(0.0), AUDIO], "wrong_shape", ["'text'", ()]),
    ],
)
def test_views_that_do_not_fit_are_named(views: object, code: Code, named: list[object]) -> None:
    with refused(code, *named):
        LAYOUT.match(views)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dims", "code", "named"),
    [
        ({"text": 3}, "missing", [{"text": 3}]),
        ([], "missing", [{}]),
        ([3, 0], "out_of_range", ["'1'", 0]),
        ([3, 2.5], "out_of_range", [2.5]),
        ([3, True], "out_of_range", [True]),
    ],
)
def test_impossible_layouts_are_refused(dims: object, code: Code, named: list[object]) -> None:
    with refused(code, *named):
        ViewLayout(dims)  # type: ignore[arg-type]


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
