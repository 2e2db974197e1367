from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from plain_networks import Array, linear, lstm, mean_frame, ragged_batch, real_frames, spec_of, weights_of
from torch import Tensor, nn

from comodal.contracts import DatasetSpec, ModalitySequence, MultimodalBatch
from comodal.encoders import ModalityDropout, presence
from comodal.fusion import EFLSTM, EFLSTMConfig
from comodal.fusion.ef_lstm import _single_step
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

DIMS = {"text": 3, "audio": 2, "vision": 2}
CASES = {
    "one modality": {"text": [4, 1, 2, 3]},
    "two modalities": {"text": [4, 1, 2], "audio": [4, 1, 2]},
    "three, one of them absent here and there": {
        "text": [3, 0, 5, 2, 0],
        "audio": [3, 4, 0, 2, 0],
        "vision": [0, 4, 5, 2, 0],
    },
    "single frames stand for the whole sample": {
        "text": [4, 1, 4, 0],
        "audio": [1, 5, 4, 1],
        "vision": [1, 1, 1, 1],
    },
    "single vectors": {"text": [1, 1, 0], "audio": [1, 0, 0], "vision": [1, 1, 1]},
}


def still(**options: int) -> EFLSTMConfig:
    return EFLSTMConfig(**{"hidden": 4, **options}, input_dropout=0.0, dropout=0.0)


def side_by_side(batch: MultimodalBatch, row: int) -> list[Array]:
    """Concatenated frames of a sample, step by step."""
    frames = {name: real_frames(batch, name, row) for name in batch.modalities}
    steps = max(len(each) for each in frames.values())
    whole = {
        name: each * steps if len(each) == 1 else each or [np.zeros(DIMS[name])] * steps
        for name, each in frames.items()
    }
    return [np.concatenate([each[step] for each in whole.values()]) for step in range(steps)]


def by_loop(model: EFLSTM, batch: MultimodalBatch, *, order: str = "ifgo") -> tuple[Array, Array]:
    """Predictions and fused vectors from the equations of a recurrent network."""
    weights = weights_of(model)
    fused = []
    for row in range(len(batch)):
        state = lstm(weights, "lstm", side_by_side(batch, row), layers=model.lstm.num_layers, order=order)
        fused.append(np.maximum(linear(weights, "fuse.1", state), 0.0))
    return np.array([linear(weights, "head", each)[0] for each in fused]), np.array(fused)


def written(model: EFLSTM, batch: MultimodalBatch, name: str, *, gate: int = 2) -> Array:
    """Mean over the real steps of what a modality adds to the cell candidate of the first layer."""
    weight, size = weights_of(model)["lstm.weight_ih_l0"], model.fused_dim
    start = sum(dim for other, dim in DIMS.items() if list(DIMS).index(other) < list(DIMS).index(name))
    own = weight[gate * size : (gate + 1) * size, start : start + DIMS[name]]
    return np.array(
        [mean_frame([own @ frame for frame in real_frames(batch, name, row)], size) for row in range(len(batch))]
    )


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_recurrence_written_out(case: str, layers: int) -> None:
    lengths = CASES[case]
    batch = ragged_batch({name: DIMS[name] for name in lengths}, lengths)
    model = EFLSTM(spec_of(batch), still(layers=layers)).double().eval()
    out = model(batch)
    prediction, fused = by_loop(model, batch)
    np.testing.assert_allclose(out.logits.squeeze(1).detach(), prediction, atol=1e-10)
    np.testing.assert_allclose(out.fused.detach(), fused, atol=1e-10)
    for name in lengths:
        np.testing.assert_allclose(out.representations[name].detach(), written(model, batch, name), atol=1e-10)
        assert not np.allclose(written(model, batch, name, gate=0), written(model, batch, name))
    assert not np.allclose(by_loop(model, batch, order="igfo")[0], prediction), "gates in another order must be seen"


@pytest.mark.parametrize("layers", [1, 2])
def test_a_single_step_is_pytorchs_lstm_with_its_gradients(layers: int) -> None:
    batch = ragged_batch(DIMS, {"text": [1, 1], "audio": [1, 1], "vision": [1, 1]})
    model = EFLSTM(spec_of(batch), still(layers=layers)).double()
    frames = torch.randn(1, 5, sum(DIMS.values()), dtype=torch.float64)
    found = []
    for states in (_single_step(model.lstm, frames), model.lstm(frames)[0]):
        model.zero_grad()
        states.square().sum().backward()
        found.append([states.detach(), *(weight.grad for weight in model.lstm.parameters())])
    torch.testing.assert_close(found[0], found[1])
    assert not torch.allclose(_single_step(model.lstm, frames + 1.0), found[1][0])


def test_by_hand() -> None:
    """Gates at one half: the cell is tanh(1)/2, then half of it; the state is half of its tanh, doubled, plus one."""
    model = EFLSTM(DatasetSpec("toy", {"text": 1}, {"text": 3}), EFLSTMConfig(hidden=1)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.lstm.weight_ih_l0[2] = 1.0
        model.fuse[1].weight.fill_(1.0)
        model.head.weight.fill_(2.0)
        model.head.bias.fill_(1.0)
    values = torch.tensor([[[1.0], [0.0], [9.0]], [[2.0], [4.0], [9.0]]])
    text = ModalitySequence(values, torch.tensor([[True, True, False]] * 2))
    out = model(MultimodalBatch(("a", "b"), {"text": text}, torch.zeros(2)))
    assert out.logits[0].item() == pytest.approx(1.0 + math.tanh(math.tanh(1.0) / 4))
    assert out.representations["text"].tolist() == [[0.5], [3.0]]


def test_a_penalty_trains_what_a_modality_writes_and_nothing_else() -> None:
    batch = ragged_batch(DIMS, {"text": [3, 2], "audio": [3, 2], "vision": [1, 2]})
    model = EFLSTM(spec_of(batch), still()).double()
    model(batch).representations["audio"].sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched == {"lstm.weight_ih_l0"}
    rows, columns = (model.lstm.weight_ih_l0.grad != 0).nonzero(as_tuple=True)
    assert (sorted(set(rows.tolist())), sorted(set(columns.tolist()))) == ([8, 9, 10, 11], [3, 4])
    assert [id(p) for p in model.parameter_groups()["encoders"]] == [id(model.lstm.weight_ih_l0)]


def test_a_hidden_modality_is_as_if_absent() -> None:
    """Even the longest one, whose steps then go unsaid by those that have a single frame."""
    lengths = {"text": [5] * 40, "audio": [1] * 40, "vision": [5, 0] * 20}
    batch = ragged_batch(DIMS, lengths)
    config = dataclasses.replace(still(), modality_dropout=0.7)
    model = EFLSTM(spec_of(batch), config).double()
    torch.manual_seed(3)
    out = model.train()(batch)
    torch.manual_seed(3)
    kept = ModalityDropout(0.7)(presence(batch, DIMS))
    assert (kept & ~torch.tensor([True, False, True])).any(dim=1).sum() > 5
    left = {
        name: ModalitySequence(values, mask & kept[:, m : m + 1])
        for m, (name, (values, mask)) in enumerate(batch.modalities.items())
    }
    wanted = model.eval()(MultimodalBatch(batch.id, left, batch.target))
    torch.testing.assert_close(out.logits, wanted.logits)
    torch.testing.assert_close(out.fused, wanted.fused)
    assert not torch.allclose(out.logits, model(batch).logits)


def test_input_dropout_takes_the_same_features_at_every_step_and_spares_the_representations() -> None:
    batch = ragged_batch({"text": 200}, {"text": [6] * 50})
    model = EFLSTM(spec_of(batch), EFLSTMConfig(hidden=4, input_dropout=0.3)).double()
    seen: list[Tensor] = []
    model.lstm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    in_training, in_evaluation = model.train()(batch), model.eval()(batch)
    dropped = seen[0] == 0
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert 0.25 < dropped.double().mean() < 0.35
    torch.testing.assert_close(seen[0][~dropped], seen[1][~dropped] / 0.7)
    assert not (seen[1] == 0).any()
    assert torch.equal(in_training.representations["text"], in_evaluation.representations["text"])


@pytest.mark.parametrize(("layers", "between"), [(1, 0.0), (2, 0.4)])
def test_rates_are_those_of_the_config(layers: int, between: float) -> None:
    config = EFLSTMConfig(layers=layers, hidden=3, input_dropout=0.1, dropout=0.4, modality_dropout=0.2)
    model = EFLSTM(DatasetSpec("toy", DIMS, dict.fromkeys(DIMS, 1)), config)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.1, 0.4]
    assert (model.lstm.dropout, model.lstm.num_layers, model.modality_dropout.rate) == (between, layers, 0.2)


def test_cells_start_by_keeping() -> None:
    model = EFLSTM(DatasetSpec("toy", DIMS, dict.fromkeys(DIMS, 9)), EFLSTMConfig(layers=2, hidden=50))
    for layer in range(2):
        bias = getattr(model.lstm, f"bias_ih_l{layer}") + getattr(model.lstm, f"bias_hh_l{layer}")
        gates = bias.sigmoid().chunk(4)
        assert gates[1].min() > 0.65
        assert all(gate.max() < 0.6 for gate in (gates[0], gates[3]))


def told(rows: int, generator: torch.Generator) -> MultimodalBatch:
    """Sequences of noise around a number that is also the target."""
    number = torch.randn(rows, 1, 1, generator=generator)
    mask = torch.arange(5) < torch.randint(1, 6, (rows, 1), generator=generator)
    sequences = {
        name: ModalitySequence(0.5 * number + torch.randn(rows, 5, dim, generator=generator), mask)
        for name, dim in DIMS.items()
    }
    return MultimodalBatch(("u",) * rows, sequences, number.flatten())


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_does_not_end_at_a_constant_under_the_published_preset(shuffled: bool) -> None:
    """Four layers, dropout 1/2, learning rate 1e-3, weight decay 5e-3, batches of 32; targets of others as control."""
    generator = torch.Generator().manual_seed(0)
    spec = DatasetSpec("toy", DIMS, dict.fromkeys(DIMS, 5))
    model = EFLSTM(spec, EFLSTMConfig(layers=4, hidden=128, input_dropout=0.0, dropout=0.5))
    optimizer = build_optimizer(model, TrainingConfig(lr=1e-3, weight_decay=5e-3))
    for _ in range(120):
        batch = told(32, generator)
        target = batch.target.roll(1) if shuffled else batch.target
        optimizer.zero_grad()
        nn.functional.l1_loss(model(batch).logits.squeeze(1), target).backward()
        optimizer.step()
    fresh = told(256, generator)
    with torch.no_grad():
        prediction = model.eval()(fresh).logits.squeeze(1)
    follows = torch.corrcoef(torch.stack([prediction, fresh.target]))[0, 1] > 0.6 and prediction.std() > 0.4
    assert follows != shuffled
