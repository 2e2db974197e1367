from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from refusals import refused

from comodal.contracts import InputError
from comodal.contracts.errors import Code
from comodal.contracts.option_names import CRITIC_NAMES, LIPSCHITZ_NAMES, NORMALIZATION_NAMES
from comodal.dependency import MEASURES, DependencyPenalty
from comodal.encoders import EncoderConfig
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.build_config import build_config
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig


@pytest.mark.parametrize("measure", ["none", *MEASURES])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_survives_a_yaml_file(fusion: str, measure: str) -> None:
    has_encoder = hasattr(fusion_family(fusion).config(), "encoder")
    nested = {"encoder": {"hidden": {"text": 3}, "kind": "lstm"}} if has_encoder else {}
    config = RunConfig(
        fusion=fusion,
        fusion_config={"dropout": 0.25, **nested},
        penalty=PenaltyConfig(measure=measure, weight=0.7, critic_hidden=(8, 4)),
        training=TrainingConfig(lr=3e-4, max_epochs=2, group_lr={"encoders": 1e-5}, schedule="linear"),
        seed=9,
    )
    assert config.build_fusion_config() != fusion_family(fusion).config()
    back = RunConfig.from_dict(yaml.safe_load(yaml.safe_dump(config.to_dict())))
    assert back.to_dict() == config.to_dict()
    assert back.penalty == config.penalty
    assert back.training == config.training
    assert back.build_fusion_config() == config.build_fusion_config()
    assert config.build_fusion_config().dropout == 0.25


def test_to_dict_writes_every_default_out() -> None:
    plain = RunConfig().to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["fusion_config"]["encoder"]["representation"] == EncoderConfig().representation
    assert plain["penalty"]["critic_hidden"] == list(PenaltyConfig().critic_hidden)


@pytest.mark.parametrize(
    ("values", "code", "named"),
    [
        ({"sede": 1}, "unknown_name", ["config", "sede", "seed"]),
        ({"training": {"lrr": 1.0}}, "unknown_name", ["config.training", "lrr", "lr"]),
        ({"penalty": {"wieght": 1.0}}, "unknown_name", ["config.penalty", "wieght", "weight"]),
        ({"fusion": "erly"}, "unknown_name", ["erly", "early"]),
        ({"fusion_config": {"hiden": 4}}, "unknown_name", ["early fusion", "hiden", "hidden"]),
        ({"fusion_config": {"encoder": {"droput": 0.1}}}, "unknown_name", ["early fusion.encoder", "droput"]),
        ({"fusion_config": {"rank": 4}}, "unknown_name", ["early fusion", "rank"]),
        ({"penalty": {"measure": "wassertein"}}, "unknown_name", ["wassertein", "wasserstein"]),
        ({"penalty": {"between": "modality"}}, "unknown_name", ["penalty.between", "modality", "modalities"]),
        ({"penalty": {"critic": "join"}}, "unknown_name", ["join", "joint"]),
        ({"penalty": {"normalize": "lyer"}}, "unknown_name", ["lyer", "layer"]),
        ({"penalty": {"lipschitz": "spectral"}}, "unknown_name", ["spectral", "spectral_norm"]),
        ({"training": {"task_loss": "l3"}}, "unknown_name", ["training.task_loss", "l3", "l1"]),
        ({"training": {"accelerator": "gpuu"}}, "unknown_name", ["training.accelerator", "gpuu", "gpu"]),
        ({"training": {"precision": "31-true"}}, "unknown_name", ["training.precision", "31-true", "32-true"]),
        ({"training": {"schedule": "linaer"}}, "unknown_name", ["training.schedule", "linaer", "linear"]),
        ({"training": {"accumulate": 0}}, "out_of_range", ["training.accumulate", 0]),
        ({"training": {"warmup_share": 1.0}}, "out_of_range", ["training.warmup_share", 1.0]),
        ({"training": {"group_lr": {"encoders": 0.0}}}, "out_of_range", ["training.group_lr", "encoders", 0.0]),
        ({"penalty": {"weight": -0.1}}, "out_of_range", ["penalty.weight", -0.1]),
        ({"penalty": {"measure": "kl", "weight": -0.1}}, "out_of_range", ["penalty.weight", -0.1, "upper bound"]),
        ({"penalty": {"measure": "club", "weight": float("-inf")}}, "out_of_range", ["penalty.weight", "-inf"]),
        ({"penalty": {"weight": float("nan")}}, "out_of_range", ["penalty.weight", "nan"]),
        ({"penalty": {"critic_steps": -1}}, "out_of_range", ["critic_steps", -1]),
        ({"penalty": {"critic_hidden": [8, 0]}}, "out_of_range", ["critic_hidden", 0]),
        ({"penalty": {"critic_lr": 0.0}}, "out_of_range", ["critic_lr", 0.0]),
        ({"penalty": {"warmup_epochs": -1}}, "out_of_range", ["penalty.warmup_epochs", -1]),
        ({"penalty": {"critic_steps": 0, "fresh_batches": True}}, "conflict", ["fresh_batches", "critic_steps"]),
        ({"training": {"lr": 0}}, "out_of_range", ["training.lr", 0]),
        ({"training": {"batch_size": -4}}, "out_of_range", ["training.batch_size", -4]),
        ({"training": {"max_epochs": 0}}, "out_of_range", ["training.max_epochs", 0]),
        ({"training": {"weight_decay": -1}}, "out_of_range", ["training.weight_decay", -1]),
        ({"training": {"gradient_clip": -1}}, "out_of_range", ["training.gradient_clip", -1]),
        ({"training": {"train_share": 0}}, "out_of_range", ["training.train_share", 0]),
        ({"training": {"train_share": 1.5}}, "out_of_range", ["training.train_share", 1.5]),
        ({"seed": -1}, "out_of_range", ["seed", -1]),
        ({"training": {"max_epochs": "many"}}, "wrong_type", ["config.training.max_epochs", "many"]),
        ({"training": {"lr": [1]}}, "wrong_type", ["config.training.lr", [1]]),
        ({"training": {"lr": True}}, "wrong_type", ["config.training.lr", True]),
        ({"training": {"augment": "noise"}}, "wrong_type", ["config.training.augment", "noise"]),
        ({"training": 3}, "wrong_type", ["config.training", 3]),
        ({"penalty": {"critic_hidden": [0.5]}}, "wrong_type", ["config.penalty.critic_hidden", 0.5]),
        ({"fusion_config": {"encoder": {"hidden": {"text": "x"}}}}, "wrong_type", ["encoder.hidden.text", "x"]),
        ({"seed": 0.5}, "wrong_type", ["config.seed", 0.5]),
        ({"seed": True}, "wrong_type", ["config.seed", True]),
    ],
)
def test_a_wrong_configuration_is_refused(values: dict[str, Any], code: Code, named: list[Any]) -> None:
    with refused(code, *named):
        RunConfig.from_dict(values)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_a_config_accepts_is_what_a_penalty_accepts(measure: str) -> None:
    """A config checks names and contradictions without building a critic: the penalty itself is the reference."""
    choices = itertools.product(NORMALIZATION_NAMES, LIPSCHITZ_NAMES, CRITIC_NAMES, [0, 1], [False, True])
    for normalize, lipschitz, critic, steps, fresh in choices:
        shared: dict[str, Any] = {"normalize": normalize, "lipschitz": lipschitz, "critic": critic}
        shared |= {"critic_steps": steps, "fresh_batches": fresh}
        others = {"critic_steps", "fresh_batches", *MEASURES[measure].options}
        assert accepted(PenaltyConfig, measure=measure, **shared) == accepted(
            DependencyPenalty, measure=measure, dims=[8, 8], **{k: v for k, v in shared.items() if k in others}
        ), shared


def accepted(make: Callable[..., Any], **options: Any) -> bool:
    try:
        make(**options)
    except InputError:
        return False
    return True


def test_numbers_may_be_written_as_yaml_reads_them() -> None:
    values = yaml.safe_load("{training: {lr: 1e-3, weight_decay: 1}, penalty: {critic_hidden: [8]}}")
    config = RunConfig.from_dict(values)
    assert config.training.lr == 1e-3
    assert isinstance(config.training.weight_decay, float)
    assert config.penalty.critic_hidden == (8,)


def test_nested_values_may_be_configs_already() -> None:
    config = build_config(RunConfig, {"training": TrainingConfig(lr=0.5), "seed": 3}, where="here")
    assert (config.training.lr, config.seed) == (0.5, 3)
    narrow = RunConfig(fusion_config={"encoder": EncoderConfig(hidden=3)})
    assert narrow.build_fusion_config().encoder.hidden == 3
    assert RunConfig.from_dict(narrow.to_dict()).build_fusion_config() == narrow.build_fusion_config()
