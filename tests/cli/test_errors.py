"""Whatever is wrong: exit status 2, one line on standard error, nothing on standard output, nothing half-written."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodal.data import embedded_sets as load_module
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.evaluation import comparison, experiment

Comodal = Callable[..., Any]

TRAIN = "train synthetic:redundant --out run --training.max_epochs 1"
COMPARE = "compare synthetic:redundant --out run --training.max_epochs 1 --seeds 2 --selection-seeds 1"


def one_line(result: Any, *named: str) -> None:
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("comodal: error: ")
    assert result.err.count("\n") == 1
    assert result.err.endswith("\n")
    assert [each for each in named if each not in result.err] == [], result.err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("", "train compare"),
        ("trian", "'trian' 'train'"),
        ("data", "inspect convert"),
        ("data inspct", "inspct' inspect'"),
        ("train", "data out"),
        (f"{TRAIN} --traning.lr 1", "--training.lr?"),
        (f"{TRAIN} --training.lrr 1", "--training.lr?"),
        (f"{TRAIN} --training.lr abc", '"training.lr" abc'),
        (f"{TRAIN} --fusion_config.hiden 3", "early 'hiden' 'hidden'"),
        (f"{TRAIN} --fusion_config.dropout 3", "early dropout"),
        (f"{TRAIN} --progress maybe", "'maybe' auto"),
        (f"{TRAIN} --features text", "'text' modality=feature"),
        (f"{TRAIN} --features text=txet", "'txet' 'text'"),
        (f"{TRAIN} --features text=text --penalty.measure kl", "2"),
        ("train sythetic --out run", "'sythetic' 'synthetic'"),
        ("train synthetic:singel --out run", "'singel' 'single'"),
        ("train nofile.npz --out run", "nofile.npz"),
        ("evaluate nothing", "nothing"),
        ("evaluate nothing --split vaild", "'vaild' valid"),
        ("estimate no.npz", "no.npz"),
        (f"{COMPARE} --measures none,lk", "'lk' 'kl'"),
        (f"{COMPARE} --weight kl=a", "--weight 'kl=a' auto"),
        (f"{COMPARE} --weight-grid a,b", "--weight-grid 'a,b'"),
        (f"{COMPARE} --seeds 1", "seeds 1 2"),
        (f"{COMPARE} --penalty.critic_stpes 1", "--penalty.critic_steps?"),
    ],
)
def test_a_wrong_argument(line: str, named: str, comodal: Comodal, tmp_path: Path) -> None:
    one_line(comodal(line), *named.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("training:\n  lrr: 1\n", "wrong.yaml 'training.lrr' 'training.lr'"),
        ("penalty:\n  wieght: 1\n", "wrong.yaml 'penalty.wieght' 'penalty.weight'"),
        ("fuson: lfn\n", "wrong.yaml 'fuson' 'fusion'"),
        ("fusion_config:\n  hiden: 1\n", "early 'hiden' 'hidden'"),
        ("fusion: erly\n", "'erly' 'early'"),
        ("training:\n  lr: fast\n", '"training.lr" fast'),
        ("training: [\n", "wrong.yaml YAML"),
        ("- lfn\n", "wrong.yaml list"),
        ("\x00", "wrong.yaml YAML"),
    ],
)
def test_a_wrong_config_file(text: str, named: str, comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    one_line(comodal(f"{TRAIN} --config wrong.yaml"), *named.split())
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


def test_a_config_file_that_is_not_there(comodal: Comodal) -> None:
    one_line(comodal(f"{TRAIN} --config no.yaml"), "no.yaml", "No such file or directory")
    one_line(comodal(f"{TRAIN} --config ."), ".:", "Is a directory")


@pytest.fixture
def holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded data with NaN in 3 values of 2 samples."""
    make = load_module.synthetic

    def broken(*arguments: Any, **options: Any) -> Dataset:
        dataset = make(*arguments, **options)
        values = dataset.modalities["audio"].values.copy()
        values[5, :2] = np.nan
        values[9, 0] = np.inf
        audio = RaggedArray(values, dataset.modalities["audio"].offsets)
        return dataclasses.replace(dataset, modalities={**dataset.modalities, "audio": audio})

    monkeypatch.setattr(load_module, "synthetic", broken)


@pytest.mark.usefixtures("holes")
@pytest.mark.parametrize("line", [TRAIN, COMPARE])
def test_features_with_holes_are_refused_with_their_count_and_first_id(
    line: str, comodal: Comodal, tmp_path: Path
) -> None:
    result = comodal(line)
    one_line(result, "audio")
    first = load_module.synthetic(load_module.PRESETS["redundant"]).id[5]
    for said in ("3", str(first), "--clean", "synthetic:redundant"):
        assert said in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("holes")
def test_cleaned_on_demand_and_reported(comodal: Comodal) -> None:
    result = comodal(f"{TRAIN} --clean --json")
    assert result.status == 0
    assert "cleaned: 3 non-finite values of audio in 2 samples replaced" in result.out


def test_a_run_folder_of_another_configuration(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(TRAIN).status == 0
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    one_line(comodal(f"{TRAIN} --seed 4"), "seed was 0, is 4", "--out")
    one_line(comodal(COMPARE), "run")
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("what", "name"), [(Path, "write_text"), (Path, "write_bytes"), (experiment.PredictionTable, "to_parquet")]
)
def test_a_full_disk(what: Any, name: str, comodal: Comodal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what, name, full_disk)
    one_line(comodal(TRAIN), "No space left on device")
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not list(tmp_path.rglob("*.partial"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert comodal(TRAIN).status == 0, "with space again the same command goes on"


def test_a_full_disk_while_comparing(comodal: Comodal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison.PredictionTable, "to_parquet", full_disk)
    result = comodal(f"{COMPARE} --measures none")
    assert result.status == 2
    assert result.err.splitlines()[-1].endswith("No space left on device")
    assert not list(tmp_path.rglob("summary.*"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert comodal(f"{COMPARE} --measures none").status == 0


def test_predictions_that_cannot_be_written(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(TRAIN).status == 0
    one_line(comodal("evaluate run --predictions run/config.yaml/table.parquet"), "run/config.yaml")
    assert not list(tmp_path.rglob("*table.parquet*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"a": np.where(np.arange(600).reshape(300, 2) == 15, np.nan, 1.0 * np.arange(600).reshape(300, 2))},
            "first row 7",
        ),
        ({"a": np.ones((300, 2))}, "'a' is constant"),
        ({"a": np.arange(598.0).reshape(299, 2)}, "299"),
    ],
)
def test_views_that_cannot_be_compared(change: dict[str, Any], message: str, comodal: Comodal, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "views.npz", **{"a": rng.normal(size=(300, 2)), "b": rng.normal(size=(300, 3)), **change})
    one_line(comodal("estimate views.npz"), message)
