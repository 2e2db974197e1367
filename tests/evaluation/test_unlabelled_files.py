"""Rows without a label in a table, in a converted set and in memory: the same runs, bit for bit."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import comodal
from comodal.cli import main
from comodal.data.dataset import Dataset
from comodal.data.load import load, open_source
from comodal.data.store import write_store
from comodal.evaluation.comparison import compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.grid import CompareConfig
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

N = 90
SPLIT = np.repeat(["train", "valid", "test"], 30)
LATENT = np.random.default_rng(0).normal(size=(N, 2))
FEATURES = {
    name: (LATENT + 0.5 * np.random.default_rng(seed).normal(size=(N, 2))).astype(np.float32)
    for seed, name in enumerate(("left", "right"), start=1)
}
HIDDEN = np.flatnonzero((np.arange(N) % 3 > 0) & (SPLIT == "train"))
KINDS = {
    "classes": (["label"], np.where(LATENT[:, 0] > 0, "yes", "no").astype(object)[:, None], None),
    "numbers": (["label"], LATENT[:, :1].astype(np.float32).astype(object), "regression:-9,9"),
    "labels": (["loud", "sad"], (LATENT > 0).astype(int).astype(object), "multilabel"),
    "outputs": (["up", "down"], LATENT.astype(np.float32).astype(object), "regression"),
}
CONFIG = RunConfig(
    penalty=PenaltyConfig(measure="kl", weight=0.3), training=TrainingConfig(max_epochs=3, batch_size=16)
)


def written(folder: Path, kind: str) -> DataConfig:
    """A table whose labels are empty in some training rows; every second of these is in the split unlabelled."""
    names, values, task = KINDS[kind]
    folder.mkdir()
    split = SPLIT.astype("U10")
    split[HIDDEN[::2]] = "unlabelled"
    labels = values.copy()
    labels[HIDDEN] = ""
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "group", "split", *names])
        writer.writerows([f"s{k}", f"g{k}", split[k], *labels[k]] for k in range(N))
    for name, array in FEATURES.items():
        np.savez(folder / f"{name}.npz", values=array, lengths=np.ones(N, dtype=np.int64))
    return DataConfig(source=str(folder), label=",".join(names), task=task)


def in_memory(kind: str) -> Dataset:
    names, values, task = KINDS[kind]
    target = values.copy()
    target[HIDDEN] = None
    ids, groups = ([f"{letter}{k}" for k in range(N)] for letter in "sg")
    limits = {"numbers": (-9.0, 9.0)}.get(kind)
    kind_of_task = None if task is None else task.partition(":")[0]
    return comodal.from_arrays(
        FEATURES,
        target if len(names) > 1 else target[:, 0],
        id=ids,
        group=groups,
        split=SPLIT,
        task=kind_of_task,
        label_range=limits,
        names=names if len(names) > 1 else (),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_a_converted_set_and_arrays_train_alike(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    table = written(tmp_path / "table", kind)
    source, _ = open_source(table.source, label=table.label, task=table.task)
    write_store(source, tmp_path / "converted")
    converted = DataConfig(source=str(tmp_path / "converted"))
    first, *others = (train(each, CONFIG) for each in (table, converted, in_memory(kind)))
    assert (first.metrics["n_train"], first.metrics["n_unlabelled"]) == ([10], [20])
    for each in others:
        np.testing.assert_array_equal(each.predictions.prediction, first.predictions.prediction)
        np.testing.assert_array_equal(each.predictions.target, first.predictions.target)
        assert each.predictions.id.tolist() == first.predictions.id.tolist()
        assert each.metrics["valid_loss"] == first.metrics["valid_loss"]
    without = train(table, replace(CONFIG, training=replace(CONFIG.training, unlabelled=False)))
    assert without.metrics["n_unlabelled"] == [0]
    assert (without.predictions.prediction != first.predictions.prediction).any(), "the unlabelled rows are seen"


def test_a_comparison_of_a_table_sees_its_unlabelled_rows_and_common_random_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    table = written(tmp_path / "table", "classes")
    config = CompareConfig(measures=("none", "kl"), weight=0.0, seeds=2, selection_seeds=1, base=CONFIG)
    rows = compare(table, config, out=tmp_path / "out").rows
    assert {"self-training", "label spreading"} <= {row.fusion for row in rows}, "for unlabelled rows only"
    deltas = [row.delta for row in rows if row.measure == "kl" and row.delta is not None]
    assert deltas
    assert not any(deltas), "without a weight the arms share everything, also the unlabelled rows"


def test_a_label_that_is_taken_away_is_seen_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    table = written(tmp_path / "table", "classes")
    hidden = load(table.source).partitions[0]
    assert (len(hidden.train), len(hidden.unlabelled)) == (10, 20)
    path = tmp_path / "table" / "samples.csv"
    lines = path.read_text().splitlines()
    row = 1 + int(hidden.train[0])
    lines[row] = lines[row].rpartition(",")[0] + ","
    path.write_text("\n".join(lines) + "\n")
    again = load(table.source).partitions[0]
    assert (len(again.train), len(again.unlabelled)) == (9, 21)


def test_unlabelled_training_samples_are_predicted_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = written(tmp_path / "table", "classes")
    train(data, CONFIG, out=tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    found = {}
    for split in ("train", "unlabelled", "valid", "test"):
        assert main(["predict", "run", "--split", split, "-o", f"{split}.json"]) == 0
        found[split] = json.loads(Path(f"{split}.json").read_text())
    labelled = np.setdiff1d(np.flatnonzero(SPLIT == "train"), HIDDEN)
    assert {row["id"] for row in found["train"]} == {f"s{k}" for k in labelled}
    assert {row["id"] for row in found["unlabelled"]} == {f"s{k}" for k in HIDDEN}
    assert {row["prediction"] for row in found["unlabelled"]} == {"yes", "no"}
    assert all(row["target"] for row in found["train"])
    assert not any(row["target"] for row in found["unlabelled"])
    assert main(["predict", "run", "synthetic:redundant", "--split", "unlabelled", "-o", "no.json"]) == 2
    assert "split 'unlabelled' holds no sample" in capsys.readouterr().err
