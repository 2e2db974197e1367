from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from comodal.encoders.gated_layer import GatedLayer


class Layer(nn.Module):
    """Adds a share of a second input, and says what it was given beside the hidden states."""

    attention_type = "sliding"

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))
        self.options: dict[str, Any] = {}

    def forward(self, hidden_states: Tensor, other: Tensor | None = None, **options: Any) -> tuple[Tensor, str]:
        self.options = options
        return self.scale * hidden_states + (0.0 if other is None else other), "second"


def doubled(hidden: Tensor) -> Tensor:
    return 2.0 * hidden


def test_the_layer_gets_gated_states_and_all_else_as_it_was() -> None:
    layer, hidden, other = Layer(), torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    gated = GatedLayer(layer)
    with gated.opened(doubled) as entered:
        out = gated(hidden, other, mask="kept")
    assert torch.equal(out[0], 6.0 * hidden + other)
    assert out[1] == "second"
    assert layer.options == {"mask": "kept"}
    assert len(entered) == 1
    assert entered[0] is hidden


def test_hidden_states_by_name_are_gated_too() -> None:
    gated, hidden = GatedLayer(Layer()), torch.randn(2, 3, 4)
    with gated.opened(doubled):
        out = gated(hidden_states=hidden, other=None)
    assert torch.equal(out[0], 6.0 * hidden)


def test_time_first_states_reach_the_gate_batch_first() -> None:
    gated, hidden = GatedLayer(Layer(), time_first=True), torch.randn(5, 2, 4)

    def of_row(states: Tensor) -> Tensor:
        assert states.shape == (2, 5, 4)
        return states * torch.tensor([1.0, 10.0]).view(2, 1, 1)

    with gated.opened(of_row) as entered:
        out = gated(hidden)[0]
    assert torch.equal(entered[0], hidden.transpose(0, 1))
    assert torch.equal(out[:, 0], 3.0 * hidden[:, 0])
    assert torch.allclose(out[:, 1], 30.0 * hidden[:, 1])


def test_attributes_are_those_of_the_layer() -> None:
    gated = GatedLayer(Layer())
    assert gated.attention_type == "sliding"
    assert gated.scale is gated.layer.scale
    assert [name for name, _ in gated.named_parameters()] == ["layer.scale"]
    with pytest.raises(AttributeError, match="colour"):
        _ = gated.colour


def test_without_its_gate_it_refuses_to_run() -> None:
    gated, hidden = GatedLayer(Layer()), torch.randn(1, 1, 4)
    with pytest.raises(RuntimeError, match=r"without its gate.*within opened"):
        gated(hidden)
    with gated.opened(doubled):
        gated(hidden)
    with pytest.raises(RuntimeError, match="without its gate"):  # nothing stale is left
        gated(hidden)


def test_the_gate_is_taken_away_after_an_error() -> None:
    gated = GatedLayer(Layer())
    with pytest.raises(ZeroDivisionError), gated.opened(lambda _: 1 / 0):  # type: ignore[arg-type, return-value]
        gated(torch.randn(1, 1, 4))
    with pytest.raises(RuntimeError, match="without its gate"):
        gated(torch.randn(1, 1, 4))


@pytest.mark.parametrize("calls", [0, 2])
def test_a_layer_that_is_not_called_once_is_an_error(calls: int) -> None:
    gated = GatedLayer(Layer())

    def run() -> None:
        with gated.opened(doubled):
            for _ in range(calls):
                gated(torch.randn(1, 1, 4))

    with pytest.raises(RuntimeError, match=f"called {calls} times in one forward pass, not once"):
        run()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_is_a_layer_of_its_own(again: Any) -> None:
    gated, hidden = GatedLayer(Layer()), torch.randn(1, 1, 4)
    other = again(gated)
    with torch.no_grad():
        other.layer.scale.fill_(1.0)
    with other.opened(doubled):
        assert torch.equal(other(hidden)[0], 2.0 * hidden)
    with gated.opened(doubled):
        assert torch.equal(gated(hidden)[0], 6.0 * hidden)


def test_the_gate_runs_once_where_the_layer_runs_again_for_its_gradient() -> None:
    """A checkpoint within the wrapped layer runs that layer again in the backward pass, when the gate is gone."""
    calls = {"layer": 0, "gate": 0}

    class Checkpointed(nn.Module):
        def forward(self, hidden: Tensor) -> Tensor:
            return checkpoint(self.inside, hidden, use_reentrant=False)

        def inside(self, hidden: Tensor) -> Tensor:
            calls["layer"] += 1
            return hidden.sin()

    def counted(hidden: Tensor) -> Tensor:
        calls["gate"] += 1
        return 2.0 * hidden

    gated, hidden = GatedLayer(Checkpointed()), torch.randn(2, 1, 4, requires_grad=True)
    with gated.opened(counted):
        out = gated(hidden)
    out.sum().backward()
    assert calls == {"layer": 2, "gate": 1}
    assert hidden.grad is not None
    torch.testing.assert_close(hidden.grad, 2.0 * (2.0 * hidden.detach()).cos())
