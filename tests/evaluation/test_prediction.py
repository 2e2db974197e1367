"""Prediction on new data: the same numbers as the run's own, whatever the data come in and whatever they lack."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from refusals import refused
from small_tokenizers import bert_like
from tiny_language_models import save_tiny

from comodal.contracts import PredictionTable
from comodal.contracts.errors import Code
from comodal.data.arrays import of_arrays
from comodal.data.collate import batch
from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.data.standardize import Standardizer
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.predictor import Predictor, load_model
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

SHORT = TrainingConfig(max_epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(fusion="lfn", penalty=PenaltyConfig(measure="kl"), training=SHORT)
    train(DataConfig(source="synthetic:redundant"), config, out=folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Predictor:
    return load_model(folder)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load("synthetic:redundant")


@pytest.fixture(scope="module")
def kept(folder: Path) -> PredictionTable:
    return PredictionTable.from_parquet(folder / "predictions.parquet")


def arrays(dataset: Dataset) -> dict[str, np.ndarray[Any, Any]]:
    return {name: array.values for name, array in dataset.modalities.items()}


def test_the_test_part_gets_the_predictions_of_the_run_bit_for_bit(model: Predictor, kept: PredictionTable) -> None:
    found = model.predict(model.read("synthetic:redundant", split="test"))
    assert found.id.tolist() == kept.id.tolist()
    np.testing.assert_array_equal(found.prediction, kept.prediction)
    np.testing.assert_array_equal(found.critic_score, kept.critic_score)
    np.testing.assert_array_equal(found.target, kept.target)
    assert np.isnan(found.prediction_std).all(), "one fold has no spread"
    assert found.notes == ()


def test_other_statistics_are_noticed(folder: Path, kept: PredictionTable, tmp_path: Path) -> None:
    for name in ("config.yaml", "metrics.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = next(folder.glob("*/weights.safetensors"))
    part = tmp_path / weights.parent.name
    part.mkdir()
    (part / weights.name).write_bytes(weights.read_bytes())
    own = Standardizer.load(weights.parent / "standardizer.safetensors")
    other = dataclasses.replace(own, mean={name: mean + 1.0 for name, mean in own.mean.items()})
    other.save(part / "standardizer.safetensors")
    model = load_model(tmp_path)
    found = model.predict(model.read("synthetic:redundant", split="test"))
    assert not np.allclose(found.prediction, kept.prediction)


def test_arrays_a_batch_and_a_data_set_say_the_same(model: Predictor, dataset: Dataset, kept: PredictionTable) -> None:
    test = dataset.subset(dataset.partitions[0].test)
    for given in (test, arrays(test), batch(test, range(len(test)))):
        np.testing.assert_allclose(model.predict(given).prediction, kept.prediction, atol=1e-6)
    assert model.predict(batch(test, range(3))).id.tolist() == test.id[:3].tolist()


def test_what_is_not_known_is_nan_and_needs_no_label(model: Predictor, dataset: Dataset) -> None:
    found = model.predict(arrays(dataset), id=dataset.id)
    assert np.isnan(found.target).all()
    assert np.isfinite(found.prediction).all()
    assert found.id.tolist() == dataset.id.tolist()


def test_a_modality_that_is_missing_is_hidden(model: Predictor, dataset: Dataset, kept: PredictionTable) -> None:
    test = dataset.subset(dataset.partitions[0].test)
    blind = {name: values for name, values in arrays(test).items() if name != "vision"}
    found = model.predict(blind)
    assert found.notes == ("vision: not in arrays, hidden",)
    assert set(found.modalities.tolist()) == {"text+audio"}
    assert np.isnan(found.critic_score).all(), "no joint sample without vision"
    # Independent: the same rows with a mask that is all false, through the model itself.
    part = model.parts[0]
    scaled = part.standardizer.transform(test)
    whole = batch(scaled, range(len(test)))
    hidden = whole.modalities["vision"]
    masked = hidden._replace(values=torch.zeros_like(hidden.values), mask=torch.zeros_like(hidden.mask))
    with torch.inference_mode():
        wanted = part.model(
            dataclasses.replace(whole, modalities={**whole.modalities, "vision": masked})
        ).logits.squeeze(1)
    np.testing.assert_allclose(found.prediction, wanted.numpy(), atol=1e-6)
    assert not np.allclose(found.prediction, kept.prediction)


def test_a_modality_that_the_model_does_not_know_is_left_out(model: Predictor, dataset: Dataset) -> None:
    found = model.predict({**arrays(dataset), "smell": np.zeros((len(dataset), 2))})
    assert found.notes == ("smell: not known to the model, left out",)
    np.testing.assert_array_equal(found.prediction, model.predict(arrays(dataset)).prediction)


def test_samples_of_nothing_are_told(model: Predictor) -> None:
    rows = [np.zeros((1, model.dims["text"])), np.zeros((0, model.dims["text"]))]
    found = model.predict({"text": rows})
    assert found.modalities.tolist() == ["text", ""]
    assert any("1 samples have none of the modalities" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "code", "named"),
    [
        ({"text": np.zeros((2, 5))}, "wrong_shape", ["text", 5, 8]),
        ({"smell": np.zeros((2, 5))}, "missing", ["arrays", "text, audio, vision"]),
        ({"text": [[np.nan] * 7 + [0.0]] * 2}, "not_finite", ["text", 14]),
    ],
)
def test_unsuitable_features_are_refused(model: Predictor, given: dict[str, Any], code: Code, named: list[Any]) -> None:
    with refused(code, *named):
        model.predict(given)


def test_the_features_of_training_are_named_where_others_are_given(tmp_path: Path) -> None:
    data = DataConfig(source="synthetic:redundant", features={"sound": "audio", "face": "vision"})
    train(data, RunConfig(training=SHORT), out=tmp_path / "chosen")
    with refused("wrong_shape", "--features sound=audio,face=vision"):
        load_model(tmp_path / "chosen").predict({"sound": np.zeros((2, 5))})


def test_cleaning_takes_the_mean_of_the_training_part(model: Predictor) -> None:
    mean = model.parts[0].standardizer.mean["text"]
    broken = np.full((1, 8), np.inf)
    found = model.predict({"text": broken}, clean=True)
    np.testing.assert_allclose(found.prediction, model.predict({"text": mean[None]}).prediction, atol=1e-6)
    assert any("were not finite" in note for note in found.notes)


def test_a_table_without_labels(model: Predictor, dataset: Dataset, kept: PredictionTable, tmp_path: Path) -> None:
    test = dataset.subset(dataset.partitions[0].test)
    ids = [f"clip-{k}" for k in range(len(test))]
    (tmp_path / "samples.csv").write_text("\n".join(["id", *ids]) + "\n")
    for name, values in arrays(test).items():
        np.savez(tmp_path / f"{name}.npz", id=np.array(ids), values=values)
    found = model.predict(model.read(tmp_path))
    assert found.id.tolist() == ids
    np.testing.assert_allclose(found.prediction, kept.prediction, atol=1e-6)
    with refused("missing", "label"):
        load(tmp_path)  # to train on it is still an error


def test_an_npz_of_arrays(model: Predictor, dataset: Dataset, kept: PredictionTable, tmp_path: Path) -> None:
    test = dataset.subset(dataset.partitions[0].test)
    padded = {name: np.repeat(values[:, None], 2, axis=1) for name, values in arrays(test).items()}
    for values in padded.values():
        values[:, 1] = 1e3  # padding that would be seen
    lengths = {f"{name}_lengths": np.ones(len(test), dtype=int) for name in padded}
    np.savez(tmp_path / "new.npz", **padded, **lengths, id=test.id)
    found = model.predict(model.read(tmp_path / "new.npz"))
    assert found.id.tolist() == test.id.tolist()
    np.testing.assert_allclose(found.prediction, kept.prediction, atol=1e-6)
    np.savez(tmp_path / "new.npz", **padded, id=test.id)
    assert not np.allclose(model.predict(model.read(tmp_path / "new.npz")).prediction, kept.prediction)


def test_splits_that_are_not_told_are_refused(model: Predictor, dataset: Dataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "new.npz", **arrays(dataset))
    with refused("missing", "new.npz"):
        model.read(tmp_path / "new.npz", split="test")
    with refused("unknown_name", "tets", "test"):
        model.read("synthetic:redundant", split="tets")


def test_several_folds_are_averaged(model: Predictor, dataset: Dataset, tmp_path: Path) -> None:
    config = RunConfig(fusion="lfn", penalty=PenaltyConfig(measure="kl"), training=SHORT, seed=1)
    train(DataConfig(source="synthetic:redundant"), config, out=tmp_path / "other")
    both = Predictor([*model.parts, *load_model(tmp_path / "other").parts])
    found = both.predict(arrays(dataset))
    one, two = (each.predict(arrays(dataset)) for each in (model, load_model(tmp_path / "other")))
    np.testing.assert_allclose(found.prediction, (one.prediction + two.prediction) / 2, atol=1e-6)
    spread = np.abs(one.prediction - two.prediction) / math.sqrt(2)  # of two values, by hand
    np.testing.assert_allclose(found.prediction_std, spread, atol=1e-6)
    assert spread.max() > 1e-3
    np.testing.assert_allclose(found.critic_score, (one.critic_score + two.critic_score) / 2, atol=1e-5)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_files_hold_the_table(model: Predictor, dataset: Dataset, tmp_path: Path, ending: str) -> None:
    found = model.predict({"text": arrays(dataset)["text"][:3]}, id=["a", "ب", '<b>"x",y'])
    file = tmp_path / f"out.{ending}"
    found.write(file)
    if ending == "csv":
        with file.open(encoding="utf-8", newline="") as opened:
            rows = [{key: value or None for key, value in row.items()} for row in csv.DictReader(opened)]
    else:
        rows = json.loads(file.read_text()) if ending == "json" else pq.read_table(file).to_pylist()
    assert [row["id"] for row in rows] == ["a", "ب", '<b>"x",y']
    np.testing.assert_allclose([float(row["prediction"]) for row in rows], found.prediction, atol=1e-6)
    assert {row["target"] for row in rows} == {row["critic_score"] for row in rows} == {None}
    with refused("exists", file):
        found.write(file)
    found.write(file, force=True)
    with refused("unsupported", "out.xls", ".csv"):
        found.write(tmp_path / "out.xls")


def test_unknown_values_of_several_outputs_are_empty_cells(model: Predictor, dataset: Dataset, tmp_path: Path) -> None:
    found = model.predict({"text": arrays(dataset)["text"][:2]})
    pairs, unknown = np.array([[1.5, 2.0], [3.0, 4.0]], np.float32), np.full((2, 2), np.nan, np.float32)
    several = dataclasses.replace(found, prediction=pairs, prediction_std=unknown, target=pairs)
    several.write(tmp_path / "out.csv")
    several.write(tmp_path / "out.json")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [json.loads(row["prediction"]) for row in rows] == pairs.tolist()
    assert {row["prediction_std"] for row in rows} == {""}
    assert [row["prediction_std"] for row in json.loads((tmp_path / "out.json").read_text())] == [None, None]


def test_a_language_model_takes_transcripts(tmp_path: Path) -> None:
    backbone = save_tiny(tmp_path / "backbone", tokenizer=bert_like())
    words = np.array(["so good", "good film", "a film", "ungoodly", "so a film"] * 8, dtype=object)
    rng = np.random.default_rng(0)
    whole = of_arrays({"audio": rng.normal(size=(40, 3))}, transcript=words.tolist(), target=rng.uniform(-3, 3, 40))
    split = np.repeat(["train", "valid", "test"], [20, 10, 10])
    partition = dataclasses.replace(load("synthetic:redundant").partitions[0], name="split")
    rows = {each: np.flatnonzero(split == each) for each in ("train", "valid", "test")}
    dataset = dataclasses.replace(whole, partitions=(dataclasses.replace(partition, **rows),))
    config = RunConfig(fusion="mag", fusion_config={"backbone": backbone, "max_length": 8}, training=SHORT)
    report = train(dataset, config, out=tmp_path / "run")
    model = load_model(tmp_path / "run")
    test = whole.subset(rows["test"])
    np.testing.assert_allclose(model.predict(test).prediction, report.predictions.prediction, atol=1e-6)
    deaf = model.predict({}, transcript=["so good", ""])
    assert deaf.modalities.tolist() == ["text", ""]
    with refused("missing", "transcripts"):
        model.predict({"audio": np.zeros((2, 3))})


def test_a_comparison_asks_for_the_arm(tmp_path: Path) -> None:
    from comodal.evaluation.comparison import compare
    from comodal.evaluation.grid import CompareConfig

    base = RunConfig(training=SHORT)
    config = CompareConfig(
        fusions=("early",), measures=("none", "kl"), weight=1.0, seeds=2, selection_seeds=1, base=base
    )
    compare(DataConfig(source="synthetic:redundant"), config, out=tmp_path)
    with refused("missing", tmp_path, "early/none", "early/kl"):
        load_model(tmp_path)
    with refused("unknown_name", "early/lk", "early/kl"):
        load_model(tmp_path, arm="early/lk")
    with refused("unknown_name", 7):
        load_model(tmp_path, arm="early/kl", seed=7)
    found = load_model(tmp_path, arm="early/kl", seed=1)
    kept = PredictionTable.from_parquet(tmp_path / "runs/early/kl-1/seed-1/part-0/predictions.parquet")
    test = found.predict(found.read("synthetic:redundant", split="test"))
    np.testing.assert_array_equal(test.prediction, kept.prediction)
    (single,) = (tmp_path / "runs").glob("early-*")
    alone = load_model(tmp_path, arm=f"early:{single.name.removeprefix('early-')}/none")
    assert len(alone.dims) == 1


@pytest.mark.parametrize(("name", "text"), [("config.yaml", "x: 1"), ("none", "")])
def test_a_folder_without_a_model_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with refused(("missing", "damaged"), tmp_path):
        load_model(tmp_path)
