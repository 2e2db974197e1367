"""Saving, loading, copying and moving a penalty: a resumed run is the undisturbed one, bit by bit."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor, nn

from comodal.dependency import MEASURES, DependencyPenalty, LinearWarmup

DIMS = {"text": 4, "audio": 4}
VARIANTS = [
    *({"measure": name} for name in sorted(MEASURES)),
    {"measure": "wasserstein", "lipschitz": "spectral_norm", "critic": "joint"},
    {"measure": "mine", "critic_steps": 3, "critic": "separable"},
    {"measure": "wasserstein", "critic_steps": 0},
    {"measure": "mine", "critic_steps": 0},
]


class Run:
    """A model, a penalty and the optimiser of both, at some step of training on a stream of batches."""

    def __init__(self, *, seed: int = 0, **options: Any) -> None:
        torch.manual_seed(seed)
        self.encoders = nn.ModuleDict({name: nn.Linear(5, dim) for name, dim in DIMS.items()})
        measure = options.pop("measure")
        self.penalty = DependencyPenalty(measure, dims=DIMS, schedule=LinearWarmup(9), seed=seed, **options)
        groups = [{"params": list(self.encoders.parameters())}, *self.penalty.parameter_groups()]
        for group in groups:
            group.pop("name", None)
        self.optimizer = torch.optim.Adam(groups, lr=1e-2)

    def train(self, first: int, last: int) -> None:
        for step in range(first, last):
            inputs = torch.randn(16, 5, generator=torch.Generator().manual_seed(step))
            views = {name: encoder(inputs) for name, encoder in self.encoders.items()}
            self.penalty.update_critic(views)
            self.optimizer.zero_grad()
            self.penalty(views).backward()
            self.optimizer.step()

    def state(self) -> dict[str, Any]:
        return {
            "encoders": self.encoders.state_dict(),
            "penalty": self.penalty.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.encoders.load_state_dict(state["encoders"])
        self.penalty.load_state_dict(state["penalty"])
        self.optimizer.load_state_dict(state["optimizer"])

    def tensors(self) -> list[Tensor]:
        return [
            tensor.detach().clone()
            for module in (self.encoders, self.penalty)
            for tensor in [*module.parameters(), *module.buffers()]
        ]


def same(one: Run, other: Run) -> bool:
    return all(map(torch.equal, one.tensors(), other.tensors()))


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_a_resumed_run_is_the_undisturbed_one(options: dict[str, Any]) -> None:
    undisturbed, first = Run(**options), Run(**options)
    undisturbed.train(0, 6)
    first.train(0, 3)
    resumed = Run(seed=99, **options)
    resumed.load(through_a_file(first.state()))
    resumed.train(3, 6)
    assert same(resumed, undisturbed)
    assert resumed.penalty.step == 6


@pytest.mark.parametrize("part", ["optimizer", "generator", "log_average", "step"])
def test_every_part_of_the_state_is_needed(part: str) -> None:
    options = {"measure": "mine", "critic": "joint"}
    undisturbed, first, resumed = Run(**options), Run(**options), Run(seed=99, **options)
    undisturbed.train(0, 6)
    first.train(0, 3)
    state = through_a_file(first.state())
    penalty = state["penalty"]
    if part == "generator":
        penalty["measure._extra_state"]["generator"] = torch.Generator().manual_seed(5).get_state()
    elif part == "log_average":
        penalty["measure.log_average"].zero_()
    elif part == "optimizer":
        penalty["_extra_state"]["optimizer"]["state"] = {}
    else:
        penalty["_extra_state"]["step"] = 0
    resumed.load(state)
    resumed.train(3, 6)
    assert not same(resumed, undisturbed)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_goes_on_by_itself(how: str, options: dict[str, Any]) -> None:
    run, reference = Run(**options), Run(**options)
    run.train(0, 2)
    reference.train(0, 2)
    twin = copy.deepcopy(run) if how == "deepcopy" else pickle.loads(pickle.dumps(run))
    twin.train(2, 4)
    assert same(run, reference)
    assert not same(twin, run)
    run.train(2, 4)
    assert same(twin, run)


def test_the_optimisers_moments_follow_a_move() -> None:
    run = Run(measure="kl")
    run.train(0, 2)
    run.penalty.double()
    optimizer = run.penalty._optimizer
    assert optimizer is not None
    assert all(state["exp_avg"].dtype == torch.float64 for state in optimizer.state.values())
    run.encoders.double()
    views = {name: torch.randn(8, dim, dtype=torch.float64) for name, dim in DIMS.items()}
    run.penalty.update_critic(views)
    assert run.penalty(views).dtype == torch.float64


def test_as_part_of_a_larger_module_it_is_saved_with_it() -> None:
    whole, twin = (
        nn.ModuleDict({"model": nn.Linear(2, 2), "penalty": Run(measure="mine", seed=s).penalty}) for s in (0, 1)
    )
    views = {name: torch.randn(8, dim) for name, dim in DIMS.items()}
    whole["penalty"].update_critic(views)
    twin.load_state_dict(through_a_file(whole.state_dict()))
    assert torch.equal(whole["penalty"](views), twin["penalty"](views))


def test_a_state_of_another_kind_is_refused() -> None:
    state = Run(measure="kl").penalty.state_dict()
    with refused("mismatch", "'kl'", "'f'"):
        Run(measure="f").penalty.load_state_dict(state)
    with refused("mismatch", "critic_steps=0"):
        Run(measure="kl", critic_steps=0).penalty.load_state_dict(state)
