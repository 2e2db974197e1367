"""A folder that is handed on predicts as the run does, also through ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fusion_batches import spec_of
from refusals import refused
from tiny_language_models import save_tiny
from torch import nn

import comodal
from comodal.contracts import PredictionTable
from comodal.data.standardize import Standardizer
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.fitted_part import FittedPart
from comodal.evaluation.predictor import Predictor, load_model
from comodal.export.folder import export_model
from comodal.export.model_card import CardFacts, model_card
from comodal.export.onnx_file import TOLERANCE, Folds, largest_difference, write_onnx
from comodal.fusion import FUSIONS
from comodal.training.build import build_model
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

REFUSED = {"mfn", "graph_mfn"}
SLOW = {"mult": {"layers": 1, "self_layers": 1}}
"""The smallest of an architecture whose graph takes long to write."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=1))
    train(DataConfig(source="synthetic:redundant"), config, out=folder)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "model"
    found = export_model(run, folder, onnx=True)
    assert found.onnx_difference is not None
    assert found.onnx_difference <= TOLERANCE
    return folder


def predictor(fusion: str, folder: Path, *, seeds: tuple[int, ...] = (0,), steps: int = 6) -> Predictor:
    """Untrained models of toy data, with statistics that are far from 0 and 1."""
    options: dict[str, Any] = {**SLOW.get(fusion, {})}
    if FUSIONS[fusion].tokenizer:
        options["backbone"] = save_tiny(folder / "backbone")
    spec, rng = spec_of(fusion, 3, steps), np.random.default_rng(0)
    scale = Standardizer(
        {name: rng.normal(size=dim) * 10 for name, dim in spec.feature_dims.items()},
        {name: 1 + rng.random(dim) for name, dim in spec.feature_dims.items()},
    )
    configs = [RunConfig(fusion=fusion, fusion_config=options, seed=seed) for seed in seeds]
    return Predictor([FittedPart(config, spec, scale, build_model(spec, config).eval(), None) for config in configs])


def test_the_folder_predicts_as_the_run_does(run: Path, exported: Path) -> None:
    kept = PredictionTable.from_parquet(run / "predictions.parquet")
    model = comodal.load_model(exported)
    found = model.predict(model.read("synthetic:redundant", split="test"))
    np.testing.assert_array_equal(found.prediction, kept.prediction)
    np.testing.assert_array_equal(found.critic_score, kept.critic_score)
    with refused("conflict", exported):
        load_model(exported, arm="early/kl")


def test_the_onnx_file_predicts_as_the_run_does(run: Path, exported: Path) -> None:
    import onnxruntime

    kept = PredictionTable.from_parquet(run / "predictions.parquet")
    dataset = comodal.load_dataset("synthetic:redundant")
    test = dataset.subset(dataset.partitions[0].test)
    fed: dict[str, Any] = {}
    for name, array in test.modalities.items():
        fed |= {name: array.values[:, None], f"{name}_mask": np.ones((len(test), 1), dtype=bool)}
    found = onnxruntime.InferenceSession(exported / "model.onnx").run(["prediction"], fed)[0]
    np.testing.assert_allclose(found, kept.prediction, atol=TOLERANCE)
    fed["text_mask"] = np.zeros_like(fed["text_mask"])
    hidden = onnxruntime.InferenceSession(exported / "model.onnx").run(["prediction"], fed)[0]
    assert not np.allclose(hidden, kept.prediction, atol=TOLERANCE)
    model = load_model(exported)
    deaf = {name: array.values for name, array in test.modalities.items() if name != "text"}
    np.testing.assert_allclose(hidden, model.predict(deaf).prediction, atol=TOLERANCE)


def test_the_card_loads_the_model_in_three_lines(
    run: Path, exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (exported / "README.md").read_text()
    kept = json.loads((run / "metrics.json").read_text())
    (line,) = [line for line in card.splitlines() if line.startswith("| mae ")]
    values = [kept["mae"]["value"], *(kept["references"][name]["mae"] for name in ("constant", "linear"))]
    assert [line.split("|")[k].split()[0] for k in (2, 4, 5)] == [f"{value:.3f}" for value in values]
    monkeypatch.chdir(exported.parent)
    exec(card.split("```python\n")[1].split("```")[0], dict.fromkeys(("text", "audio", "vision"), np.zeros((2, 8))))
    assert len(capsys.readouterr().out.strip("[] \n").split()) == 2
    for fact in ("synthetic:redundant", "kl, weight 0.3", "mae", "licence", "torch 2", "model.onnx"):
        assert fact in card
    assert str(exported.parent) not in card + (exported / "config.json").read_text()


def test_metrics_are_those_of_the_run(run: Path, exported: Path) -> None:
    wanted = json.loads((run / "metrics.json").read_text())["mae"]
    assert json.loads((exported / "config.json").read_text())["metrics"]["mae"] == wanted


def test_nothing_is_overwritten(run: Path, exported: Path, tmp_path: Path) -> None:
    with refused("exists", exported):
        export_model(run, exported)
    (tmp_path / "precious.txt").write_text("mine")
    with refused("exists", tmp_path):
        export_model(run, tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    with refused("conflict", exported):
        export_model(exported, tmp_path / "again")


def test_force_replaces_a_model(run: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    export_model(run, target)
    (target / "stale.txt").write_text("old")
    found = export_model(run, target, force=True)
    assert sorted(found.files) == [
        "README.md",
        "config.json",
        "fold-0/model.safetensors",
        "fold-0/standardizer.safetensors",
    ]
    assert not (target / "stale.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("damage", ["{}", '{"kind": "comodal model"}'])
def test_a_damaged_folder_is_refused(exported: Path, tmp_path: Path, damage: str) -> None:
    (tmp_path / "config.json").write_text(damage)
    (tmp_path / "README.md").write_bytes((exported / "README.md").read_bytes())
    with refused(("missing", "damaged"), tmp_path):
        load_model(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("fusion", sorted(set(FUSIONS) - REFUSED))
def test_every_architecture_becomes_onnx(fusion: str, tmp_path: Path) -> None:
    seeds = (0, 1) if fusion == "early" else (0,)
    model = predictor(fusion, tmp_path, seeds=seeds)
    assert write_onnx(model, tmp_path / "model.onnx") <= TOLERANCE


def test_recurrent_encoders_become_onnx(tmp_path: Path) -> None:
    model = predictor("ef_lstm", tmp_path, steps=3)
    write_onnx(model, tmp_path / "model.onnx")
    other = predictor("ef_lstm", tmp_path, seeds=(5,), steps=3)
    assert largest_difference(Folds(other.parts), other.parts[0], tmp_path / "model.onnx") > TOLERANCE


@pytest.mark.parametrize("fusion", sorted(REFUSED))
def test_what_cannot_become_onnx_is_refused_in_one_line(fusion: str, tmp_path: Path) -> None:
    with refused("unsupported", fusion, "--onnx"):
        write_onnx(predictor(fusion, tmp_path), tmp_path / "model.onnx")


def test_a_file_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = predictor("early", tmp_path)
    monkeypatch.setattr("comodal.export.onnx_file.largest_difference", lambda *_: float("nan"))
    with refused("mismatch", "nan", 0.0001):
        write_onnx(model, tmp_path / "model.onnx")


def test_exporting_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = predictor("mult", tmp_path)
    before = [type(module) for module in model.parts[0].model.modules()]
    folds = Folds(model.parts)
    assert [type(module) for module in model.parts[0].model.modules()] == before
    assert isinstance(folds.models[0], nn.Module)
    assert all(torch.equal(a, b) for a, b in zip(model.parts[0].model.parameters(), folds.parameters(), strict=True))


def test_a_card_of_few_facts() -> None:
    card = model_card(CardFacts("m", "mag", "none", 0.0, "x", 3, 5, {"text": 0, "audio": 2}, {}, note="leaks"))
    assert "no dependency penalty" in card
    assert "5 models, one a fold" in card
    assert 'model.predict({"audio": audio}, transcript=transcript)' in card
    assert "leaks" in card
    assert "## Results" not in card


def test_the_note_of_the_data_is_in_the_card_of_a_comparison(tmp_path: Path) -> None:
    from comodal.evaluation.comparison import compare
    from comodal.evaluation.grid import CompareConfig

    base = RunConfig(training=TrainingConfig(max_epochs=1))
    config = CompareConfig(measures=("none",), seeds=2, selection_seeds=1, base=base)
    compare(DataConfig(source="synthetic:redundant"), config, out=tmp_path / "runs")
    rows = [{"note": "one seed; text leaks"}, {"note": "text leaks"}]
    (tmp_path / "runs" / "summary.json").write_text(json.dumps(rows))
    export_model(tmp_path / "runs", tmp_path / "model", arm="early/none")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "- Note of the data: text leaks\n" in card
    assert "one seed;" not in card
