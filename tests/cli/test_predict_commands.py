from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Comodal = Callable[..., Any]

TRAIN = "train synthetic:redundant --out run --training.max_epochs 1"


def test_predict_export_and_predict_again(comodal: Comodal) -> None:
    assert comodal(TRAIN).status == 0
    assert comodal("predict run synthetic:redundant -o one.csv --split test").status == 0
    made = comodal("export run model --json")
    assert made.status == 0
    assert "fold-0/model.safetensors" in json.loads(made.out)["files"]
    assert comodal("predict model synthetic:redundant -o two.csv --split test").status == 0
    assert Path("one.csv").read_text() == Path("two.csv").read_text()
    with Path("one.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 800
    again = comodal("predict run synthetic:redundant -o one.csv")
    assert again.status == 2
    assert again.err == "comodal: error: one.csv: exists already; give another name, or --force to overwrite it\n"
    assert comodal("predict run synthetic:redundant -o one.csv --force").status == 0
    assert comodal("export run model").status == 2


def test_predict_says_what_it_left_out(comodal: Comodal) -> None:
    comodal(TRAIN)
    np.savez("new.npz", text=np.zeros((3, 8)), smell=np.zeros((3, 2)), id=np.array(["a", "b", "c"]))
    result = comodal("predict run new.npz -o out.json --json")
    assert result.status == 0
    assert json.loads(result.out)["modalities"] == {"text": 3}
    assert "note: smell: not known to the model, left out" in result.err
    assert "note: audio, vision: not in new.npz, hidden" in result.err
    assert [row["id"] for row in json.loads(Path("out.json").read_text())] == ["a", "b", "c"]


def test_an_ending_is_refused_before_the_model_is_loaded(comodal: Comodal) -> None:
    result = comodal("predict nowhere nothing -o out.xls")
    assert result.status == 2
    assert "end the name in .csv, .json or .parquet" in result.err
