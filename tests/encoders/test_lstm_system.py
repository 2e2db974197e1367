from __future__ import annotations

import pytest
import torch
from torch import nn

from comodal.contracts import ModalitySequence
from comodal.encoders.lstm_system import LSTMSystem, SampleDropout, pack


def steps_of(lengths: list[int], longest: int) -> torch.Tensor:
    return torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)


@pytest.mark.parametrize("lengths", [[3, 1, 2], [1], [2, 2], [0, 3], [0, 0]])
def test_packed_frames_are_the_real_ones_step_by_step(lengths: list[int]) -> None:
    packing = pack(steps_of(lengths, 4))
    real = [max(1, length) for length in lengths]  # a sample of nothing keeps a step
    wanted = {(row, step) for row, length in enumerate(real) for step in range(length)}
    found = list(zip(packing.sample.tolist(), packing.step.tolist(), strict=True))
    assert set(found) == wanted
    assert len(found) == len(wanted) == sum(packing.sizes)
    assert packing.sizes == [sum(length > step for length in real) for step in range(max(real))]
    assert [found[place] for place in packing.last.tolist()] == [(row, length - 1) for row, length in enumerate(real)]
    assert packing.order.tolist() == sorted(range(len(real)), key=lambda row: -real[row])


def test_frames_are_those_of_their_sample_and_step() -> None:
    values = torch.arange(6.0).view(2, 3, 1)
    assert pack(steps_of([1, 3], 3)).frames(values).flatten().tolist() == [3.0, 0.0, 4.0, 5.0]


@pytest.mark.parametrize("lengths", [[5, 5, 5], [2, 5, 1], [1, 1, 1]])
def test_each_lstm_is_pytorchs_own_on_its_modality(lengths: list[int]) -> None:
    torch.manual_seed(0)
    dims, hidden = {"text": 4, "audio": 3}, {"text": 2, "audio": 5}
    system = LSTMSystem(dims, hidden).double()
    mask = steps_of(lengths, 5)
    sequences = {n: ModalitySequence(torch.randn(3, 5, d, dtype=torch.float64), mask) for n, d in dims.items()}
    packing = pack(mask)
    cells, states = system(sequences, packing)
    column = 0
    for name, width in hidden.items():
        cell: nn.LSTMCell = system.encoders[name]
        for row, length in enumerate(lengths):
            h = c = torch.zeros(width, dtype=torch.float64)
            for step in range(length):
                h, c = cell(sequences[name].values[row, step], (h, c))
                rank = packing.order.tolist().index(row)
                torch.testing.assert_close(cells[step][rank, column : column + width], c)
            torch.testing.assert_close(states[row, column : column + width], h)
        column += width


def test_gradient_agrees_with_finite_differences() -> None:
    torch.manual_seed(0)
    system = LSTMSystem({"text": 2, "audio": 1}, {"text": 2, "audio": 1}).double()
    mask = steps_of([1, 3], 3)
    packing = pack(mask)

    def run(text: torch.Tensor, audio: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cells, states = system({"text": ModalitySequence(text, mask), "audio": ModalitySequence(audio, mask)}, packing)
        return torch.cat(cells), states

    inputs = [torch.randn(2, 3, dim, dtype=torch.float64, requires_grad=True) for dim in (2, 1)]
    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize("dim", [3, 300])
def test_gates_start_at_a_scale_that_does_not_grow_with_the_features(dim: int) -> None:
    torch.manual_seed(0)
    weight = LSTMSystem({"text": dim}, {"text": 32}).encoders["text"].weight_ih
    assert 0.4 < (torch.randn(500, dim) @ weight.t()).std() < 0.8


def test_dropout_is_one_draw_a_sample_and_the_identity_in_evaluation() -> None:
    torch.manual_seed(0)
    packing = pack(steps_of([3, 2, 3], 3))
    dropout = SampleDropout(0.5)
    frames = torch.ones(8, 50)
    dropped = dropout.train()(frames, packing)
    for row in range(3):
        own = dropped[packing.sample == row]
        assert torch.equal(own, own[:1].expand_as(own))
        assert set(own.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(dropped[packing.sample == 0][0], dropped[packing.sample == 1][0])
    assert torch.equal(dropout.eval()(frames, packing), frames)
    assert torch.equal(SampleDropout(0.0).train()(frames, packing), frames)
