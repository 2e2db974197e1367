"""What a run promises of its weights: the same seed, the same bits, interrupted or not, and the best epoch's."""

from __future__ import annotations

import gc
import signal
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import refused
from torch import Tensor

from comodal.contracts import InputError
from comodal.objective import TaskLoss
from comodal.training import fit as fit_module
from comodal.training.build import build_model, build_penalty
from comodal.training.config import RunConfig
from comodal.training.data import FoldData
from comodal.training.devices import require_device
from comodal.training.fit import FitResult
from comodal.training.loop import TrainingLoop
from comodal.training.weights import copy_weights

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]

PENALTIES: dict[str, dict[str, Any]] = {
    "none": {},
    "kl": {"measure": "kl"},
    "moving average": {"measure": "mine", "critic_steps": 2},
    "simultaneous": {"measure": "kl", "critic_steps": 0},
    "fresh batches": {"measure": "f", "critic_steps": 3, "fresh_batches": True},
    "gradient penalty": {"measure": "wasserstein"},
    "spectral norm": {"measure": "wasserstein", "lipschitz": "spectral_norm", "critic": "joint"},
    "fusion, separable": {"measure": "jensen_shannon", "between": "fusion", "critic": "separable"},
    "warm-up": {"measure": "kl", "warmup_epochs": 3},
}
HARM = ("noise:audio=0.5", "drop:vision=0.3", "swap:text=0.2")


class Killed(BaseException):
    """Stands for anything that ends a process."""


def weights(result: FitResult) -> dict[str, Tensor]:
    return copy_weights(result.model, result.penalty)


def differing(one: FitResult, two: FitResult) -> list[str]:
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    return [name for name in a if not torch.equal(a[name], b[name])]


def die_at_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    whole = TrainingLoop._train_batch

    def mortal(self: TrainingLoop, batch: Any, number: int, batches: int) -> bool:
        if self.state.epoch * batches + number == step:
            raise Killed
        return whole(self, batch, number, batches)

    monkeypatch.setattr(TrainingLoop, "_train_batch", mortal)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "augment"),
    [*((name, ()) for name in PENALTIES), *((name, HARM) for name in ("none", "kl", "fresh batches"))],
)
def test_killed_in_mid_epoch_and_resumed_it_ends_with_the_same_weights(
    name: str, augment: Any, *, run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(penalty=PENALTIES[name], max_epochs=4, augment=augment)
    undisturbed = run(options)
    die_at_step(monkeypatch, 10)  # of 16, in the third epoch
    with pytest.raises(Killed):
        run(options, folder=tmp_path)
    monkeypatch.undo()
    resumed = run(options, folder=tmp_path)
    assert differing(resumed, undisturbed) == []
    assert resumed.history == undisturbed.history
    assert (resumed.best_epoch, resumed.valid_loss) == (undisturbed.best_epoch, undisturbed.valid_loss)


def test_a_resume_really_goes_on_from_the_checkpoint(
    run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_at_step(monkeypatch, 10)
    with pytest.raises(Killed):
        run(config(max_epochs=4), folder=tmp_path)
    monkeypatch.undo()
    die_at_step(monkeypatch, 7)  # before the checkpoint: a run from the start would die of it
    assert run(config(max_epochs=4), folder=tmp_path).epochs == 4


@pytest.mark.parametrize("stopped_early", [False, True])
def test_a_finished_fit_that_is_started_again_trains_no_more(
    stopped_early: bool, run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(max_epochs=30, patience=2, lr=0.03) if stopped_early else config(max_epochs=2)
    first = run(options, folder=tmp_path)
    assert (first.epochs < options.training.max_epochs) == stopped_early
    die_at_step(monkeypatch, first.epochs * 4)
    again = run(options, folder=tmp_path)
    assert again.history == first.history
    assert differing(again, first) == []


@pytest.mark.parametrize("name", ["none", "fresh batches", "gradient penalty"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(name: str, run: Run, config: Config) -> None:
    options = config(seed=4, penalty=PENALTIES[name])
    first = run(options)
    torch.manual_seed(12345)
    assert differing(run(options), first) == []
    assert differing(run(config(seed=5, penalty=PENALTIES[name])), first)


def test_the_callers_random_stream_is_left_alone(run: Run, config: Config) -> None:
    before = torch.get_rng_state()
    run(config(penalty=PENALTIES["fresh batches"]))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_best_epoch_is_kept_and_not_the_last(run: Run, config: Config, fold: FoldData) -> None:
    result = run(config(max_epochs=30, patience=3, lr=0.03))
    losses = [entry["valid_loss"] for entry in result.history]
    assert result.best_epoch == losses.index(min(losses))
    assert result.valid_loss == min(losses)
    assert result.epochs == len(losses) == result.best_epoch + 1 + 3, "patience ends the run"
    assert losses[-1] > min(losses), "the last epoch must be worse, or the check below shows nothing"
    (batch,) = fold.valid_loader()
    assert not result.model.training
    loss = TaskLoss("l1")(result.model(batch).logits, batch.target).item()
    assert loss == pytest.approx(result.valid_loss, rel=1e-6)


def test_a_run_learns(run: Run, config: Config, fold: FoldData) -> None:
    result = run(config(max_epochs=25, lr=3e-3))
    (batch,) = fold.valid_loader()
    constant = (batch.target - batch.target.median()).abs().mean().item()
    assert result.valid_loss < 0.85 * constant


def test_a_run_that_diverges_is_an_error_that_names_the_learning_rate(run: Run, config: Config) -> None:
    with refused("diverged", "training.lr", "1e+38"):
        run(config(lr=1e38, max_epochs=2))


def test_bf16_trains(run: Run, config: Config) -> None:
    result = run(config(precision="bf16-mixed", penalty={"measure": "kl"}))
    plain = run(config(penalty={"measure": "kl"}))
    assert result.valid_loss == pytest.approx(plain.valid_loss, rel=0.1)
    assert result.valid_loss != plain.valid_loss


def test_the_penalty_gets_the_configs_options(config: Config, fold: FoldData) -> None:
    options = config(
        penalty={
            "measure": "wasserstein",
            "weight": 0.7,
            "critic_steps": 2,
            "critic_lr": 0.02,
            "critic_hidden": (9,),
            "normalize": "sphere",
            "lipschitz": "spectral_norm",
            "critic": "joint",
            "warmup_epochs": 5,
            "between": "fusion",
        }
    )
    model = build_model(fold.view.spec, options)
    penalty = build_penalty(model, options, 4)
    assert penalty is not None
    assert (penalty.weight, penalty.critic_steps, penalty.critic_lr) == (0.7, 2, 0.02)
    assert (penalty.measure.name, penalty.measure.normalize, penalty.measure.lipschitz) == (
        "wasserstein",
        "sphere",
        "spectral_norm",
    )
    layout = penalty.measure.layout
    assert dict(zip(layout.names, layout.dims, strict=True)) == {
        "fused": model.fused_dim,
        "modalities": sum(model.dims.values()),
    }
    assert penalty.schedule(18) < penalty.schedule(19) == 1.0
    assert any(p.shape[0] == 9 for p in penalty.parameters())


def test_no_measure_no_penalty_and_one_modality_no_measure(config: Config, fold: FoldData) -> None:
    model = build_model(fold.view.spec, config())
    assert build_penalty(model, config(), 4) is None
    model.dims = {"text": 8}
    with pytest.raises(InputError):
        build_penalty(model, config(penalty={"measure": "kl"}), 4)


@pytest.mark.parametrize(
    ("fusion", "options", "named"),
    [
        ("early", {"hidden": -1}, ["early", "negative dimension", "fusion_config"]),
        ("early", {"dropout": 1.5}, ["early", "between 0 and 1", "fusion_config"]),
    ],
)
def test_options_that_make_no_model_are_refused(fusion: str, options: Any, named: list[Any], fold: FoldData) -> None:
    with refused("out_of_range", *named):
        build_model(fold.view.spec, RunConfig(fusion=fusion, fusion_config=options))


def test_a_device_that_is_not_there_is_refused(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with refused("unavailable", "gpu"):
        require_device(config(accelerator="gpu").training)
    with refused("unsupported", "16-mixed"):
        require_device(config(precision="16-mixed", accelerator="auto").training)
    require_device(config().training)


def test_the_interrupt_of_a_user_reaches_the_caller(
    run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(TrainingLoop, "_validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(config(), folder=tmp_path)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers, "a second one works too"


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_run_that_is_terminated_in_mid_epoch_goes_on_from_there(
    accumulate: int, run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(penalty=PENALTIES["moving average"], accumulate=accumulate, max_epochs=4)
    undisturbed = run(options)
    whole, trained = TrainingLoop._train_batch, []

    def signalled(self: TrainingLoop, batch: Any, number: int, batches: int) -> bool:
        trained.append((self.state.epoch, number))
        if trained[-1] == (2, 1):
            signal.raise_signal(signal.SIGTERM)
        return whole(self, batch, number, batches)

    monkeypatch.setattr(TrainingLoop, "_train_batch", signalled)
    with pytest.raises(SystemExit) as leaving:
        run(options, folder=tmp_path)
    assert leaving.value.code == 143
    last = trained[-1]
    assert last == ((2, 1) if accumulate == 1 else (2, 2)), "gradients that are gathered are stepped on first"
    trained.clear()
    resumed = run(options, folder=tmp_path)
    assert trained[0] == (2, last[1] + 1)
    assert differing(resumed, undisturbed) == []
    assert resumed.history == undisturbed.history


@pytest.mark.parametrize("options", [{}, {"schedule": "linear"}, {"precision": "bf16-mixed"}], ids=str)
def test_a_fit_that_nobody_holds_leaves_no_weights_behind(
    options: dict[str, Any], run: Run, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even until Python next looks for objects that refer to each other: a language model is large."""
    build, models = fit_module.build_model, []

    def build_watched(*arguments: Any) -> Any:
        model = build(*arguments)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(fit_module, "build_model", build_watched)
    gc.disable()
    try:
        result = run(config(penalty={"measure": "kl"}, **options))
        assert models[0]() is result.model
        del result
        assert models[0]() is None
    finally:
        gc.enable()
