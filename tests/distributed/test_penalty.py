"""Two real processes against one with the global batch: value, gradient and critic, for every measure."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.support.two_processes import in_two_processes

pytestmark = pytest.mark.slow

WORKER = Path(__file__).with_name("worker.py")
PARTS = runpy.run_path(str(WORKER))
VARIANTS, ROWS, SPLITS = PARTS["VARIANTS"], PARTS["ROWS"], PARTS["SPLITS"]
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[Seen]:
    """What each of two gloo processes saw."""
    folder = tmp_path_factory.mktemp("gloo")
    in_two_processes(str(WORKER), str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def same(one: Seen, other: Seen) -> bool:
    close = {"rtol": 1e-5, "atol": 5e-5}  # gram makes 2e-5 of rounding in the step before
    return all(
        torch.allclose(torch.tensor(a), torch.tensor(b), **close)
        for a, b in zip(one["values"], other["values"], strict=True)
    ) and all(
        torch.allclose(a[name], b[name], **close)
        for a, b in zip(one["gradients"], other["gradients"], strict=True)
        for name in a
    )


@pytest.mark.parametrize("split", sorted(SPLITS))
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_value_and_gradient_are_those_of_one_process(options: Seen, split: str, processes: list[Seen]) -> None:
    alone = PARTS["trained"](options, rank=None, rows=[ROWS])
    for process in processes:
        assert same(process[f"{split} {options}"], alone)
    assert any(bool(gradient.abs().max() > 1e-4) for gradient in alone["gradients"][0].values())


@pytest.mark.parametrize("split", sorted(SPLITS))
@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_critic_stays_the_same_on_all_processes_and_is_that_of_one(
    options: Seen, split: str, processes: list[Seen]
) -> None:
    first, second = (process[f"{split} {options}"] for process in processes)
    alone = PARTS["trained"](options, rank=None, rows=[ROWS])
    for name, parameter in first["critic"].items():
        assert torch.equal(parameter, second["critic"][name])
        if not name.endswith("head.bias"):  # free under some bounds: Adam then makes steps of rounding errors
            torch.testing.assert_close(parameter, alone["critic"][name], rtol=1e-5, atol=1e-5)
    for one, other in zip(first["critic_gradients"], alone["critic_gradients"], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_without_gathering_a_logarithm_of_a_mean_is_not(processes: list[Seen]) -> None:
    alone = PARTS["trained"]({"measure": "kl"}, rank=None, rows=[ROWS])
    assert not any(same(process["not gathered"], alone) for process in processes)
    mean = sum(process["not gathered"]["values"][0] for process in processes) / 2
    assert mean != pytest.approx(alone["values"][0], rel=1e-3)
