"""One training step: common random numbers, the two stages, and what each optimiser is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from comodal.contracts import MultimodalBatch
from comodal.dependency import MEASURES
from comodal.training import fit as fit_module
from comodal.training.config import RunConfig
from comodal.training.data import FoldData
from comodal.training.fit import FitResult
from comodal.training.weights import copy_weights

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]


class Record:
    """What a run drew: initial weights, batches, and the random state before every dropout of a model step."""

    def __init__(self) -> None:
        self.initial: dict[str, Tensor] = {}
        self.batches: list[tuple[str, ...]] = []
        self.masks: list[bytes] = []


@pytest.fixture
def recorded(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunConfig], tuple[FitResult, Record]]:
    build = fit_module.build_model

    def fit(config: RunConfig) -> tuple[FitResult, Record]:
        record = Record()

        def build_recorded(*arguments: Any) -> nn.Module:
            model = build(*arguments)
            record.initial = copy_weights(model, None)
            model.register_forward_pre_hook(note_batch)
            for part in model.modules():
                if isinstance(part, nn.Dropout) or type(part).__name__ == "ModalityDropout":
                    part.register_forward_pre_hook(note_mask)
            return model

        def note_batch(module: nn.Module, inputs: Any) -> None:
            if module.training and torch.is_grad_enabled():
                record.batches.append(inputs[0].id)

        def note_mask(module: nn.Module, inputs: Any) -> None:
            if module.training and torch.is_grad_enabled():
                record.masks.append(repr(inputs[0].shape).encode() + torch.get_rng_state().numpy().tobytes())

        monkeypatch.setattr(fit_module, "build_model", build_recorded)
        return run(config), record

    return fit


VARIANTS: dict[str, dict[str, Any]] = {
    "kl": {"measure": "kl"},
    "many steps": {"measure": "wasserstein", "critic_steps": 3},
    "simultaneous": {"measure": "f", "critic_steps": 0},
    "fresh batches": {"measure": "mine", "critic_steps": 2, "fresh_batches": True},
    "fusion": {"measure": "kl", "between": "fusion"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_and_without_a_penalty_a_seed_draws_the_same(
    variant: str, recorded: Callable[[RunConfig], tuple[FitResult, Record]], config: Config
) -> None:
    without, plain = recorded(config(seed=3))
    with_it, penalised = recorded(config(seed=3, penalty={"weight": 1.0, **VARIANTS[variant]}))
    assert plain.batches
    assert len(plain.masks) >= 2 * len(plain.batches)
    assert all(torch.equal(plain.initial[name], penalised.initial[name]) for name in plain.initial)
    assert penalised.batches == plain.batches
    assert penalised.masks == plain.masks
    ours, theirs = copy_weights(with_it.model, None), copy_weights(without.model, None)
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours), "the penalty must have done something"


def test_another_seed_draws_otherwise(
    recorded: Callable[[RunConfig], tuple[FitResult, Record]], config: Config
) -> None:
    _, one = recorded(config(seed=3))
    _, two = recorded(config(seed=4))
    assert one.batches != two.batches
    assert not set(one.masks) & set(two.masks)
    assert any(not torch.equal(one.initial[name], two.initial[name]) for name in one.initial)
    assert len(set(one.masks)) == len(one.masks), "no step may see the masks of another"


@pytest.mark.parametrize(
    "penalty",
    [
        *({"measure": name} for name in MEASURES),
        *(VARIANTS[name] for name in ("simultaneous", "fresh batches", "fusion")),
    ],
    ids=str,
)
def test_a_weight_of_zero_is_no_penalty_to_the_last_bit(penalty: dict[str, Any], run: Run, config: Config) -> None:
    plain = run(config(max_epochs=2))
    zero = run(config(max_epochs=2, penalty={**penalty, "weight": 0.0}))
    theirs = copy_weights(plain.model, None)
    for name, value in copy_weights(zero.model, None).items():
        assert torch.equal(value, theirs[name]), name
    assert zero.valid_loss == plain.valid_loss


@pytest.fixture
def optimizer_steps() -> Iterator[list[tuple[str, float, int]]]:
    """Of every optimiser step: which optimiser, the norm of the gradient it is given, and its parameters."""
    seen: list[tuple[str, float, int]] = []

    def note(optimizer: Optimizer, *_: Any) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item()
        seen.append((type(optimizer).__name__, norm, len(parameters)))

    handle = register_optimizer_step_pre_hook(note)
    yield seen
    handle.remove()


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("fresh", [False, True])
def test_k_critic_steps_come_before_each_model_step(
    steps: int, fresh: bool, run: Run, config: Config, optimizer_steps: list[tuple[str, float, int]]
) -> None:
    if fresh and steps == 0:
        fresh = False
    result = run(config(max_epochs=1, penalty={"measure": "kl", "critic_steps": steps, "fresh_batches": fresh}))
    assert [name for name, _, _ in optimizer_steps] == [*["Adam"] * steps, "AdamW"] * 4
    critic = len(list(result.penalty.measure.critic.parameters())) if result.penalty else 0
    model = len(list(result.model.parameters()))
    assert {count for name, _, count in optimizer_steps if name == "AdamW"} == {model if steps else model + critic}


def test_every_critic_step_takes_the_next_fresh_batch(
    run: Run, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(max_epochs=2, penalty={"measure": "kl", "critic_steps": 3, "fresh_batches": True})
    fresh_batches, positions = FoldData.fresh_batches, []

    def recorded(self: FoldData, *arguments: Any, **named: Any) -> Callable[[int], MultimodalBatch]:
        draw = fresh_batches(self, *arguments, **named)
        return lambda position: (positions.append(position), draw(position))[1]

    monkeypatch.setattr(FoldData, "fresh_batches", recorded)
    run(options)
    assert positions == list(range(2 * 4 * 3)), "3 critic steps, 4 batches, 2 epochs"


def test_the_models_gradient_is_clipped(
    run: Run, config: Config, optimizer_steps: list[tuple[str, float, int]]
) -> None:
    run(config(max_epochs=1, gradient_clip=0.0, penalty={"measure": "kl"}))
    free = [norm for name, norm, _ in optimizer_steps if name == "AdamW"]
    limit = min(free) / 2
    optimizer_steps.clear()
    run(config(max_epochs=1, gradient_clip=limit, penalty={"measure": "kl"}))
    clipped = [norm for name, norm, _ in optimizer_steps if name == "AdamW"]
    assert clipped == pytest.approx([limit] * 4, rel=1e-4)
    assert max(norm for name, norm, _ in optimizer_steps if name == "Adam") > 0


def test_the_history_names_every_term_and_means_are_over_samples(run: Run, config: Config) -> None:
    result = run(config(max_epochs=2, batch_size=19, penalty={"measure": "kl"}))
    assert [set(entry) for entry in result.history] == [{"epoch", "valid_loss", "train_task", "train_dependency"}] * 2
    small, one = run(config(max_epochs=1, batch_size=19)), run(config(max_epochs=1, batch_size=60))
    assert small.history[0]["train_task"] != one.history[0]["train_task"]


def test_the_validation_loss_is_a_mean_over_samples(
    run: Run, config: Config, fold: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of 24 and of 7, 7, 7, 3 give one value; a mean of batch means would not."""
    from comodal.training import data

    whole = run(config(max_epochs=1)).valid_loss
    monkeypatch.setattr(data, "EVALUATION_BATCH", 7)
    assert [len(batch) for batch in fold.valid_loader()] == [7, 7, 7, 3]
    assert run(config(max_epochs=1)).valid_loss == pytest.approx(whole, rel=1e-6)
