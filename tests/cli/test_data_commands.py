"""`comodal data` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pickle_files import write_pickle
from small_tokenizers import bert_like
from tiny_language_models import WIDTH, save_tiny

from comodal.contracts import PredictionTable

Comodal = Callable[..., Any]
TRAIN = "--training.max_epochs 2 --fusion_config.hidden 8"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve samples of six videos in a folder of our own kind."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mine"
    folder.mkdir()
    names = [f"v{k // 2}_{k % 2}" for k in range(12)]
    split = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
    labels = rng.uniform(-3, 3, size=12).round(3)
    rows = [f"{name},{label},{part}" for name, label, part in zip(names, labels, split, strict=True)]
    (folder / "samples.csv").write_text("\n".join(["id,label,split", *rows]) + "\n")
    for modality, dim in (("text", 4), ("audio", 3)):
        np.savez(
            folder / f"{modality}.npz", **{name: rng.normal(size=(k % 3 + 1, dim)) for k, name in enumerate(names)}
        )
    return folder


@pytest.mark.usefixtures("table")
def test_inspect_tells_what_is_there(comodal: Comodal) -> None:
    found = json.loads(comodal("data inspect mine --json").out)
    assert (found["samples"], found["groups"], found["facts"]["format"]) == (12, 6, "table")
    assert list(found["splits"].values()) == [{"train": 8, "valid": 2, "test": 2}]
    assert found["features"]["text"]["lengths"] == [1, 2, 3]
    assert sum(found["labels"]) == 12
    shown = comodal("data inspect mine").out
    assert "12 samples of 6 groups" in shown
    assert "v0_0, v0_1" in shown


def test_inspect_counts_classes(comodal: Comodal) -> None:
    found = json.loads(comodal("data inspect digits --json").out)
    assert found["classes"] == dict(zip("0123456789", (178, 182, 177, 183, 181, 182, 181, 179, 174, 180), strict=True))
    shown = comodal("data inspect digits").out
    assert "multiclass: 0 178, 1 182" in shown
    assert "legal" not in shown


def test_inspect_lists_the_labels_that_can_be_chosen(comodal: Comodal) -> None:
    rng = np.random.default_rng(0)
    table = {"audio": rng.normal(size=(9, 4, 3)), "labels": rng.uniform(0, 3, size=(9, 7))}
    write_pickle(Path("mosei.pkl"), {"train": table, "valid": table, "test": table})
    shown = comodal("data inspect mosei.pkl").out
    assert "labels: sentiment (predicted), emotion, emotion_intensity, happy, sad, anger, surprise, disgust" in shown
    (line,) = (each for each in shown.splitlines() if "to choose one: " in each)
    chosen = comodal(line.partition("to choose one: comodal ")[2])
    assert "label emotion, multilabel: happy" in chosen.out
    write_pickle(Path("pom.pkl"), {"train": {**table, "labels": rng.normal(size=(9, 17))}})
    found = json.loads(comodal("data inspect pom.pkl --json").out)
    assert list(found["offered"]) == ["labels", *map(str, range(17))]
    assert found["unlabelled"] == 9
    assert "labels: labels, 0, 1, 2" in comodal("data inspect pom.pkl").out
    refused = comodal("data inspect mosei.pkl --label angry")
    assert (refused.status, "did you mean 'anger'" in refused.err) == (2, True)


@pytest.mark.usefixtures("table")
def test_another_label_and_task(comodal: Comodal, table: Path, tmp_path: Path) -> None:
    file = table / "samples.csv"
    head, *rows = file.read_text().splitlines()
    moods = [f"{row},{('calm', 'angry')[k % 2]},{k % 2}" for k, row in enumerate(rows)]
    file.write_text("\n".join([f"{head},mood,loud", *moods]) + "\n")
    assert "label mood, binary: angry 6, calm 6\n" in comodal("data inspect mine --label mood").out
    assert "other columns: mood, loud" in comodal("data inspect mine").out
    refused = comodal("data inspect mine --label loud")
    assert (refused.status, "--task" in refused.err) == (2, True)
    assert comodal("data validate mine --label loud --task binary").status == 0
    assert comodal("data convert mine new --label mood").status == 0
    assert "label mood, binary" in comodal("data inspect new").out
    done = comodal(f"train mine --label mood --task binary:calm,angry --out runs/a {TRAIN}")
    assert done.status == 0, done.err
    assert PredictionTable.from_parquet("runs/a/predictions.parquet").task.classes == ("calm", "angry")
    kept = yaml.safe_load((tmp_path / "runs" / "a" / "config.yaml").read_text())["data"]
    assert (kept["label"], kept["task"]) == ("mood", "binary:calm,angry")
    assert comodal("evaluate runs/a").status == 0
    assert comodal("predict runs/a mine --split test -o new.csv").status == 0
    assert {line.split(",")[4] for line in (tmp_path / "new.csv").read_text().splitlines()[1:]} == {"calm", "angry"}


def test_validate_ends_with_1_when_something_is_wrong(comodal: Comodal, table: Path) -> None:
    assert comodal("data validate mine").status == 0
    file = table / "samples.csv"
    file.write_text(file.read_text().replace("v0_1", "v5_9"))
    for modality in ("text", "audio"):
        with np.load(table / f"{modality}.npz") as arrays:
            np.savez(table / f"{modality}.npz", **{name.replace("v0_1", "v5_9"): arrays[name] for name in arrays})
    found = comodal("data validate mine --json")
    assert found.status == 1
    errors = [each for each in json.loads(found.out)["findings"] if each["severity"] == "error"]
    assert [(each["check"], each["examples"]) for each in errors] == [("video in two splits", ["v5"])]
    assert "error: video in two splits" in comodal("data validate mine").out


def test_unlabelled_samples_are_counted_by_every_command(comodal: Comodal, table: Path, tmp_path: Path) -> None:
    path = table / "samples.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    for row in rows[2:5]:
        row[1] = ""
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    said = comodal("data convert mine new").out
    assert "12 samples, 3 of them without a label" in said
    for name in ("mine", "new"):
        shown = comodal(f"data inspect {name}").out
        assert "train 8 (3 without a label)" in shown
        assert "without a label: 3 of 12" in shown
        assert json.loads(comodal(f"data inspect {name} --json").out)["unlabelled_parts"] == {"split": {"train": 3}}
        checked = json.loads(comodal(f"data validate {name} --json").out)
        assert checked["errors"] == 0
        assert [(each["check"], each["count"]) for each in checked["findings"]] == [("unlabelled", 3)]
        report = json.loads(comodal(f"train {name} --out run_{name} --json {TRAIN}").out)
        assert (report["n_train"], report["n_unlabelled"], report["n_test"]) == ([5], [3], 2)
    rows[-1][1] = ""
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    for line in ("data convert mine other", "train mine --out other --clean", "compare mine --out other --seeds 2"):
        refused = comodal(line)
        assert refused.status == 2
        for each in ("test", "v5_1", "unlabelled"):
            assert each in refused.err.splitlines()[-1]
    assert comodal("data validate mine").status == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("table")
def test_folds_decide_where_the_file_does_not(comodal: Comodal, tmp_path: Path) -> None:
    folds = {"train": ["v0", "v1", "v2", "v3"], "valid": ["v4"], "test": ["v5"]}
    (tmp_path / "folds.json").write_text(json.dumps(folds))
    assert comodal("data validate mine --folds folds.json").status == 0
    (tmp_path / "folds.json").write_text(json.dumps({**folds, "train": folds["train"][1:], "test": ["v5", "v0"]}))
    found = comodal("data validate mine --folds folds.json")
    assert found.status == 1
    assert "other folds" in found.out
    assert comodal("data inspect mine --folds-key standard").status == 2


@pytest.mark.usefixtures("table")
def test_a_converted_set_trains_to_the_same_predictions(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal("data convert mine converted").status == 0
    for source, run in (("mine", "a"), ("converted", "b")):
        found = comodal(f"train {source} --out {run} {TRAIN}")
        assert found.status == 0, found.err
    tables = [PredictionTable.from_parquet(tmp_path / run / "predictions.parquet") for run in ("a", "b")]
    np.testing.assert_array_equal(tables[0].prediction, tables[1].prediction)
    manifest = json.loads(comodal("data inspect converted --json").out)
    assert manifest["facts"]["made from"] == "table"


@pytest.mark.usefixtures("table")
def test_nothing_is_overwritten_and_nothing_half_written(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    found = comodal("data convert mine there")
    assert (found.status, found.err.count("\n")) == (2, 1)
    assert "exists already" in found.err
    (tmp_path / "mine" / "audio.npz").write_bytes((tmp_path / "mine" / "audio.npz").read_bytes()[:400])
    found = comodal("data convert mine new")
    assert found.status == 2
    assert "audio.npz" in found.err
    assert not [path for path in tmp_path.iterdir() if "new" in path.name]


def test_transcripts_become_frames_of_words(comodal: Comodal, table: Path) -> None:
    backbone = save_tiny(table.parent / "tiny", tokenizer=bert_like())
    file = table / "samples.csv"
    head, *rows = file.read_text().splitlines()
    said = ["so good", "a film", "ungoodly"]
    file.write_text("\n".join([f"{head},transcript", *(f"{row},{said[k % 3]}" for k, row in enumerate(rows))]) + "\n")
    assert comodal(f"data convert mine new --encode-text {backbone}").status == 0
    found = json.loads(comodal("data inspect new --json").out)
    assert found["features"]["text_words"]["dim"] == WIDTH
    assert found["features"]["text_words"]["lengths"] == [1, 2, 2]
    assert found["facts"]["text_words"].endswith("pieces, tiny")
    done = comodal(f"train new --features text=text_words --fusion ef_lstm --json --out runs/a {TRAIN}")
    assert done.status == 0, done.err
    assert len(PredictionTable.from_parquet("runs/a/predictions.parquet")) > 0
    lost = comodal("data convert mine other --encode-text ./nowhere")
    assert lost.status == 2
    assert "./nowhere: no such folder" in lost.err
    assert not (table.parent / "other").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("data inspect notes.txt", "no reader knows it"),
        ("data convert x.pkl new", "os.system"),  # a hostile pickle
        ("data download mosy --to there", "did you mean 'mosi'"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str, comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "x.pkl").write_bytes(b"cos\nsystem\n(S'touch hurt'\ntR.")
    found = comodal(line)
    assert found.status == 2
    assert said in found.err
    assert not (tmp_path / "hurt").exists()
