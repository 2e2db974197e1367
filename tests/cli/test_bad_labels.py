"""Labels that cannot be learnt from, at every front door: arrays, frames, files and a command."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from format_samples import modality_h5, put
from refusals import refused

from comodal.contracts import Binary, Multiclass, Multilabel
from comodal.contracts.errors import Code
from comodal.data.arrays import from_arrays, from_frame
from comodal.data.dataset import Dataset
from comodal.data.load import load

N = 30
SPLIT = ["train"] * 18 + ["valid"] * 6 + ["test"] * 6
VECTORS = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
MOODS = ["joyful", "angry", "fearful"] * 10
Door = Callable[..., Dataset]


def by_arrays(columns: dict[str, Sequence[Any]], *, task: str | None = None, split: Sequence[str] = SPLIT) -> Dataset:
    values = [np.array(each, dtype=object) for each in columns.values()]
    target = values[0] if len(values) == 1 else np.stack(values, axis=1)
    return from_arrays({"a": VECTORS}, target, split=split, task=task, name="mine", clean=True)


def by_frame(columns: dict[str, Sequence[Any]], *, task: str | None = None, split: Sequence[str] = SPLIT) -> Dataset:
    frame = pd.DataFrame({**{name: pd.array(list(each)) for name, each in columns.items()}, "split": split})
    frame[["x", "y"]] = VECTORS
    names = list(columns)
    return from_frame(
        frame,
        features={"a": ["x", "y"]},
        target=names[0] if len(names) == 1 else names,
        split="split",
        task=task,
        name="mine",
        clean=True,
    )


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))

    def write_table(columns: dict[str, Sequence[Any]], *, split: Sequence[str] = SPLIT) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        whole = {"id": [str(k) for k in range(N)], "group": [f"g{k}" for k in range(N)], "split": split, **columns}
        with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(whole)
            writer.writerows(
                ["" if each is None else each for each in row] for row in zip(*whole.values(), strict=True)
            )
        np.savez(folder / "a.npz", a=VECTORS)
        return folder

    return write_table


@pytest.fixture(params=["arrays", "frame", "table"])
def door(request: pytest.FixtureRequest, write: Callable[..., Path]) -> Door:
    def by_table(
        columns: dict[str, Sequence[Any]], *, task: str | None = None, split: Sequence[str] = SPLIT
    ) -> Dataset:
        return load(write(columns, split=split), label=",".join(columns), task=task, clean=True)

    return {"arrays": by_arrays, "frame": by_frame, "table": by_table}[request.param]


def with_row(values: Sequence[Any], row: int, value: Any) -> list[Any]:
    return [value if k == row else each for k, each in enumerate(values)]


PROBABILITIES = {name: [0.25, 0.5, 0.1] * 10 for name in ("p", "q")} | {"r": [0.5, 0.0, 0.8] * 10}
CASES: dict[str, tuple[dict[str, Sequence[Any]], dict[str, Any], Code, list[object]]] = {
    "only in test": ({"m": with_row(MOODS, 29, "bored")}, {}, "missing", ["'bored'", 1, "first 29"]),
    "only in test, a number": ({"m": with_row([0, 1] * 15, 29, 7)}, {"task": "multiclass"}, "missing", ["'7'", "29"]),
    "one class": ({"m": ["joyful"] * N}, {}, "invalid", ["joyful", "nothing to learn"]),
    "one class in train": ({"m": ["joyful"] * 18 + ["angry"] * 12}, {"task": "binary"}, "invalid", ["joyful", 18]),
    "one number": ({"m": [1.5] * N}, {"task": "regression:0,5"}, "invalid", ["1.5", "nothing to learn"]),
    "misspelt": ({"m": with_row(MOODS, 4, "angy")}, {}, "unknown_name", ["row 4", "'angy'", "did you mean 'angry'"]),
    "another case": ({"m": with_row(MOODS, 4, "Angry")}, {}, "unknown_name", ["row 4", "'Angry'", "'angry'"]),
    "misspelt, classes given": (
        {"m": with_row(MOODS, 4, "angy")},
        {"task": "multiclass:angry,fearful,joyful"},
        "unknown_name",
        ["row 4", "'angy'", "did you mean 'angry'"],
    ),
    "probabilities": (PROBABILITIES, {}, "invalid", ["argmax"]),
    "probabilities as classes": (PROBABILITIES, {"task": "multiclass"}, "wrong_shape", ["(30, 3)", "argmax"]),
    "probabilities as labels": (PROBABILITIES, {"task": "multilabel"}, "out_of_range", ["0.25", "row 0"]),
    "one probability": ({"m": [0.25, 0.5] * 15}, {"task": "binary"}, "wrong_type", ["0.25"]),
    "missing in test": ({"m": with_row(MOODS, 28, None)}, {}, "missing", ["test", 1, "first 28", "unlabelled"]),
    "missing in validation": ({"m": with_row(MOODS, 20, None)}, {}, "missing", ["valid", 1, "first 20"]),
    "a missing number in test": (
        {"m": with_row(np.linspace(-1, 1, N).tolist(), 28, None)},
        {"task": "regression"},
        "missing",
        ["test", "first 28"],
    ),
    "outside a range": (
        {"m": with_row(np.linspace(0, 5, N).tolist(), 3, 7.5)},
        {"task": "regression:0,5"},
        "out_of_range",
        ["[0, 5]", 1, "3 (7.5)"],
    ),
    "some of several": (
        {"loud": with_row([0, 1] * 15, 3, None), "sad": [1, 0, 0] * 10},
        {"task": "multilabel"},
        "missing",
        ["row 3", "loud"],
    ),
    "some of several outputs": (
        {"up": with_row(np.linspace(0, 5, N).tolist(), 3, None), "down": np.linspace(3, 5, N).tolist()},
        {"task": "regression"},
        "missing",
        ["row 3", "up"],
    ),
    "whole numbers": ({"m": [1, 2, 3] * 10}, {}, "missing", ["1, 2, 3", "--task"]),
    "whole numbers beside missing ones": ({"m": with_row([1, 2, 3] * 10, 3, None)}, {}, "missing", ["--task"]),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_in_one_line(case: str, door: Door) -> None:
    columns, options, code, named = CASES[case]
    if door is by_arrays or door is by_frame:  # their names of outputs are numbers, or the frame's columns
        named = [each for each in named if each not in {"loud", "up"}]
    with refused(code, "mine", *named):
        door(columns, **options)


@pytest.mark.parametrize("case", ["only in test", "misspelt", "missing in test", "outside a range"])
def test_refused_by_the_command(case: str, write: Callable[..., Path], comodal: Callable[..., Any]) -> None:
    columns, options, _, named = CASES[case]
    folder = write(columns)
    task = f" --task {options['task']}" if options else ""
    for line in (f"train {folder} --label m{task} --clean --out run", f"data convert {folder} new --label m{task}"):
        if case == "only in test" and line.startswith("data"):
            continue  # it can be converted, with other divisions in mind
        said = comodal(line)
        assert said.status == 2
        last = said.err.splitlines()[-1]
        assert all(str(each) in last for each in named), last


def test_classes_that_only_look_misspelt_are_kept(door: Door) -> None:
    few = {"m": ["male", "female", "gate1", "gate2", "cat", "bat"] + ["male", "cat", "gate1"] * 8}
    assert door(few, split=["train"] * 6 + SPLIT[6:]).spec.task.classes == (
        "bat",
        "cat",
        "female",
        "gate1",
        "gate2",
        "male",
    )
    named = door({"m": with_row(MOODS, 4, "angy")}, task="multiclass:angry,angy,fearful,joyful")
    assert named.target[4] == 1


def test_a_row_without_any_of_its_labels_is_a_row_of_zeros(door: Door) -> None:
    """None of the emotions is an answer; a missing label is an empty cell."""
    columns = {"loud": [0, 1, 0] * 10, "sad": [0, 0, 1] * 10}
    dataset = door(columns, task="multilabel")
    assert isinstance(dataset.spec.task, Multilabel)
    assert dataset.target[0].tolist() == [0.0, 0.0]
    hidden = {name: with_row(each, 0, None) for name, each in columns.items()}
    assert door(hidden, task="multilabel").partitions[0].unlabelled.tolist() == [0]


def test_a_class_with_fewer_samples_than_folds(write: Callable[..., Path]) -> None:
    folds = np.arange(N) % 5
    folder = write({"mood": ["rare" if k < 3 else ("a", "b")[k % 2] for k in range(N)], "fold": folds.tolist()})
    with refused("missing", folder, "'rare'", 3, "5 folds"):
        load(folder, protocol="fold", label="mood")
    assert load(write({"mood": ["a", "b"] * 15, "fold": folds.tolist()}), protocol="fold", label="mood")


def test_a_masked_label_is_a_missing_one() -> None:
    names = np.ma.array(MOODS, mask=np.arange(N) == 2)
    for task in (None, Multiclass(("angry", "fearful", "joyful"))):
        part = from_arrays({"a": VECTORS}, names, split=SPLIT, task=task).partitions[0]
        assert part.unlabelled.tolist() == [2]


def test_a_task_with_its_classes_takes_no_probabilities() -> None:
    with refused("wrong_shape", "mine", "(30, 2)", "argmax"):
        from_arrays({"a": VECTORS}, np.full((N, 2), 0.5), task=Binary(("no", "yes")), name="mine")


def test_two_columns_that_may_be_the_label_are_asked_about(write: Callable[..., Path]) -> None:
    folder = write({"sentiment": np.linspace(-3, 3, N).tolist(), "label": MOODS, "y": [1, 2, 3] * 10})
    with refused("missing", folder, "--label", "label, sentiment, y"):
        load(folder)
    assert load(folder, label="sentiment").spec.task.kind == "sentiment"
    assert load(folder, label="label").spec.task.classes == ("angry", "fearful", "joyful")
    assert load(folder, label="y", task="multiclass").spec.task.classes == ("1", "2", "3")


def test_the_range_of_a_table_is_that_of_its_labels(write: Callable[..., Path], comodal: Callable[..., Any]) -> None:
    for labels, said in (
        (np.linspace(0.1, 0.9, N), "0 to 1, from the labels"),
        (np.linspace(1.5, 6.5, N), "1 to 7, from the labels"),
        (np.linspace(-2.5, 2.5, N), "-3 to 3, from the labels"),
    ):
        assert f"label range: {said}" in comodal(f"data inspect {write({'label': labels.tolist()})}").out
    assert load(write({"label": np.linspace(0.1, 0.9, N).tolist()})).spec.task.kind == "regression"
    assert load(write({"sentiment": np.linspace(0.1, 0.9, N).tolist()})).spec.task.kind == "sentiment"


def test_ratings_of_a_field_file_are_not_moved_into_the_range_of_sentiment(
    tmp_path: Path, comodal: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMODAL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "ratings"
    folder.mkdir()
    modality_h5(folder)
    ratings = {"train": [1.0, 2, 4, 7], "valid": [1.5, 6, 3], "test": [7.0, 1]}
    for split, given in ratings.items():
        (folder / f"y_{split}.h5").unlink()
        put(folder / f"y_{split}.h5", "d1", np.array(given)[:, None])
    said = comodal(f"data convert {folder} new")
    assert said.status == 2
    assert all(each in said.err.splitlines()[-1] for each in ("[-3, 3]", ": 4", "(4)", "--task"))
    assert comodal(f"data convert {folder} new --task regression").status == 0
    assert load("new").target.tolist() == [each for given in ratings.values() for each in given]
    assert load("new").spec.task.label_range == (1.0, 7.0)


def test_inspect_tells_rows_of_zeros_from_missing_labels(
    write: Callable[..., Path], comodal: Callable[..., Any]
) -> None:
    folder = write({"loud": with_row([0, 1, 0] * 10, 0, None), "sad": with_row([0, 0, 1] * 10, 0, None)})
    shown = comodal(f"data inspect {folder} --label loud,sad --task multilabel").out
    assert "loud 10, sad 10; 9 with none of them" in shown
    assert "without a label: 1 of 30" in shown
