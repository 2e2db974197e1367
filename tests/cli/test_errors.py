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

from comodal.data import load as load_module
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.evaluation import comparison, experiment

Comodal = Callable[..., Any]

TRAIN = "train synthetic:redundant --out run --training.max_epochs 1"
COMPARE = "compare synthetic:redundant --out run --training.max_epochs 1 --seeds 2 --selection-seeds 1"


def one_line(result: Any, message: str) -> None:
    assert result.status == 2
    assert result.out == ""
    assert result.err.startswith("comodal: error: ")
    assert result.err.count("\n") == 1
    assert result.err.endswith("\n")
    assert message in result.err, result.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "{data,train,evaluate,estimate,compare, ...}"),
        ("trian", "invalid choice: 'trian'"),
        ("train", "required: train.data, train.out"),
        (f"{TRAIN} --traning.lr 1", "did you mean --training.lr?"),
        (f"{TRAIN} --training.lrr 1", "did you mean --training.lr?"),
        (f"{TRAIN} --training.lr abc", '"training.lr"'),
        (f"{TRAIN} --training.lr -1", "training.lr is -1.0: give a positive number"),
        (f"{TRAIN} --seed -1", "seed is -1: give a number that is not negative"),
        (f"{TRAIN} --fusion erly", "unknown fusion 'erly': did you mean 'early'?"),
        (f"{TRAIN} --fusion_config.hiden 3", "early fusion: unknown key 'hiden': did you mean 'hidden'?"),
        (f"{TRAIN} --fusion_config.dropout 3", "early fusion cannot be built"),
        (f"{TRAIN} --penalty.measure wassertein", "'wassertein': did you mean 'wasserstein'?"),
        (f"{TRAIN} --penalty.measure kl --penalty.weight -1", "penalty.weight is -1.0"),
        (f"{TRAIN} --penalty.between fuson", "unknown penalty.between 'fuson': did you mean 'fusion'?"),
        (f"{TRAIN} --training.batch_size 2", "batch needs at least 3"),
        (f"{TRAIN} --training.accelerator gpuu", "training.accelerator 'gpuu'"),
        (f"{TRAIN} --logger cvs", "unknown logger 'cvs': did you mean 'csv'?"),
        (f"{TRAIN} --progress maybe", "invalid choice: 'maybe'"),
        (f"{TRAIN} --features text", "'text' is no pair: write modality=feature"),
        (f"{TRAIN} --features text=txet", "unknown modality 'txet': did you mean 'text'?"),
        (f"{TRAIN} --features text=text --penalty.measure kl", "2 or more"),
        ("train sythetic --out run", "unknown data set 'sythetic': did you mean 'synthetic'?"),
        ("train synthetic:singel --out run", "'singel': did you mean 'single'?"),
        ("train nofile.npz --out run", "nofile.npz: no such file or folder; check the path"),
        ("evaluate nothing", "nothing: not a run folder"),
        ("evaluate nothing --split vaild", "invalid choice: 'vaild'"),
        ("estimate no.npz", "no.npz: no such file"),
        (f"{COMPARE} --measures none,lk", "unknown measure 'lk': did you mean 'kl'?"),
        (f"{COMPARE} --fusion early,lnf", "unknown fusion 'lnf': did you mean 'lfn'?"),
        (f"{COMPARE} --weight kl=a", "--weight 'kl=a': give auto, a number, or pairs"),
        (f"{COMPARE} --weight -1", "penalty weight is -1.0: give a number that is not negative"),
        (f"{COMPARE} --weight kl=1", "--weight names no weight for f"),
        (f"{COMPARE} --weight-grid a,b", "--weight-grid 'a,b': give comma-separated numbers"),
        (f"{COMPARE} --seeds 1", "seeds is 1: a comparison needs at least 2"),
        (f"{COMPARE} --jobs 0", "jobs is 0: give 1 or more"),
        (f"{COMPARE} --penalty.critic_stpes 1", "did you mean --penalty.critic_steps?"),
        (f"{COMPARE} --penalty.critic_steps -1", "penalty.critic_steps is -1"),
        (f"{COMPARE} --features text=text", "has one modality, text: a dependency penalty needs two or more"),
        (f"{COMPARE} --fusion_config.dropout 3", "early fusion cannot be built"),
    ],
)
def test_a_wrong_argument(line: str, message: str, comodal: Comodal, tmp_path: Path) -> None:
    one_line(comodal(line), message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training:\n  lrr: 1\n", "wrong.yaml: unknown option 'training.lrr': did you mean 'training.lr'?"),
        ("penalty:\n  wieght: 1\n", "wrong.yaml: unknown option 'penalty.wieght': did you mean 'penalty.weight'?"),
        ("fuson: lfn\n", "wrong.yaml: unknown option 'fuson': did you mean 'fusion'?"),
        ("fusion_config:\n  hiden: 1\n", "early fusion: unknown key 'hiden': did you mean 'hidden'?"),
        ("fusion: erly\n", "unknown fusion 'erly': did you mean 'early'?"),
        ("training:\n  lr: fast\n", '"training.lr"'),
        ("training: [\n", "wrong.yaml: is not YAML"),
        ("- lfn\n", "wrong.yaml: holds a list; give one option a line"),
        ("\x00", "wrong.yaml: is not YAML"),
    ],
)
def test_a_wrong_config_file(text: str, message: str, comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    one_line(comodal(f"{TRAIN} --config wrong.yaml"), message)
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


def test_a_config_file_that_is_not_there(comodal: Comodal) -> None:
    one_line(comodal(f"{TRAIN} --config no.yaml"), "no.yaml: cannot be read (No such file or directory)")
    one_line(comodal(f"{TRAIN} --config ."), ".: cannot be read (Is a directory)")


@pytest.fixture
def holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded data with NaN in 3 values of 2 utterances."""
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
    assert "cleaned: 3 non-finite values of audio in 2 utterances replaced" in result.out


def test_a_file_in_place_of_the_folder(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    one_line(comodal(TRAIN), "run: cannot be written (File exists); give another folder")
    one_line(comodal(COMPARE), "run: cannot be written (File exists); give another folder")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_of_other_files(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    one_line(comodal(TRAIN), "run: folder holds other files; give an empty or a new folder")
    one_line(comodal(COMPARE), "run: folder holds other files; give an empty or a new folder")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_run_folder_of_another_configuration(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(TRAIN).status == 0
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    one_line(comodal(f"{TRAIN} --seed 4"), "another configuration (seed was 0, is 4); give another --out")
    one_line(comodal(COMPARE), "another configuration")
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


def test_a_damaged_run(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(TRAIN).status == 0
    weights = next(tmp_path.rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    one_line(comodal("evaluate run"), "weights are missing or damaged")


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
