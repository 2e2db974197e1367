from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comodal.data import ragged
from comodal.data.arrays import from_arrays
from comodal.data.stored_array import FrameWriter, StoredArray
from comodal.evaluation import experiment


def test_data_on_disk_and_in_memory_have_one_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped modality is digested a part at a time."""
    rng = np.random.default_rng(0)
    features = {"text": rng.normal(size=(90, 4)), "audio": [rng.normal(size=(1 + i % 3, 3)) for i in range(90)]}
    dataset = from_arrays(features, rng.uniform(-3, 3, size=90), name="toy")
    on_disk = {}
    for name, array in dataset.modalities.items():
        with FrameWriter(tmp_path / name, array.dim) as writer:
            writer.append(array)
        on_disk[name] = StoredArray.open(tmp_path / name, array.dim, array.lengths)
    monkeypatch.setattr(ragged, "_PART", 40)
    expected = experiment._in_memory(dataset)
    assert experiment._in_memory(dataset.with_features(on_disk)) == expected
    order = np.random.default_rng(0).permutation(len(dataset))
    shuffled, selected = dataset.subset(order), dataset.with_features(on_disk).subset(order)
    assert isinstance(selected.modalities["text"], StoredArray)
    assert experiment._in_memory(selected) == experiment._in_memory(shuffled) != expected
