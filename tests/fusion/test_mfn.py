from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from comodal.contracts import DatasetSpec, InputError, ModalitySequence, MultimodalBatch
from comodal.fusion import MFN, MFNConfig

DIMS = {"text": 4, "audio": 3, "vision": 2}
HIDDEN = {"text": 3, "audio": 1, "vision": 2}
SMALL = {"memory": 4, "attention": 5, "proposal": 6, "retain": 7, "update": 3, "output": 5}
DROPPED = {"retain_dropout": 0.2, "update_dropout": 0.2}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def layer(weights: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]


def cell_step(
    weights: dict[str, np.ndarray], name: str, x: np.ndarray, h: np.ndarray, c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One step of one LSTM, gate by gate."""
    prefix, width = f"encoders.encoders.{name}", len(h)
    total = weights[f"{prefix}.weight_ih"] @ x + weights[f"{prefix}.bias_ih"]
    total = total + weights[f"{prefix}.weight_hh"] @ h + weights[f"{prefix}.bias_hh"]
    write, keep, content, read = (total[k * width : (k + 1) * width] for k in range(4))
    c = sigmoid(keep) * c + sigmoid(write) * np.tanh(content)
    return sigmoid(read) * np.tanh(c), c


def remember(weights: dict[str, np.ndarray], window: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Attention over two steps' cells, proposal and gates: the memory after a step."""
    scores = layer(weights, "attention.second", np.maximum(layer(weights, "attention.first", window), 0.0))
    attention = np.exp(scores) / np.exp(scores).sum()
    said = len(window) * attention * window
    proposal = np.tanh(layer(weights, "proposal.second", np.maximum(layer(weights, "proposal.first", said), 0.0)))
    gates = weights["memory.said"] @ said + weights["memory.remembered"] @ u + weights["memory.bias"]
    hidden = np.maximum(gates, 0.0)
    split = weights["memory.retain.weight"].shape[1]
    retain = sigmoid(layer(weights, "memory.retain", hidden[:split]))
    update = sigmoid(layer(weights, "memory.update", hidden[split:]))
    return retain * u + update * proposal


def by_loop(model: MFN, batch: MultimodalBatch, row: int) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
    """The model's equations for one utterance, step by step and modality by modality."""
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    frames = {name: batch.modalities[name].values[row][batch.modalities[name].mask[row]].numpy() for name in model.dims}
    h = {name: np.zeros(width) for name, width in model.dims.items()}
    c = {name: np.zeros(width) for name, width in model.dims.items()}
    u = np.zeros(weights["memory.retain.bias"].shape)
    for step in range(max(1, *(len(each) for each in frames.values()))):
        before = dict(c)
        for name, values in frames.items():
            if len(values):
                x = values[min(step, len(values) - 1)]
                h[name], c[name] = cell_step(weights, name, x, h[name], c[name])
        u = remember(weights, np.concatenate([*before.values(), *c.values()]), u)
    fused = np.concatenate([*h.values(), u])
    out = layer(weights, "output.3", np.maximum(layer(weights, "output.0", fused), 0.0))
    return float(out[0]), fused, h


def make(
    modalities: int, lengths: list[int], *, silent: tuple[tuple[str, int], ...] = ()
) -> tuple[MFN, MultimodalBatch]:
    """A model in float64 and a batch of ragged utterances; ``silent`` (modality, row) pairs are absent."""
    torch.manual_seed(3)
    dims = dict(list(DIMS.items())[:modalities])
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    sequences = {}
    for name, dim in dims.items():
        there = mask.clone()
        for row in (r for each, r in silent if each == name):
            there[row] = False
        values = torch.randn(len(lengths), longest, dim, dtype=torch.float64)
        sequences[name] = ModalitySequence(values.masked_fill(~there.unsqueeze(2), math.nan), there)
    spec = DatasetSpec("toy", dims, dict.fromkeys(dims, longest))
    config = MFNConfig(hidden={name: HIDDEN[name] for name in dims}, **SMALL, **DROPPED)
    ids = tuple(map(str, range(len(lengths))))
    return MFN(spec, config).double().eval(), MultimodalBatch(ids, sequences, torch.zeros(len(lengths)))


def assert_equals_the_loop(model: MFN, batch: MultimodalBatch) -> None:
    out = model(batch)
    for row in range(len(batch)):
        prediction, fused, representations = by_loop(model, batch, row)
        np.testing.assert_allclose(out.prediction[row].item(), prediction, atol=1e-10)
        np.testing.assert_allclose(out.fused[row].detach(), fused, atol=1e-10)
        for name, wanted in representations.items():
            np.testing.assert_allclose(out.representations[name][row].detach(), wanted, atol=1e-10)


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
        "attention.first.weight",
    ],
)
def test_another_weight_is_seen(name: str) -> None:
    """The comparison with the loop fails where it should."""
    model, batch = make(2, [3, 2])
    wanted = by_loop(model, batch, 0)[0]
    with torch.no_grad():
        model.get_parameter(name).copy_(model.get_parameter(name).flip(1))
    assert abs(model(batch).prediction[0].item() - wanted) > 1e-6
    assert_equals_the_loop(model, batch)


def test_the_order_of_the_steps_matters() -> None:
    model, batch = make(1, [3])
    text = batch.modalities["text"]
    turned = MultimodalBatch(batch.id, {"text": ModalitySequence(text.values.flip(1), text.mask)}, batch.target)
    assert not torch.allclose(model(turned).prediction, model(batch).prediction)


def test_by_hand() -> None:
    """All weights zero but the gate's and the proposal's biases: u_T = g2 tanh(b) (1 + g1 + ... + g1^(T-1))."""
    model, batch = make(1, [3, 1])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.proposal.second.bias.fill_(0.5)
        model.memory.retain.bias.fill_(math.log(3.0))  # keeps 3/4
        model.memory.update.bias.fill_(-math.log(3.0))  # writes 1/4
    memory = model(batch).fused[:, HIDDEN["text"] :]
    written = 0.25 * math.tanh(0.5)
    torch.testing.assert_close(memory[0], torch.full((4,), written * (1 + 0.75 + 0.75**2), dtype=torch.float64))
    torch.testing.assert_close(memory[1], torch.full((4,), written, dtype=torch.float64))


def test_every_frame_of_every_modality_counts() -> None:
    """A model that averages audio to one frame could not tell its frames apart."""
    model, batch = make(2, [4])
    audio = batch.modalities["audio"]
    swapped = ModalitySequence(audio.values[:, [1, 0, 2, 3]], audio.mask)
    out = model(MultimodalBatch(batch.id, {**batch.modalities, "audio": swapped}, batch.target))
    assert not torch.allclose(out.prediction, model(batch).prediction)
    assert not torch.allclose(out.representations["audio"], model(batch).representations["audio"])


def test_dropout_of_the_gates_is_one_draw_an_utterance() -> None:
    model, _ = make(1, [1])
    model.train()
    kept = model.memory._kept(torch.zeros(1), 5)
    assert kept is not None
    assert kept.shape == (5, SMALL["retain"] + SMALL["update"])
    assert set(kept.unique().tolist()) <= {0.0, 1.25}
    model.eval()
    assert model.memory._kept(torch.zeros(1), 5) is None


def test_predictions_do_not_start_shrunk_nor_explode() -> None:
    dims = {"text": 100, "audio": 73, "vision": 100}
    for steps in (1, 20):
        mask = torch.ones(256, steps, dtype=torch.bool)
        sequences = {name: ModalitySequence(torch.randn(256, steps, dim), mask) for name, dim in dims.items()}
        torch.manual_seed(0)
        model = MFN(DatasetSpec("toy", dims, dict.fromkeys(dims, steps))).eval()
        spread = model(MultimodalBatch(tuple("x" * 256), sequences, torch.zeros(256))).prediction.std().item()
        assert 0.25 < spread < 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 0}, "MFN memory is 0: give a positive width"),
        ({"update": -1}, "MFN update is -1: give a positive width"),
        ({"retain_dropout": 1.0}, r"MFN retain_dropout is 1.0: give a probability in \[0, 1\)"),
        ({"dropout": -0.1}, r"MFN dropout is -0.1: give a probability in \[0, 1\)"),
        ({"input_dropout": 2.0}, r"MFN input_dropout is 2.0: give a probability in \[0, 1\)"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MFNConfig(**options)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (0, "MFN hidden of modality 'text' is 0: give a positive number"),
        (
            {"text": 3, "audoi": 2},
            r"MFN hidden has none for modality 'audio' \(given: text, audoi\): give it one, or one for all",
        ),
    ],
)
def test_widths_that_do_not_fit_the_modalities_are_refused(hidden: int | dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MFN(DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1}), MFNConfig(hidden=hidden))


def test_a_batch_that_lacks_a_modality_is_refused() -> None:
    model, batch = make(2, [2])
    with pytest.raises(InputError, match="batch has no modality 'audio'"):
        model(MultimodalBatch(batch.id, {"text": batch.modalities["text"]}, batch.target))
