"""Names of modalities and splits."""

from __future__ import annotations

import pytest

from comodal.data.formats.names import MODALITIES, canonical_modality, canonical_split, in_order
from comodal.data.splits import by_name


@pytest.mark.parametrize(
    ("names", "modality"),
    [
        (("text", "Language", " GLOVE ", "words"), "text"),
        (("audio", "acoustic", "COVAREP", "speech"), "audio"),
        (("vision", "visual", "video", "facet", "image"), "vision"),
        (("EEG",), "eeg"),
    ],
)
def test_modalities(names, modality):
    assert {canonical_modality(name) for name in names} == {modality}


@pytest.mark.parametrize(
    ("keys", "split"),
    [
        (("train", b"train", " Training "), "train"),
        (("valid", "val", "dev", b"DEV", "validation"), "valid"),
        (("test", "testing"), "test"),
        (("trainer", "", b"\xff", 1, None, ("train",)), ""),
    ],
)
def test_splits(keys, split):
    assert {canonical_split(key) for key in keys} == {split}
    for key in keys if split else ():
        assert by_name([key.decode() if isinstance(key, bytes) else key]).splits[split].tolist() == [0]


def test_order():
    assert in_order(["b", "vision", "a", "audio", "text"]) == [*MODALITIES, "b", "a"]
