from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.contracts import InputError, PredictionTable, Sentiment
from comodal.contracts.errors import Code
from comodal.data import ragged
from comodal.data.arrays import from_arrays
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.data.splits import grouped_k_fold
from comodal.data.stored_array import FrameWriter, StoredArray
from comodal.data.synthetic import SyntheticConfig, synthetic
from comodal.evaluation import experiment
from comodal.evaluation.data_config import DataConfig, in_memory
from comodal.evaluation.experiment import evaluate, train
from comodal.evaluation.fitted import FittedFold
from comodal.evaluation.preflight import preflight
from comodal.metrics import mae
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.data import prepare
from comodal.training.fit import fit_fold
from comodal.training.run_folder import RunFolder, read_config
from comodal.training.weights import copy_weights

Short = Callable[..., RunConfig]


def same_tables(one: PredictionTable, two: PredictionTable) -> None:
    for (name, a), (_, b) in zip(one.columns().items(), two.columns().items(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def poisoned(dataset: Dataset, value: float) -> Dataset:
    """The same data set but for its test rows."""
    test = dataset.partitions[0].test
    modalities = {}
    for name, array in dataset.modalities.items():
        values = array.values.copy()
        values[test] = value
        modalities[name] = RaggedArray(values, array.offsets)
    target = dataset.target.copy()
    target[test] = value
    return dataclasses.replace(dataset, modalities=modalities, target=target)


def tiny(seed: int = 0, n: int = 90) -> Dataset:
    rng = np.random.default_rng(seed)
    features = {"text": rng.normal(size=(n, 4)), "audio": rng.normal(size=(n, 3))}
    label = np.clip(features["text"][:, 0] + features["audio"][:, 0], -3, 3)
    return from_arrays(features, label, task="sentiment", group=np.repeat(np.arange(n // 3), 3), name="mine")


@pytest.mark.parametrize("measure", ["none", "kl"])
@pytest.mark.parametrize("value", [float("nan"), 1e9])
def test_the_test_part_is_not_read_while_fitting(measure: str, value: float, dataset: Dataset, short: Short) -> None:
    config = short(penalty={"measure": measure})
    partition = dataset.partitions[0]
    clean = fit_fold(prepare(dataset, partition), config)
    blind = fit_fold(prepare(poisoned(dataset, value), partition), config)
    assert blind.history == clean.history
    ours, theirs = (copy_weights(result.model, result.penalty) for result in (blind, clean))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_poison_in_the_validation_part_would_be_seen(dataset: Dataset, short: Short) -> None:
    """The failing case of the test above: where rows are read, the poison shows."""
    partition = dataset.partitions[0]
    turned = dataclasses.replace(partition, valid=partition.test, test=partition.valid)
    with refused("diverged", "training.lr"):
        fit_fold(prepare(poisoned(dataset, float("nan")), turned), short())


@pytest.mark.parametrize("fusion", ["early", "lfn"])
@pytest.mark.parametrize("measure", ["none", "kl", "wasserstein"])
def test_a_run_folder_evaluates_to_what_the_run_found(
    fusion: str, measure: str, data: DataConfig, short: Short, tmp_path: Path
) -> None:
    config = short(
        fusion=fusion, penalty={"measure": measure, "between": "fusion" if fusion == "lfn" else "modalities"}
    )
    report = train(data, config, out=tmp_path / "run")
    again = evaluate(tmp_path / "run")
    same_tables(again.predictions, report.predictions)
    assert again.metrics == {name: report.metrics[name] for name in Sentiment.reported}
    assert np.isnan(report.predictions.critic_score).all() == (measure == "none")
    dataset = data.load()
    fold = prepare(dataset, dataset.partitions[0])
    result = fit_fold(fold, config)
    for split in ("train", "valid"):
        same_tables(
            evaluate(tmp_path / "run", split=split).predictions, FittedFold.of(fold, config, result).predict(split)
        )


def test_the_report_holds_every_metric_and_the_facts_of_the_fit(data: DataConfig, short: Short) -> None:
    report = train(data, short(max_epochs=3))
    assert set(report.metrics) == {
        *Sentiment.reported,
        "valid_loss",
        "epochs",
        "best_epoch",
        "seconds",
        "n_train",
        "n_unlabelled",
        "n_test",
        "note",
        "references",
    }
    assert report.folder is None
    table = report.predictions
    assert report.metrics["n_test"] == len(table) == 800
    assert report.metrics["mae"]["value"] == pytest.approx(np.abs(table.target - table.prediction).mean(), rel=1e-6)
    assert report.metrics["mae"]["value"] == mae(table.target, table.prediction)
    assert set(table.split) == {"test"}


def test_the_report_names_the_references_that_the_model_does_not_beat(data: DataConfig, short: Short) -> None:
    report = train(data, short(max_epochs=1, lr=1e-12))
    assert "linear" in report.no_better_than
    known = report.metrics["references"]
    for value, names in ((0.0, ()), (known["linear"]["mae"], ("linear",)), (99.0, ("constant", "linear"))):
        assert (
            dataclasses.replace(report, metrics={"mae": {"value": value}, "references": known}).no_better_than == names
        )
    assert dataclasses.replace(report, metrics={"corr": {"value": 2.0}, "references": known}).no_better_than == ()
    assert dataclasses.replace(report, metrics={"mae": {"value": 1.0}}).no_better_than == ()


def test_ids_travel_from_the_data_to_the_table(data: DataConfig, dataset: Dataset, short: Short) -> None:
    table = train(data, short()).predictions
    rows = dataset.partitions[0].test
    assert table.id.tolist() == dataset.id[rows].tolist()
    assert table.group.tolist() == dataset.group[rows].tolist()
    np.testing.assert_array_equal(table.target, dataset.target[rows])


def test_a_finished_run_is_read_back_without_training(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(data, short(), out=tmp_path)
    monkeypatch.setattr(experiment, "fit_fold", lambda *_, **__: pytest.fail("trained again"))
    again = train(data, short(), out=tmp_path)
    assert again.metrics == first.metrics
    same_tables(again.predictions, first.predictions)
    chosen = train(data, short(), out=tmp_path, metrics=["corr", "ccc"]).metrics
    assert list(chosen)[:2] == ["corr", "ccc"]
    assert "mae" not in chosen
    assert (chosen["corr"], chosen["epochs"]) == (first.metrics["corr"], first.metrics["epochs"])
    assert evaluate(tmp_path, metrics=["ccc"]).metrics == {"ccc": chosen["ccc"]}


def test_a_run_that_lacks_only_its_last_file_is_finished_to_the_same_result(
    data: DataConfig, short: Short, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    config = short(max_epochs=30, patience=2, lr=0.05, penalty={"measure": "kl"})
    whole = train(data, config)
    assert whole.metrics["epochs"][0] < 30, "it must have stopped early"
    monkeypatch.setattr(RunFolder, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        train(data, config, out=tmp_path)
    monkeypatch.undo()
    with refused("missing", tmp_path):
        evaluate(tmp_path)
    resumed = train(data, config, out=tmp_path)
    same_tables(resumed.predictions, whole.predictions)
    for name in ("valid_loss", "epochs", "best_epoch", *Sentiment.reported):
        assert resumed.metrics[name] == whole.metrics[name], name


def test_cross_validation_is_one_report_over_all_folds(short: Short, tmp_path: Path) -> None:
    dataset = tiny()
    folds = dataclasses.replace(dataset, partitions=grouped_k_fold(dataset.group, folds=3))
    report = train(folds, short(), out=tmp_path)
    assert sorted(report.predictions.id.tolist()) == sorted(dataset.id.tolist())
    assert len(report.metrics["epochs"]) == 3
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"fold 0", "fold 1", "fold 2"}
    same_tables(evaluate(tmp_path, source=folds).predictions, report.predictions)


def test_another_configuration_or_data_set_does_not_pass_for_the_kept_run(
    data: DataConfig, short: Short, tmp_path: Path
) -> None:
    train(data, short(), out=tmp_path / "a")
    with refused("mismatch", "training.max_epochs", 2, 3):
        train(data, short(max_epochs=3), out=tmp_path / "a")
    with refused("mismatch", "data.source", "synthetic:redundant", "synthetic:single"):
        train(DataConfig(source="synthetic:single"), short(), out=tmp_path / "a")
    first = train(tiny(0), short(), out=tmp_path / "b")
    same_tables(train(tiny(0), short(), out=tmp_path / "b").predictions, first.predictions)
    with refused("mismatch", "fingerprint"):
        train(tiny(1), short(), out=tmp_path / "b")


def test_a_run_on_data_in_memory_is_evaluated_on_data_in_memory(short: Short, tmp_path: Path) -> None:
    report = train(tiny(), short(), out=tmp_path)
    with refused("missing", "source="):
        evaluate(tmp_path)
    same_tables(evaluate(tmp_path, source=tiny()).predictions, report.predictions)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("options", "logger", "code", "named"),
    [
        ({"fusion_config": {"dropout": 2.0}}, "csv", "out_of_range", ["early", "fusion_config"]),
        ({"training": {"batch_size": 2}}, "csv", "out_of_range", ["batch_size", 2, 3]),
        ({"training": {"train_share": 0.001}}, "csv", "out_of_range", ["training.train_share", 0.001]),
        ({"training": {"augment": ["shift:audio=0.5"]}}, "csv", "unsupported", ["shift:audio=0.5"]),
        ({}, "cvs", "unknown_name", ["cvs", "csv"]),
    ],
)
def test_what_cannot_run_is_refused_before_a_folder_is_made(
    options: dict[str, Any], logger: str, code: Code, named: list[Any], *, data: DataConfig, tmp_path: Path
) -> None:
    with refused(code, *named):
        train(data, RunConfig.from_dict(options), out=tmp_path / "run", logger=logger)
    assert files(tmp_path) == []


def test_a_penalty_on_one_modality_is_refused(short: Short, dataset: Dataset) -> None:
    alone = dataset.select_modalities(["text"])
    with pytest.raises(InputError):
        preflight(alone, short(penalty={"measure": "kl"}))
    preflight(alone, short())


def test_a_data_set_with_holes_is_refused(short: Short) -> None:
    dataset = tiny()
    values = dataset.modalities["text"].values.copy()
    values[4, 1] = np.nan
    broken = dataset.with_features({**dataset.modalities, "text": RaggedArray.from_vectors(values)})
    with refused("not_finite", "NaN", "text", 4):
        train(broken, short())


@pytest.fixture
def finished(data: DataConfig, short: Short, tmp_path: Path) -> Path:
    train(data, short(), out=tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["weights.safetensors", "standardizer.safetensors"])
@pytest.mark.parametrize("keep", [0, 40, None])
def test_a_damaged_run_is_refused(name: str, keep: int | None, finished: Path) -> None:
    path = next(finished.rglob(name))
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[:keep])
    with refused(("missing", "damaged"), name):
        evaluate(finished)
    path.write_bytes(content)
    evaluate(finished)


def test_weights_of_another_model_are_refused(data: DataConfig, short: Short, finished: Path, tmp_path: Path) -> None:
    train(data, short(fusion="lfn"), out=tmp_path / "lfn")
    next(finished.rglob("weights*")).write_bytes(next((tmp_path / "lfn").rglob("weights*")).read_bytes())
    with refused("mismatch", "weights.safetensors", "model."):
        evaluate(finished)


def test_data_with_other_features_are_refused(finished: Path) -> None:
    with refused("mismatch", "features"):
        evaluate(finished, source="synthetic")


def test_what_is_no_run_folder_is_refused(finished: Path, tmp_path: Path) -> None:
    with refused("missing", tmp_path / "nothing"):
        evaluate(tmp_path / "nothing")
    with refused("unknown_name", "tset", "test"):
        evaluate(finished, split="tset")
    config = finished / "config.yaml"
    config.write_text(config.read_text().replace("seed:", "sede:"))
    with refused("unknown_name", "sede", "seed"):
        evaluate(finished)


def test_a_damaged_result_is_no_result(finished: Path, data: DataConfig, short: Short) -> None:
    (finished / "predictions.parquet").write_bytes(b"PAR1")
    with refused("damaged", "predictions.parquet"):
        train(data, short(), out=finished)


def test_the_folder_holds_what_is_needed_to_repeat_the_run(finished: Path) -> None:
    assert {"config.yaml", "environment.json", "metrics.json", "predictions.parquet", "last.ckpt"} <= set(
        files(finished)
    )
    assert json.loads((finished / "metrics.json").read_text())["mae"]["n"] == 800
    kept = read_config(finished)
    assert RunConfig.from_dict({k: v for k, v in kept.items() if k not in {"data", "task"}}).to_dict() == {
        k: v for k, v in kept.items() if k not in {"data", "task"}
    }


def test_data_on_disk_and_in_memory_have_one_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped modality is digested a part at a time."""
    rng = np.random.default_rng(0)
    features = {"text": rng.normal(size=(90, 4)), "audio": [rng.normal(size=(1 + i % 3, 3)) for i in range(90)]}
    dataset = from_arrays(features, rng.uniform(-3, 3, size=90), name="toy")
    on_disk = {}
    for name, array in dataset.modalities.items():
        with FrameWriter(tmp_path / name, array.dim) as writer:
            writer.append(array)
        on_disk[name] = StoredArray.open(tmp_path / name, array.dim, array.lengths)
    monkeypatch.setattr(ragged, "_PART", 40)
    expected = in_memory(dataset)
    assert in_memory(dataset.with_features(on_disk)) == expected
    order = np.random.default_rng(0).permutation(len(dataset))
    shuffled, selected = dataset.subset(order), dataset.with_features(on_disk).subset(order)
    assert isinstance(selected.modalities["text"], StoredArray)
    assert in_memory(selected) == in_memory(shuffled) != expected


def test_only_the_process_that_writes_fits_reference_models(monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig(training=TrainingConfig(max_epochs=1))
    data = synthetic(SyntheticConfig(n_train=40, n_valid=16, n_test=16))
    assert set(experiment.train(data, config).metrics["references"]) == {"constant", "linear", "samples"}
    monkeypatch.setattr(experiment, "is_writer", lambda: False)
    assert experiment.train(data, config).metrics["references"] == {}
