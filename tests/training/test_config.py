from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from comodal.contracts import InputError
from comodal.dependency import MEASURES
from comodal.encoders import EncoderConfig
from comodal.fusion import FUSIONS, fusion_family
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig, build_config


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
    ("values", "message"),
    [
        ({"sede": 1}, r"config: unknown key 'sede': did you mean 'seed'\?"),
        ({"training": {"lrr": 1.0}}, r"config.training: unknown key 'lrr': did you mean 'lr'\?"),
        ({"penalty": {"wieght": 1.0}}, r"config.penalty: unknown key 'wieght': did you mean 'weight'\?"),
        ({"fusion": "erly"}, r"unknown fusion 'erly': did you mean 'early'\?"),
        ({"fusion_config": {"hiden": 4}}, r"early fusion: unknown key 'hiden': did you mean 'hidden'\?"),
        (
            {"fusion_config": {"encoder": {"droput": 0.1}}},
            r"early fusion.encoder: unknown key 'droput': did you mean 'dropout'\?",
        ),
        ({"fusion_config": {"rank": 4}}, "early fusion: unknown key 'rank'"),
        ({"penalty": {"measure": "wassertein"}}, r"unknown measure 'wassertein': did you mean 'wasserstein'\?"),
        ({"penalty": {"weight": -0.1}}, "weight=-0.1: give 0 or more"),
        ({"penalty": {"weight": float("nan")}}, "weight=nan: give 0 or more"),
        ({"penalty": {"between": "modality"}}, r"unknown penalty.between 'modality': did you mean 'modalities'\?"),
        ({"penalty": {"critic": "join"}}, r"unknown critic 'join': did you mean 'joint'\?"),
        ({"penalty": {"critic_steps": -1}}, "critic_steps=-1"),
        ({"penalty": {"critic_steps": 0, "fresh_batches": True}}, "fresh_batches=True needs critic_steps"),
        ({"penalty": {"normalize": "lyer"}}, r"unknown .*'lyer': did you mean 'layer'\?"),
        ({"penalty": {"measure": "wasserstein", "normalize": "none"}}, "normali"),
        ({"penalty": {"measure": "wasserstein", "lipschitz": "spectral"}}, "spectral"),
        ({"penalty": {"critic_lr": 0.0}}, "critic_lr=0.0"),
        ({"penalty": {"warmup_epochs": -1}}, "penalty.warmup_epochs is -1: give a number that is not negative"),
        ({"training": {"lr": 0}}, "training.lr is 0.*: give a positive number"),
        ({"training": {"batch_size": -4}}, "training.batch_size is -4: give a positive number"),
        ({"training": {"max_epochs": 0}}, "training.max_epochs is 0: give a positive number"),
        ({"training": {"weight_decay": -1}}, "training.weight_decay is -1.*: give a number that is not negative"),
        ({"training": {"gradient_clip": -1}}, "training.gradient_clip is -1.*: give a number that is not negative"),
        ({"training": {"train_share": 0}}, r"training.train_share is 0.*: give a share in \(0, 1\]"),
        ({"training": {"train_share": 1.5}}, r"training.train_share is 1.5: give a share in \(0, 1\]"),
        ({"training": {"task_loss": "l3"}}, r"unknown training.task_loss 'l3': did you mean 'l1'\?"),
        ({"training": {"max_epochs": "many"}}, "config: .*max_epochs.*many"),
        ({"seed": -1}, "seed is -1: give a number that is not negative"),
        ({"seed": 0.5}, "config: .*seed"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        RunConfig.from_dict(values)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("weight", [0, 0.0, 1e-9, 5])
def test_a_weight_of_zero_or_more_is_legal(weight: float) -> None:
    assert PenaltyConfig(measure="kl", weight=weight).weight == weight


def test_nested_values_may_be_configs_already() -> None:
    config = build_config(RunConfig, {"training": TrainingConfig(lr=0.5), "seed": 3}, where="here")
    assert (config.training.lr, config.seed) == (0.5, 3)
    narrow = RunConfig(fusion_config={"encoder": EncoderConfig(hidden=3)})
    assert narrow.build_fusion_config().encoder.hidden == 3
    assert RunConfig.from_dict(narrow.to_dict()).build_fusion_config() == narrow.build_fusion_config()
