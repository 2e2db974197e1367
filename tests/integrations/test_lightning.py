"""The Lightning callback trains as a loop of one's own that adds the penalty's term by hand."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tests.support.lightning_fusion import LAYERS, OPTIONS, Fusion, callback, loader, module_of, trainer_of
from tests.support.refusals import refused
from tests.support.two_processes import in_two_processes
from torch import Tensor, nn

from comodal import DependencyPenalty
from comodal.integrations.lightning import DependencyCallback

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice on workers, logging and hardware
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:lightning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pytorch_lightning"),
]

WORKER = Path(__file__).with_name("lightning_worker.py")


def by_hand(
    batches: Sequence[list[Tensor]] | None = None,
    *,
    accumulate: int = 1,
    clip: float | None = None,
    precision: str = "32-true",
) -> Fusion:
    """The same training as a plain loop."""
    batches = batches or list(loader())
    torch.manual_seed(0)
    model = Fusion()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    penalty = DependencyPenalty("kl", dims={"text": 8, "audio": 4}, **OPTIONS)
    for _ in range(2):
        for index, (text, audio, label) in enumerate(batches):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16-mixed"):
                views = model.views(text, audio)
                penalty.update_critic(views)
                loss = model.loss(views, label) + penalty(views)
            (loss / accumulate).backward()
            if (index + 1) % accumulate == 0 or index + 1 == len(batches):
                if clip:
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
    return model


def assert_equal(found: nn.Module, wanted: nn.Module) -> None:
    torch.testing.assert_close(found.state_dict(), wanted.state_dict(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"accumulate_grad_batches": 2, "gradient_clip_val": 0.3},  # 5 batches: the last one is alone
        {"precision": "bf16-mixed"},
    ],
    ids=str,
)
def test_fit_is_the_loop_by_hand(package: str, how: dict[str, Any], tmp_path: Path) -> None:
    pl = importlib.import_module(package)
    module = module_of(pl)
    trainer_of(pl, tmp_path, callback(), **how).fit(module, loader(), loader(30))  # validation in between
    names = {"accumulate_grad_batches": "accumulate", "gradient_clip_val": "clip"}
    assert_equal(module.fusion, by_hand(**{names.get(name, name): value for name, value in how.items()}))


@pytest.fixture(scope="module")
def pl() -> ModuleType:
    return importlib.import_module("lightning.pytorch")


def test_a_step_may_return_a_dict(pl: ModuleType, tmp_path: Path) -> None:
    module = module_of(pl, returns="dict")
    trainer_of(pl, tmp_path, callback()).fit(module, loader())
    assert_equal(module.fusion, by_hand())


def test_a_skipped_step_has_no_term(pl: ModuleType, tmp_path: Path) -> None:
    each = callback()
    trainer_of(pl, tmp_path, each).fit(module_of(pl, returns="some"), loader())
    assert each.penalty.penalty.step == 8  # 2 epochs of 5 batches, of which one is skipped


def test_a_compiled_module_trains_alike(pl: ModuleType, tmp_path: Path) -> None:
    module = module_of(pl, returns="compiled")
    trainer_of(pl, tmp_path, callback()).fit(torch.compile(module, backend="aot_eager"), loader())
    assert_equal(module.fusion, by_hand())


def test_value_and_term_are_logged(pl: ModuleType, tmp_path: Path) -> None:
    trainer = trainer_of(pl, tmp_path, callback(), callback(measure="f", name="mine"))
    trainer.fit(module_of(pl), loader())
    seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert {"dependency/kl", "penalty/kl", "dependency/mine", "penalty/mine", "train_loss"} <= set(seen)
    assert seen["penalty/kl"] == pytest.approx(-0.5 * seen["dependency/kl"])


def resumed(pl: ModuleType, folder: Path, spoil: Any = None) -> Any:
    """Fit one epoch, then go on from its checkpoint in a new module with a new callback."""
    first = trainer_of(pl, folder, callback(), max_epochs=1)
    first.fit(module_of(pl), loader())
    first.save_checkpoint(folder / "one.ckpt")
    content = torch.load(folder / "one.ckpt", weights_only=True)  # nothing in it needs trust
    if spoil:
        spoil(content)
        torch.save(content, folder / "one.ckpt")
    module = module_of(pl)
    each = callback()
    trainer_of(pl, folder, each).fit(module, loader(), ckpt_path=folder / "one.ckpt", weights_only=True)
    return module, each


def test_training_resumes_exactly(pl: ModuleType, tmp_path: Path) -> None:
    whole, each = module_of(pl), callback()
    trainer_of(pl, tmp_path, each).fit(whole, loader())
    again, other = resumed(pl, tmp_path)
    assert torch.equal(whole.fusion.head.weight, again.fusion.head.weight)
    state, wanted = other.state_dict()["penalty"], each.state_dict()["penalty"]
    assert state["penalty._extra_state"]["step"] == 10
    critic = [name for name in wanted if name.endswith("weight")]
    assert all(torch.equal(state[name], wanted[name]) for name in critic)
    assert critic


def test_without_the_penalty_s_state_it_would_not(pl: ModuleType, tmp_path: Path) -> None:
    whole = module_of(pl)
    trainer_of(pl, tmp_path, callback()).fit(whole, loader())
    again, _ = resumed(pl, tmp_path, lambda content: content["callbacks"].clear())
    assert not torch.equal(whole.fusion.head.weight, again.fusion.head.weight)


def test_a_state_that_a_test_loaded_is_not_that_of_the_next_fit(pl: ModuleType, tmp_path: Path) -> None:
    module, each = module_of(pl), callback()
    trainer = trainer_of(pl, tmp_path, each)
    trainer.fit(module, loader())
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    trainer.validate(module, loader(), ckpt_path=tmp_path / "two.ckpt", weights_only=True, verbose=False)
    trainer_of(pl, tmp_path, each).fit(module_of(pl), loader())
    assert each.penalty.penalty.step == 10


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_was(fails: bool, pl: ModuleType, tmp_path: Path) -> None:
    module = module_of(pl)
    with refused("out_of_range", 1) if fails else nullcontext():
        trainer_of(pl, tmp_path, callback()).fit(module, loader(1 if fails else 16))
    assert "training_step" not in vars(module)
    assert not any(each._forward_hooks for each in module.modules())
    copy.deepcopy(module)


def test_mistakes_are_named_when_fit_starts(pl: ModuleType, tmp_path: Path) -> None:
    module = module_of(pl)
    wrong = DependencyCallback(LAYERS | {"text": "fusion.encoders.txt"})
    with refused("unknown_name", "fusion.encoders.txt", "fusion.encoders.text"):
        trainer_of(pl, tmp_path, wrong).fit(module, loader())
    module.automatic_optimization = False
    with refused("unsupported", "Module", "comodal.attach"):
        trainer_of(pl, tmp_path, callback()).fit(module, loader())


def test_a_mask_is_taken_from_the_batch(pl: ModuleType, tmp_path: Path) -> None:
    seen = []

    def mask(batch: list[Tensor]) -> dict[str, Tensor]:
        seen.append(batch[0].shape)
        return {"typo": batch[0] > 0}

    with refused("unknown_name", "typo", "text"):
        trainer_of(pl, tmp_path, callback(mask=mask)).fit(module_of(pl), loader())
    assert seen == [(16, 5)]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Each process has every second sample of a batch of 24; the gradient is that of all of them."""
    in_two_processes(str(WORKER), str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    batches = [[torch.cat([each[::2], each[1::2]]) for each in batch] for batch in loader(24)]
    wanted = by_hand(batches).state_dict()
    found = {name.removeprefix("fusion."): value for name, value in first.items() if name.startswith("fusion.")}
    torch.testing.assert_close(found, dict(wanted), rtol=1e-5, atol=1e-5)
