"""A small hand-made data set for the data tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from comodal.data.dataset import Dataset, Partition, describe
from comodal.data.ragged import RaggedArray


def build(**changes: Any) -> Dataset:
    """Six utterances of three videos, two a split: text vectors, and audio sequences one of which is absent."""
    rng = np.random.default_rng(7)
    audio = [rng.normal(size=(length, 2)).astype(np.float32) for length in (2, 1, 0, 3, 1, 2)]
    modalities = {
        "text": RaggedArray.from_vectors(rng.normal(size=(6, 3))),
        "audio": RaggedArray.from_rows(audio),
    }
    modalities = changes.pop("modalities", modalities)
    label_range = changes.pop("label_range", (-3.0, 3.0))
    parts: dict[str, Any] = {
        "spec": describe("toy", modalities, label_range=label_range),
        "id": np.array(["a_1", "a_2", "b_1", "b_2", "c_1", "c_2"]),
        "group": np.array(["a", "a", "b", "b", "c", "c"]),
        "target": np.array([-3.0, -1.0, 0.0, 0.5, 2.0, 3.0], dtype=np.float32),
        "modalities": modalities,
        "partitions": (Partition("split", np.array([0, 1]), np.array([2, 3]), np.array([4, 5])),),
        "transcript": np.array(["one", "two", "three", "four", "five", "six"]),
        "columns": {"speaker": np.arange(6)},
    }
    return Dataset(**{**parts, **changes})


@pytest.fixture
def make() -> Callable[..., Dataset]:
    return build


@pytest.fixture
def toy() -> Dataset:
    return build()
