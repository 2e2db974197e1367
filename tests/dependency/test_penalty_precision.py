"""The penalty's arithmetic: finite differences, bfloat16 autocast, compiled models, non-default devices of tensors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from comodal.dependency import MEASURES, DependencyPenalty

DIMS = [6, 6]
EVERY = sorted(MEASURES)


class Encoders(nn.Module):
    """Two representations of one input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(5, 6)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        return [self.first(inputs), self.second(inputs)]


@pytest.mark.parametrize("name", EVERY)
def test_under_bfloat16_autocast_it_computes_in_single_precision(name: str) -> None:
    model, inputs = Encoders(), torch.randn(16, 5)
    inside, outside = DependencyPenalty(name, dims=DIMS), DependencyPenalty(name, dims=DIMS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        views = model(inputs)
        assert views[0].dtype == torch.bfloat16
        inside.update_critic(views)
        value = inside(views)
    outside.update_critic(views)
    assert value.dtype == torch.float32
    assert torch.equal(value, outside([view.float() for view in views]))
    value.backward()
    assert all(
        p.grad is not None and bool(p.grad.isfinite().all()) and p.grad.dtype == torch.float32
        for p in model.parameters()
    )


def test_autocast_would_have_changed_it() -> None:
    penalty, views = DependencyPenalty("kl", dims=DIMS), [torch.randn(16, 6), torch.randn(16, 6)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert penalty.measure.critic(views).dtype == torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_model_gives_the_same_step(backend: str) -> None:
    torch.manual_seed(0)
    plain = Encoders()
    compiled = Encoders()
    compiled.load_state_dict(plain.state_dict())
    inputs, gradients = torch.randn(16, 5), []
    for model in (plain, torch.compile(compiled, backend=backend)):
        penalty = DependencyPenalty("wasserstein", dims=DIMS)
        views = model(inputs)
        penalty.update_critic(views)
        gradients.append(torch.autograd.grad(penalty(views), list(model.parameters())))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
    torch.compiler.reset()
