"""Every published setting makes a model and an optimiser, and is refused for data that it is not for."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import yaml
from refusals import refused

from comodal.cli import main
from comodal.contracts import DatasetSpec
from comodal.evaluation.preflight import preflight
from comodal.fusion import fusion_family
from comodal.training.build import build_model
from comodal.training.build_config import build_config
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.optim import build_optimizer
from comodal.training.presets import load_preset, preset_names

SPEC = DatasetSpec(
    "toy", {"text": 300, "audio": 74, "vision": 35}, {"text": 50, "audio": 50, "vision": 50}, aligned=True
)


def config_of(name: str) -> RunConfig:
    run = load_preset(name).run
    training = build_config(TrainingConfig, run["training"], where=name)
    return RunConfig(fusion=run["fusion"], fusion_config=run["fusion_config"], training=training, preset=name)


@pytest.mark.parametrize("name", preset_names())
def test_it_is_a_run_of_its_architecture(name: str) -> None:
    config = config_of(name)
    assert RunConfig.from_dict(config.to_dict()) == RunConfig.from_dict(
        yaml.safe_load(yaml.safe_dump(config.to_dict()))
    )
    if fusion_family(config.fusion).tokenizer is None:
        model = build_model(SPEC, config)
        groups = build_optimizer(model, config.training).param_groups
        assert {group["lr"] for group in groups} == {config.training.lr}
        assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in model.parameters())


def test_numbers_of_a_source_are_those_of_the_model() -> None:
    """MMSA's config for MFN on MOSI: hidden 256/32/256, memory 400, update gate 32."""
    model = build_model(SPEC, config_of("mfn_mosi"))
    assert model.dims == {"text": 256, "audio": 32, "vision": 256}
    assert model.fused_dim == 256 + 32 + 256 + 400


@pytest.mark.parametrize("data", ["mosi", "mosei"])
@pytest.mark.parametrize("model", ["ef_lstm", "lfn", "mfn", "mult", "mag_bert", "mag_xlnet"])
def test_both_data_sets_have_one(model: str, data: str) -> None:
    preset = load_preset(f"{model}_{data}")
    assert preset.data == f"CMU-{data.upper()}"
    assert preset.source
    assert preset.differs


@pytest.mark.parametrize(("videos", "fits"), [(0, False), (31, True), (93, True), (94, False), (3228, False)])
def test_videos_tell_the_data(videos: int, fits: bool) -> None:
    preset = load_preset("mfn_mosi")
    if fits:
        preset.require(videos, source="file.pkl")
        return
    with refused("mismatch", "file.pkl", videos, "mfn_mosi", "CMU-MOSI"):
        preset.require(videos, source="file.pkl")


def test_other_data_are_refused_before_anything_is_trained(dataset: Any) -> None:
    preflight(dataset, RunConfig(preset="ef_lstm_mosi"))
    with refused("mismatch", "ef_lstm_mosei", "CMU-MOSEI"):
        preflight(dataset, RunConfig(preset="ef_lstm_mosei"))


def test_an_unknown_one_names_the_nearest() -> None:
    with refused("unknown_name", "mfn_moshi", "mfn_mosi"):
        RunConfig(preset="mfn_moshi")


def test_the_command_takes_it_and_keeps_its_name(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with torch.random.fork_rng():
        arguments = "train synthetic --config preset:mfn_mosei --training.max_epochs 1 --fusion mfn --json --out"
        assert main([*arguments.split(), str(tmp_path / "run")]) == 0
    assert json.loads(capsys.readouterr().out)["epochs"] == [1]
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["preset"] == "mfn_mosei"
    assert kept["fusion_config"]["memory"] == 128
    assert main(["train", "synthetic", "--config", "preset:mfn", "--out", str(tmp_path / "other")]) == 2
    assert "unknown preset 'mfn'" in capsys.readouterr().err
