from __future__ import annotations

import pytest
import torch

from comodal.contracts import InputError
from comodal.dependency.views import ViewLayout

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
    ("views", "said"),
    [
        ({"text": TEXT}, r"named \['text'\], expected \['text', 'audio'\]"),
        ({"text": TEXT, "sound": AUDIO}, "'sound'"),
        ({"text": TEXT, "audio": AUDIO, "vision": AUDIO}, "'vision'"),
        ([TEXT], "got 1 representations, expected 2"),
        ([TEXT, AUDIO, AUDIO], "got 3"),
        ([AUDIO, TEXT], r"'text' is \(5, 2\).*expected floats of shape \(n, 3\)"),
        ([TEXT, AUDIO[0]], r"'audio' is \(2,\)"),
        ([TEXT, AUDIO.long()], "torch.int64, expected floats"),
        ([TEXT, AUDIO[:4]], "'audio' has 4 rows and 'text' has 5"),
        ([TEXT.numpy(), AUDIO], "'text' is a ndarray: give a torch.Tensor"),
        ([torch.tensor(0.0), AUDIO], r"'text' is \(\)"),
    ],
)
def test_views_that_do_not_fit_are_named(views: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LAYOUT.match(views)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dims", "said"),
    [
        ({"text": 3}, "2 or more views"),
        ([], "2 or more"),
        ([3, 0], "width of '1' is 0"),
        ([3, 2.5], "2.5"),
        ([3, True], "True"),
    ],
)
def test_impossible_layouts_are_refused(dims: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ViewLayout(dims)  # type: ignore[arg-type]
