"""A small hand-made data set, sources of hand-made blocks, and a server on loopback, for the data tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback import Server

from comodal.contracts import Regression
from comodal.data.dataset import Dataset, Partition, describe
from comodal.data.formats.interface import Block, Division, Source
from comodal.data.ragged import RaggedArray


def build(**changes: Any) -> Dataset:
    """Six samples of three videos, two a split: text vectors, and audio sequences one of which is absent."""
    rng = np.random.default_rng(7)
    audio = [rng.normal(size=(length, 2)).astype(np.float32) for length in (2, 1, 0, 3, 1, 2)]
    modalities = {
        "text": RaggedArray.from_vectors(rng.normal(size=(6, 3))),
        "audio": RaggedArray.from_rows(audio),
    }
    modalities = changes.pop("modalities", modalities)
    task = Regression(*changes.pop("label_range", (-3.0, 3.0)))
    parts: dict[str, Any] = {
        "spec": describe("toy", modalities, task=task),
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


def block_of(split: str, lengths: list[int], **changes: Any) -> Block:
    """One sample of a video a length: text vectors, and audio sequences of these lengths."""
    rng = np.random.default_rng(len(split) + sum(lengths))
    n = len(lengths)
    parts: dict[str, Any] = {
        "id": np.array([f"{split}{i}_0" for i in range(n)]),
        "group": np.array([f"{split}{i}" for i in range(n)]),
        "target": rng.uniform(-3, 3, n).astype(np.float32),
        "modalities": {
            "text": RaggedArray.from_vectors(rng.normal(size=(n, 3))),
            "audio": RaggedArray.from_rows([rng.normal(size=(length, 2)) for length in lengths]),
        },
        "columns": {"split": np.full(n, split), "speaker": np.arange(n), "start": rng.uniform(size=n)},
        "transcript": np.array([f"{split} says {i} things" for i in range(n)]),
        "normalised": {"ids were made up": n},
    }
    return Block(**{**parts, **changes})


def source_of(*blocks: Block, **changes: Any) -> Source:
    """A source that hands out some blocks, with the features asked for, as often as it is asked."""

    def hand_out(features: Collection[str]) -> Iterator[Block]:
        for block in blocks:
            yield replace(block, modalities={name: block.modalities[name] for name in features})

    dims = {name: array.dim for name, array in blocks[0].modalities.items()}
    return replace(Source(Path("made.pkl"), "made", dims, {"file": Division()}, hand_out), **changes)


@pytest.fixture(scope="session")
def make_block() -> Callable[..., Block]:
    return block_of


@pytest.fixture(scope="session")
def make_source() -> Callable[..., Source]:
    return source_of


@pytest.fixture
def source() -> Source:
    """Nine samples in three blocks, one a split; one of them without audio."""
    return source_of(block_of("train", [2, 0, 3, 1]), block_of("valid", [1, 4]), block_of("test", [5, 1, 2]))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on loopback whose answers the test chooses."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()
