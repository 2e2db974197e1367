"""Augmentation: of training batches alone, by a chance that is the seed's, the epoch's and the batch's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from refusals import refused

from comodal.contracts import MultimodalBatch
from comodal.data.corruptions import Corruption, corrupt
from comodal.evaluation.comparison import compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import Arm, CompareConfig, Trial
from comodal.evaluation.runs import open_runs
from comodal.training import fit as fit_module
from comodal.training.augment import Augmentation, of_one_modality
from comodal.training.config import RunConfig
from comodal.training.data import FoldData
from comodal.training.fit import FitResult
from comodal.training.streams import stream_seed
from comodal.training.weights import copy_weights

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]
HARM = ("noise:audio=0.5", "drop:vision=0.3", "swap:text=0.2")
PENALTIES: dict[str, dict[str, Any]] = {
    "none": {},
    "kl": {"measure": "kl"},
    "fresh batches": {"measure": "f", "critic_steps": 2, "fresh_batches": True},
}


def differing(one: FitResult, two: FitResult) -> list[str]:
    a, b = (copy_weights(each.model, each.penalty) for each in (one, two))
    return [name for name in a if not torch.equal(a[name], b[name])]


@pytest.fixture
def seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunConfig], list[tuple[bool, bool, MultimodalBatch]]]:
    """Batches that the model of a run gets: whether it is being trained, whether a gradient is wanted, the batch."""
    build = fit_module.build_model

    def fit(config: RunConfig) -> list[tuple[bool, bool, MultimodalBatch]]:
        batches: list[tuple[bool, bool, MultimodalBatch]] = []

        def note(module: torch.nn.Module, inputs: Any) -> None:
            batches.append((module.training, torch.is_grad_enabled(), inputs[0]))

        def build_noted(*arguments: Any) -> Any:
            model = build(*arguments)
            model.register_forward_pre_hook(note)
            return model

        monkeypatch.setattr(fit_module, "build_model", build_noted)
        run(config)
        return batches

    return fit


def clean(fold: FoldData, batch: MultimodalBatch) -> MultimodalBatch:
    rows = {name: row for row, name in enumerate(fold.view[range(len(fold.view))].id)}
    return fold.view[[rows[name] for name in batch.id]]


def same(one: MultimodalBatch, two: MultimodalBatch) -> bool:
    pairs = zip(one.modalities.values(), two.modalities.values(), strict=True)
    return one.id == two.id and all(torch.equal(a, b) for x, y in pairs for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_training_batches_are_corrupted_and_no_other(
    penalty: str, seen: Callable[..., Any], fold: FoldData, config: Config
) -> None:
    options = config(penalty=PENALTIES[penalty], max_epochs=2, augment=HARM)
    batches = seen(options)
    trained, validated = [b for is_trained, _, b in batches if is_trained], [b for t, _, b in batches if not t]
    assert len(trained) == 2 * 4 * (3 if penalty == "fresh batches" else 1)
    assert len(validated) == 2
    assert all(same(batch, clean(fold, batch)) for batch in validated)
    assert not any(same(batch, clean(fold, batch)) for batch in trained)


def test_they_are_the_acts_that_robustness_uses(seen: Callable[..., Any], fold: FoldData, config: Config) -> None:
    options = config(max_epochs=1, augment=HARM, seed=5)
    augment = Augmentation.of(fold.view.spec, options)
    assert augment.corruptions == (
        Corruption("noise", "audio", 0.5),
        Corruption("drop", "vision", 0.3),
        Corruption("swap", "text", 0.2),
    )
    first = next(batch for trained, _, batch in seen(options) if trained)
    seed = stream_seed(5, "augment", 0)
    expected = corrupt(clean(fold, first), augment.corruptions, torch.Generator().manual_seed(seed))
    assert same(first, expected)


def test_every_batch_has_a_chance_of_its_own(fold: FoldData, config: Config) -> None:
    augment = Augmentation.of(fold.view.spec, config(augment=HARM))
    few = fold.view[range(16)]
    one = augment(few, purpose="augment", position=3)
    assert same(one, augment(few, purpose="augment", position=3))
    assert not same(one, augment(few, purpose="augment", position=4))
    assert not same(one, augment(few, purpose="critic augment", position=3))
    assert not same(one, dataclasses.replace(augment, seed=1)(few, purpose="augment", position=3))


def test_with_and_without_a_penalty_the_model_is_trained_on_the_same(seen: Callable[..., Any], config: Config) -> None:
    plain, *others = (
        [batch for trained, gradient, batch in seen(config(penalty=penalty, augment=HARM)) if trained and gradient]
        for penalty in PENALTIES.values()
    )
    assert len(plain) == 12
    for batches in others:
        assert all(same(one, two) for one, two in zip(plain, batches, strict=True))


def test_severity_zero_is_no_augmentation_to_the_last_bit(run: Run, config: Config) -> None:
    plain = run(config())
    assert differing(plain, run(config(augment=("noise:audio=0", "drop:vision=0", "swap:text=0")))) == []
    assert differing(plain, run(config(augment=("noise:audio=0.1", "drop:vision=0", "swap:text=0"))))


def test_survives_a_yaml_file_and_none_is_not_written(config: Config) -> None:
    written = config(augment=HARM).to_dict()
    assert RunConfig.from_dict(yaml.safe_load(yaml.safe_dump(written))).training.augment == HARM
    assert "augment" not in config().to_dict()["training"], "folders from before there was any must go on"
    assert RunConfig.from_dict(config().to_dict()).training.augment == ()


def test_what_makes_no_sense_for_the_data_is_refused_before_training(run: Run, config: Config) -> None:
    with refused("unknown_name", "audoi", "audio"):
        run(config(augment=("noise:audoi=0.5",)))
    with refused("unsupported", "frames:audio=0.5", "drop, noise, swap"):
        run(config(augment=("frames:audio=0.5",)))
    with refused("unknown_name", "training.augment", "nose", "noise"):
        config(augment=("nose:audio=0.5",))


def test_an_arm_of_one_modality_is_spared_what_is_done_to_the_others(config: Config) -> None:
    base = config(augment=HARM)
    assert of_one_modality(base.training, "audio").augment == ("noise:audio=0.5",)
    alone = Trial(Arm("early", "none", "text"), 0.0, 0, 0, reads_test=True).config(base)
    assert alone.training == dataclasses.replace(base.training, augment=("swap:text=0.2",))
    assert Trial(Arm("early"), 0.0, 0, 0, reads_test=True).config(base).training == base.training


def test_a_comparison_is_trained_with_it_and_opened_again(tmp_path: Path, config: Config) -> None:
    base = config(max_epochs=1, batch_size=256, augment=("noise:audio=0.5", "drop:vision=0.3"))
    grid = CompareConfig(fusions=("early",), measures=("none",), weight=1.0, seeds=2, selection_seeds=1, base=base)
    compare(DataConfig(source="synthetic:redundant"), grid, out=tmp_path / "c")
    opened = {run.arm.label: run.configs[0].training.augment for run in open_runs(tmp_path / "c").runs}
    single = next(label for label in opened if ":" in label)
    assert opened["early"] == base.training.augment
    assert opened[single] == of_one_modality(base.training, single.split(":")[1]).augment
