"""The penalty of a Hugging Face ``Trainer`` trains as a loop of one's own that adds its term by hand."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from tests.support.refusals import refused
from tests.support.trainer_towers import OPTIONS, Counting, OwnLoss, Towers, attached, own_function, rows, trainer_of
from tests.support.two_processes import in_two_processes
from torch import nn
from transformers import CLIPConfig, CLIPModel, Trainer, TrainingArguments

from comodal import DependencyPenalty
from comodal.integrations.huggingface import attach_to_trainer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")]


@pytest.fixture(autouse=True)
def _fresh_accelerate(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accelerate keeps settings in the process and in the environment."""
    for name in ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_DYNAMO_MODE"):
        monkeypatch.setenv(name, "no")  # and so removed afterwards
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()
    yield
    for state in (AcceleratorState, GradientState, PartialState):
        state._reset_state()


WORKER = Path(__file__).with_name("huggingface_worker.py")


def by_hand(
    *, batch: int = 16, accumulate: int = 1, clip: float = 1.0, over: str = "batch", bf16: bool = False
) -> Towers:
    """The same training as a plain loop; the task loss is a mean over each batch or over all accumulated samples."""
    model = Towers()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    penalty = DependencyPenalty("kl", dims={"text": 8, "audio": 4}, **OPTIONS)
    batches = torch.utils.data.DataLoader(rows(), batch_size=batch)  # with 16 the last one has 8 samples
    for _ in range(2):
        listed = list(batches)
        for start in range(0, len(listed), accumulate):
            group = listed[start : start + accumulate]
            items = sum(len(each["labels"]) for each in group)
            for each in group:
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                    views = model.views(each["text"], each["audio"])
                    errors = (model.logits(views) - each["labels"]).square()
                penalty.update_critic(views)
                task = errors.sum() / items if over == "samples" else errors.mean() / len(group)
                (task + penalty(views) / len(group)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
    return model


def assert_equal(found: nn.Module, wanted: nn.Module) -> None:
    torch.testing.assert_close(dict(found.state_dict()), dict(wanted.state_dict()), rtol=1e-6, atol=1e-6)


KINDS: dict[str, tuple[tuple[Any, ...], str]] = {
    "plain": ((Towers, Trainer), "batch"),
    "counts items": ((Counting, Trainer), "samples"),
    "loss function": ((Towers, Trainer, own_function), "samples"),
    "own compute_loss": ((Towers, OwnLoss), "batch"),
}


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_train_is_the_loop_by_hand(kind: str, accumulate: int, tmp_path: Path) -> None:
    (model, *given), over = KINDS[kind]
    how = {"gradient_accumulation_steps": accumulate, "max_grad_norm": 0.3, "eval_strategy": "epoch"}
    trainer = trainer_of(tmp_path, model(), *given, **how)
    attached(trainer)
    trainer.train()
    assert_equal(trainer.model, by_hand(accumulate=accumulate, clip=0.3, over=over))


def test_in_bfloat16(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), bf16=True)
    attached(trainer)
    trainer.train()
    assert_equal(trainer.model, by_hand(bf16=True))


def test_a_compiled_model_trains_alike(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), torch_compile=True, torch_compile_backend="aot_eager")
    attached(trainer)
    trainer.train()
    assert_equal(trainer.model, by_hand())


def test_evaluation_has_no_term(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), num_train_epochs=1)
    each = attached(trainer)
    trainer.train()
    state = copy.deepcopy(each.penalty.state_dict())
    value = trainer.evaluate()["eval_loss"]
    batch = torch.utils.data.default_collate(rows(9))
    assert value == pytest.approx(trainer.model(**batch)["loss"].item())
    assert state["penalty._extra_state"]["step"] == each.penalty.penalty.step


def test_value_and_term_are_logged(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers())
    attached(trainer)
    attached(trainer, measure="f", name="mine")
    trainer.train()
    logs = [each for each in trainer.state.log_history if "loss" in each]
    assert len(logs) == 5
    for each in logs:
        assert each["penalty/kl"] == pytest.approx(-0.5 * each["dependency/kl"])
        assert each["penalty/mine"] == pytest.approx(-0.5 * each["dependency/mine"])


@pytest.mark.parametrize("named", [True, False], ids=["the last one", "by its folder"])
def test_training_resumes_exactly(named: bool, tmp_path: Path) -> None:
    whole = trainer_of(tmp_path / "whole", Towers(), save_strategy="steps", save_steps=4)
    first = attached(whole)
    whole.train()
    for later in (8, 10):
        shutil.rmtree(tmp_path / "whole" / f"checkpoint-{later}")
    again = trainer_of(tmp_path / "whole", Towers(), save_strategy="no")
    second = attached(again)
    again.train(resume_from_checkpoint=True if named else str(tmp_path / "whole" / "checkpoint-4"))
    assert torch.equal(whole.model.head.weight, again.model.head.weight)
    assert second.penalty.penalty.step == first.penalty.penalty.step == 10
    for one, two in zip(first.penalty.parameters(), second.penalty.parameters(), strict=True):
        assert torch.equal(one, two)


def test_without_the_penalty_s_state_it_would_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = trainer_of(tmp_path, Towers(), save_strategy="steps", save_steps=4)
    attached(whole)
    whole.train()
    (tmp_path / "checkpoint-4" / "dependency_kl.pt").unlink()
    again = trainer_of(tmp_path, Towers())
    attached(again)
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert not torch.equal(whole.model.head.weight, again.model.head.weight)
    assert "dependency_kl.pt" in caplog.text


def test_the_trainer_s_own_files_and_state_hold_nothing_of_it(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), save_strategy="epoch", save_only_model=True)
    attached(trainer)
    trainer.train()
    folder = tmp_path / "checkpoint-5"
    assert not list(folder.glob("dependency*"))
    assert "DependencyPenalty" not in json.dumps(json.loads((folder / "trainer_state.json").read_text()))
    assert set(trainer.model.state_dict()) == set(Towers().state_dict())


@pytest.mark.parametrize("fails", [False, True])
def test_trainer_and_model_are_left_as_they_were(fails: bool, tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), per_device_train_batch_size=1 if fails else 16)
    attached(trainer)
    with refused("out_of_range", 1) if fails else nullcontext():
        trainer.train()
    assert {"compute_loss", "log"} & set(vars(trainer)) == set()
    assert not any(each._forward_hooks for each in trainer.model.modules())


def test_mistakes_are_named(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers())
    attach_to_trainer(trainer, {"text": "text_towr", "audio": "audio_tower"})
    with refused("unknown_name", "text_towr", "text_tower"):
        trainer.train()


def test_a_mask_is_taken_from_the_inputs(tmp_path: Path) -> None:
    trainer = trainer_of(tmp_path, Towers(), OwnLoss)
    attached(trainer, mask=lambda inputs: {"typo": inputs["labels"] > 0})
    with refused("unknown_name", "typo", "text"):
        trainer.train()


def clip() -> CLIPModel:
    """A CLIP of two tiny random towers."""
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = size | {"vocab_size": 20, "max_position_embeddings": 6, "bos_token_id": 0, "eos_token_id": 2}
    vision = size | {"image_size": 8, "patch_size": 4}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))


def images(n: int = 12) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(3, 20, (n, 6), generator=generator)
    tokens[:, -1] = 2
    pixels = torch.randn(n, 3, 8, 8, generator=generator)
    return [{"input_ids": i, "pixel_values": p, "return_loss": True} for i, p in zip(tokens, pixels, strict=True)]


@pytest.mark.parametrize(
    ("layers", "pool"),
    [
        ({"text": "text_projection", "image": "visual_projection"}, "mean"),
        ({"text": "text_model", "image": "vision_model"}, lambda output: output.pooler_output),
        ({"text": "text_model.encoder", "image": "vision_model.encoder"}, lambda output: output[0].mean(dim=1)),
    ],
)
def test_a_model_of_two_towers(layers: dict[str, str], pool: Any, tmp_path: Path) -> None:
    model = clip()
    before = copy.deepcopy(model.state_dict())
    settings = TrainingArguments(str(tmp_path), max_steps=2, report_to="none", use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model, settings, train_dataset=images(), data_collator=collate)
    each = attach_to_trainer(trainer, layers, measure="kl", pool=pool, weight=0.1)
    trainer.train()
    assert each.penalty.penalty.step == 2
    assert not torch.equal(before["text_projection.weight"], model.text_projection.weight)


def test_checkpointed_activations_train_alike(tmp_path: Path) -> None:
    weights = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model, quiet = clip(), {"report_to": "none", "use_cpu": True, "disable_tqdm": True}
        settings = TrainingArguments(str(tmp_path), max_steps=3, activation_checkpointing=checkpointed, **quiet)
        trainer = Trainer(model, settings, train_dataset=images(), data_collator=collate)
        layers = {"text": "text_model.encoder.layers.0", "image": "vision_model.encoder.layers.0"}
        attach_to_trainer(
            trainer, layers, weight=0.5, pool=lambda output: output[0] if output.__class__ is tuple else output
        )
        trainer.train()
        weights.append(torch.nn.utils.parameters_to_vector(model.parameters()))
    torch.testing.assert_close(*weights)


def collate(given: list[dict[str, Any]]) -> dict[str, Any]:
    stacked = {name: torch.stack([each[name] for each in given]) for name in ("input_ids", "pixel_values")}
    return {**stacked, "return_loss": True}


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Of every 24 samples each process has 12; the gradient is that of all of them."""
    in_two_processes(str(WORKER), str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    for name, value in by_hand(batch=24).state_dict().items():
        torch.testing.assert_close(first[name], value, rtol=1e-5, atol=1e-5)
