from __future__ import annotations

import pytest
import torch
from refusals import refused
from torch import nn

from comodal.contracts import DatasetSpec
from comodal.contracts.errors import Code
from comodal.fusion import LFN
from comodal.training.config import TrainingConfig
from comodal.training.optim import build_optimizer

SPEC = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})


class Toy(nn.Module):
    def __init__(self, groups: dict[str, list[str]]) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.spare = nn.Parameter(torch.ones(2, 2))
        self._groups = groups

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        named = dict(self.named_parameters())
        return {group: [named[name] for name in names] for group, names in self._groups.items()}


def test_matrices_decay_and_vectors_do_not() -> None:
    model = LFN(SPEC)
    optimizer = build_optimizer(model, TrainingConfig(weight_decay=0.1, lr=0.5))
    decayed = {id(p) for g in optimizer.param_groups if g["weight_decay"] == 0.1 for p in g["params"]}
    plain = {id(p) for g in optimizer.param_groups if g["weight_decay"] == 0.0 for p in g["params"]}
    assert decayed == {id(p) for p in model.parameters() if p.ndim >= 2}
    assert plain == {id(p) for p in model.parameters() if p.ndim < 2}
    assert id(model.bias) in plain
    assert all(group["lr"] == 0.5 for group in optimizer.param_groups)


def test_decay_acts_as_adamw_says() -> None:
    """With no gradient a matrix shrinks by 1 - lr * decay a step and a bias stays: decay is decoupled."""
    model = Toy({"all": ["layer.weight", "layer.bias", "spare"]})
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = build_optimizer(model, TrainingConfig(lr=0.1, weight_decay=0.5))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    torch.testing.assert_close(model.layer.weight.detach(), before["layer.weight"] * 0.95)
    torch.testing.assert_close(model.spare.detach(), before["spare"] * 0.95)
    assert torch.equal(model.layer.bias, before["layer.bias"])


@pytest.mark.parametrize(
    ("groups", "code", "named"),
    [
        ({"all": ["layer.weight", "layer.bias"]}, "missing", ["spare", "Toy"]),
        ({"all": ["layer.weight", "layer.bias", "spare"], "more": ["spare"]}, "duplicate", ["spare", "all", "more"]),
    ],
)
def test_a_parameter_trained_never_or_twice_is_refused(
    groups: dict[str, list[str]], code: Code, named: list[str]
) -> None:
    with refused(code, *named):
        build_optimizer(Toy(groups), TrainingConfig())


def test_a_frozen_parameter_needs_no_group() -> None:
    model = Toy({"all": ["layer.weight", "layer.bias"]})
    model.spare.requires_grad_(requires_grad=False)
    trained = [p for group in build_optimizer(model, TrainingConfig()).param_groups for p in group["params"]]
    assert {id(p) for p in trained} == {id(p) for p in model.layer.parameters()}


def test_a_critic_joins_with_its_own_learning_rate() -> None:
    critic = nn.Linear(2, 1)
    model = Toy({"all": ["layer.weight", "layer.bias", "spare"]})
    extra = [{"name": "critic", "params": list(critic.parameters()), "lr": 0.7}]
    last = build_optimizer(model, TrainingConfig(lr=0.1), extra).param_groups[-1]
    assert (last["name"], last["lr"], last["weight_decay"]) == ("critic", 0.7, 0.0)
