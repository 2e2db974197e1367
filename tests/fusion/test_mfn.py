from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import memory_loop
import numpy as np
import pytest
import torch
from memory_loop import SMALL, Array, Weights, by_loop, network

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.fusion import MFN, MFNConfig


def attended(weights: Weights, before: Mapping[str, Array], after: Mapping[str, Array], heard: set[str]) -> Array:
    """Attention over two steps' cells."""
    del heard  # the cells of those who are not are zero
    window = np.concatenate([*before.values(), *after.values()])
    scores = network(weights, "summary.attention", window)
    attention = np.exp(scores) / np.exp(scores).sum()
    return np.asarray(len(window) * attention * window)


def make(
    modalities: int, lengths: list[int], *, silent: tuple[tuple[str, int], ...] = ()
) -> tuple[MFN, MultimodalBatch]:
    def build(spec: DatasetSpec, options: Mapping[str, Any]) -> MFN:
        return MFN(spec, MFNConfig(**options, attention=5))

    return memory_loop.make(build, modalities, lengths, silent=silent)


def assert_equals_the_loop(model: MFN, batch: MultimodalBatch) -> None:
    memory_loop.assert_equals_the_loop(model, batch, attended)


@pytest.mark.parametrize("modalities", [1, 2, 3])
@pytest.mark.parametrize("lengths", [[1, 1, 1], [4, 4, 4], [2, 5, 1, 3, 5]])
def test_equals_the_equations_written_as_loops(modalities: int, lengths: list[int]) -> None:
    assert_equals_the_loop(*make(modalities, lengths))


@pytest.mark.parametrize(
    "silent", [(("audio", 0),), (("text", 0), ("audio", 2)), (("text", 1), ("audio", 1), ("vision", 1))]
)
def test_the_states_of_an_absent_modality_are_zero(silent: tuple[tuple[str, int], ...]) -> None:
    model, batch = make(3, [2, 4, 3], silent=silent)
    assert_equals_the_loop(model, batch)
    out = model(batch)
    for name, row in silent:
        assert not out.representations[name][row].any()


def test_a_modality_of_one_frame_says_it_at_every_step() -> None:
    model, batch = make(2, [3, 2])
    whole = batch.modalities["audio"]
    single = ModalitySequence(whole.values[:, :1], whole.mask[:, :1])
    assert_equals_the_loop(model, MultimodalBatch(batch.id, {**batch.modalities, "audio": single}, batch.target))


@pytest.mark.parametrize(
    "name",
    [
        "encoders.encoders.text.weight_hh",
        "memory.retain.weight",
        "memory.said",
        "memory.remembered",
        "summary.attention.first.weight",
    ],
)
def test_another_weight_is_seen(name: str) -> None:
    """The comparison with the loop fails where it should."""
    model, batch = make(2, [3, 2])
    wanted = by_loop(model, batch, 0, attended)[0]
    with torch.no_grad():
        model.fusion.get_parameter(name).copy_(model.fusion.get_parameter(name).flip(1))
    assert abs(model(batch).logits[0].item() - wanted) > 1e-6
    assert_equals_the_loop(model, batch)


def test_dropout_of_the_gates_is_one_draw_a_sample() -> None:
    model, _ = make(1, [1])
    model.train()
    kept = model.fusion.memory._kept(torch.zeros(1), 5)
    assert kept is not None
    assert kept.shape == (5, SMALL["retain"] + SMALL["update"])
    assert set(kept.unique().tolist()) <= {0.0, 1.25}
    model.eval()
    assert model.fusion.memory._kept(torch.zeros(1), 5) is None
