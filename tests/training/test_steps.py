"""Which steps the model's optimiser takes: accumulation, schedules, and learning rates of a group's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from refusals import refused
from torch.optim.optimizer import register_optimizer_step_pre_hook

from comodal.contracts import DatasetSpec
from comodal.fusion import EarlyFusion
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.fit import FitResult
from comodal.training.optim import build_optimizer, build_schedule

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]
SPEC = DatasetSpec("toy", {"text": 4, "audio": 2}, {"text": 1, "audio": 1})


@pytest.fixture
def rates() -> Iterator[list[float]]:
    """Learning rate of the first group at every step."""
    found: list[float] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        found.append(optimizer.param_groups[0]["lr"])

    hook = register_optimizer_step_pre_hook(note)
    yield found
    hook.remove()


def still(config: RunConfig) -> RunConfig:
    """Without dropout, whose masks depend on the size of a batch."""
    options = {"dropout": 0.0, "encoder": {"dropout": 0.0, "input_dropout": 0.0}}
    return RunConfig(fusion_config=options, penalty=config.penalty, training=config.training, seed=config.seed)


def test_two_batches_accumulated_are_one_of_twice_the_size(run: Run, config: Config, rates: list[float]) -> None:
    whole = run(still(config(batch_size=30)))
    assert len(rates) == 3 * 2
    halves = run(still(config(batch_size=15, accumulate=2)))
    assert len(rates) == 2 * 3 * 2
    other = run(still(config(batch_size=15)))
    assert len(rates) == 2 * 3 * 2 + 3 * 4
    for name, weight in whole.model.state_dict().items():
        torch.testing.assert_close(halves.model.state_dict()[name], weight, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(other.model.head.weight, whole.model.head.weight, atol=1e-3)


def test_what_is_left_at_the_end_of_an_epoch_is_a_step_of_its_own(run: Run, config: Config, rates: list[float]) -> None:
    run(config(batch_size=15, accumulate=3, max_epochs=2))
    assert len(rates) == 2 * 2


def test_a_batch_larger_than_the_data_is_one_step(run: Run, config: Config, rates: list[float]) -> None:
    run(config(batch_size=15, accumulate=100, max_epochs=2))
    assert len(rates) == 2


def test_the_learning_rate_rises_and_falls_over_all_epochs(run: Run, config: Config, rates: list[float]) -> None:
    """60 samples in batches of 15 for 5 epochs: 20 steps, of which a fifth warm up."""
    run(config(batch_size=15, max_epochs=5, patience=9, lr=0.01, schedule="linear", warmup_share=0.2))
    rise = [0.0025, 0.005, 0.0075, 0.01]
    fall = [0.01 * (16 - k) / 16 for k in range(16)]
    assert rates == pytest.approx(rise + fall)


def test_a_resumed_run_goes_on_with_its_learning_rate(
    run: Run, config: Config, rates: list[float], tmp_path: Any
) -> None:
    options = {"batch_size": 15, "max_epochs": 4, "patience": 9, "schedule": "linear", "warmup_share": 0.5}
    whole = run(config(**options))
    straight = list(rates)
    rates.clear()

    def stop(*_: Any) -> None:
        if len(rates) == 11:
            raise KeyboardInterrupt

    hook = register_optimizer_step_pre_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        run(config(**options), folder=tmp_path)
    hook.remove()
    seen = len(rates)
    again = run(config(**options), folder=tmp_path)
    epochs_done = (len(straight) - (len(rates) - seen)) // 4
    assert 0 < epochs_done < 4
    assert rates[seen:] == pytest.approx(straight[4 * epochs_done :])
    assert torch.equal(again.model.head.weight, whole.model.head.weight)


def test_warm_up_alone_ends_at_the_rate_and_stays() -> None:
    optimizer = build_optimizer(EarlyFusion(SPEC), TrainingConfig(lr=1.0, group_lr={"fusion": 0.5}))
    assert build_schedule(optimizer, TrainingConfig(), 4) is None
    schedule = build_schedule(optimizer, TrainingConfig(warmup_share=0.5), 4)
    assert schedule is not None
    found = []
    for _ in range(6):
        found.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    assert [rates[0] for rates in found] == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert all(rates[-1] == rates[0] / 2 for rates in found), "groups keep their proportions"


def test_a_group_has_a_rate_of_its_own() -> None:
    model = EarlyFusion(SPEC)
    with refused("unknown_name", "encoder", "encoders"):
        build_optimizer(model, TrainingConfig(group_lr={"encoder": 0.1}))
    optimizer = build_optimizer(model, TrainingConfig(lr=0.1, group_lr={"encoders": 0.001}))
    encoders = {id(p) for p in model.encoders.parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert group["lr"] == (0.001 if id(parameter) in encoders else 0.1)
