"""The gate against the paper's equations 1 to 5, written out in loops over samples, steps and units."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from mag_by_hand import gated_by_loop
from refusals import refused
from torch import Tensor

from comodal.contracts import ModalitySequence
from comodal.fusion.adaptation_gate import AdaptationGate

WIDTH = 5
DIMS = {"audio": 3, "vision": 2, "touch": 4}


def gate_of(names: tuple[str, ...], *, beta: float = 1.0, dropout: float = 0.0) -> AdaptationGate:
    """A gate in double precision, none of whose parameters is zero or one."""
    gate = AdaptationGate(WIDTH, {name: DIMS[name] for name in names}, beta=beta, dropout=dropout).double()
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return gate


def frames_of(names: tuple[str, ...], lengths: tuple[int, ...] = (4, 2, 3)) -> dict[str, ModalitySequence]:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    rows, steps = mask.shape
    return {
        name: ModalitySequence(torch.randn(rows, steps, DIMS[name], dtype=torch.float64) * mask.unsqueeze(-1), mask)
        for name in names
    }


def by_loop(gate: AdaptationGate, hidden: Tensor, frames: Mapping[str, ModalitySequence]) -> np.ndarray:
    return gated_by_loop(gate, hidden.detach().numpy(), frames)


NAMES = [("audio",), ("audio", "vision"), ("vision", "touch", "audio")]


@pytest.mark.parametrize("beta", [1e-3, 0.5, 1.0, 30.0])
@pytest.mark.parametrize("names", NAMES)
def test_equals_the_papers_equations(names: tuple[str, ...], beta: float) -> None:
    gate, frames = gate_of(names, beta=beta), frames_of(names)
    hidden = torch.randn(3, 4, WIDTH, dtype=torch.float64)
    got = gate(hidden, frames).detach().numpy()
    np.testing.assert_allclose(got, by_loop(gate, hidden, frames), atol=1e-10)
    gate.beta = 2.0 * beta + 0.1
    if beta < 30.0:
        assert not np.allclose(got, by_loop(gate, hidden, frames), atol=1e-4), "the cut to length has no say"
    with torch.no_grad():
        gate.gates[names[0]].weight.copy_(gate.gates[names[0]].weight.flip(1))
    assert not np.allclose(got, by_loop(gate, hidden, frames), atol=1e-4), "the order of [x; v] has no say"


def test_a_missing_modality_adds_nothing() -> None:
    names = ("audio", "vision")
    gate, frames = gate_of(names), frames_of(names)
    hidden = torch.randn(3, 4, WIDTH, dtype=torch.float64)
    vision = frames["vision"]
    there = vision.mask & torch.tensor([[True], [False], [True]])
    partly = frames | {"vision": ModalitySequence(vision.values * there.unsqueeze(-1), there)}
    got = gate(hidden, partly).detach()
    np.testing.assert_allclose(got, by_loop(gate, hidden, partly), atol=1e-10)
    assert not torch.allclose(got[1], gate(hidden, frames)[1], atol=1e-4)


def test_where_nothing_is_heard_nothing_is_displaced() -> None:
    """Not even by the bias: an absent modality is another thing than one whose frames are zero."""
    gate, frames = gate_of(("audio",)), frames_of(("audio",), lengths=(4, 0))
    hidden = torch.randn(2, 4, WIDTH, dtype=torch.float64)
    displacement = gate.displacement(hidden, frames)
    assert displacement[1].abs().max() == 0.0
    zeros = {"audio": ModalitySequence(torch.zeros_like(frames["audio"].values), torch.ones(2, 4, dtype=torch.bool))}
    assert torch.equal(gate.displacement(hidden, zeros), gate.bias.expand(2, 4, WIDTH))
    torch.testing.assert_close(gate(hidden, frames)[1], gate.norm(hidden[1]))


def test_by_hand() -> None:
    """One unit: x = 3, v = 2; g = ReLU(x + v - 1) = 4, h = 4 * 0.5 v + 1 = 5; |x| / |h| is 3/5, so x + h becomes 6."""
    gate = AdaptationGate(1, {"audio": 1}, beta=1.0, dropout=0.0)
    with torch.no_grad():
        gate.gates["audio"].weight.fill_(1.0)
        gate.gates["audio"].bias.fill_(-1.0)
        gate.projections["audio"].weight.fill_(0.5)
        gate.bias.fill_(1.0)
    gate.norm = torch.nn.Identity()  # type: ignore[assignment]
    frames = {"audio": ModalitySequence(torch.tensor([[[2.0]]]), torch.tensor([[True]]))}
    assert gate.displacement(torch.tensor([[[3.0]]]), frames).item() == 5.0
    assert gate(torch.tensor([[[3.0]]]), frames).item() == pytest.approx(6.0)
    gate.beta = 0.5
    assert gate(torch.tensor([[[3.0]]]), frames).item() == pytest.approx(4.5)
    gate.beta = 9.0
    assert gate(torch.tensor([[[3.0]]]), frames).item() == pytest.approx(8.0), "never more than the displacement itself"


def test_with_beta_zero_states_go_through_as_they_are() -> None:
    gate = gate_of(("audio",), beta=0.0, dropout=0.5).train()
    hidden = torch.randn(3, 4, WIDTH, dtype=torch.float64)
    assert gate(hidden, frames_of(("audio",))) is hidden
    assert [name for name, p in gate.named_parameters() if p.requires_grad] == ["projections.audio.weight"]
    gate.beta = 1e-9
    assert not torch.allclose(gate(hidden, frames_of(("audio",))), hidden, atol=0.1)


def test_dropout_falls_behind_the_norm() -> None:
    names = ("audio",)
    gate, frames = gate_of(names, dropout=0.5), frames_of(names)
    hidden = torch.randn(3, 4, WIDTH, dtype=torch.float64)
    dropped, whole = gate.train()(hidden, frames), gate.eval()(hidden, frames)
    zero = dropped == 0
    assert 0.2 < zero.double().mean() < 0.8
    torch.testing.assert_close(dropped[~zero], 2 * whole[~zero])


def test_gradient_agrees_with_finite_differences() -> None:
    gate, frames = gate_of(("audio", "vision"), beta=0.3), frames_of(("audio", "vision"))
    hidden = torch.randn(3, 4, WIDTH, dtype=torch.float64, requires_grad=True)
    audio = frames["audio"].values.clone().requires_grad_()

    def gated(states: Tensor, values: Tensor) -> Tensor:
        return gate(states, frames | {"audio": ModalitySequence(values, frames["audio"].mask)})

    assert torch.autograd.gradcheck(gated, (hidden, audio))


def test_gradients_are_finite_where_nothing_is_said() -> None:
    """Zero frames, no frames, and a hidden state of length zero."""
    gate = AdaptationGate(WIDTH, {"audio": 3}, beta=1.0, dropout=0.0)  # its bias is zero: so is the displacement
    mask = torch.tensor([[True, True, False]])
    hidden = torch.randn(1, 3, WIDTH)
    hidden[0, 0] = 0.0
    hidden.requires_grad_()
    gate(hidden, {"audio": ModalitySequence(torch.zeros(1, 3, 3), mask)}).square().sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in gate.parameters())
    assert gate.bias.grad is not None
    assert gate.bias.grad.abs().sum() > 0, "a displacement of length zero must be able to grow"


def test_half_precision_stays_half_precision() -> None:
    gate, frames = gate_of(("audio",)).float(), frames_of(("audio",))
    frames = {name: ModalitySequence(s.values.float(), s.mask) for name, s in frames.items()}
    hidden = torch.randn(3, 4, WIDTH)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gate(hidden.bfloat16(), frames)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), gate(hidden, frames), atol=0.2, rtol=0.1)


def test_a_negative_beta_is_refused() -> None:
    with refused("out_of_range", "beta", -0.5):
        AdaptationGate(4, {"audio": 2}, beta=-0.5, dropout=0.0)
