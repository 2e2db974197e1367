"""Numbers of single classes as files, and from the runs of an arm."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from comodal.contracts import Multiclass, PredictionTable, Sentiment, Task
from comodal.evaluation.rows import SeedRun, breakdown_rows
from comodal.reports import write_breakdown

TASK = Multiclass(("joy", "anger_&_fear", "never"))


def run(seed: int, decided: list[int], task: Task = TASK) -> SeedRun:
    prediction = 0.8 * np.eye(3)[decided] + 0.1
    table = PredictionTable.of([0.0, 0.0, 1.0, 1.0], prediction, group=list("abcd"), task=task)
    return SeedRun(seed, table, 1.0)


def test_means_over_seeds_by_hand() -> None:
    rows = breakdown_rows({("early", "kl", 0.3): [run(0, [0, 0, 1, 1]), run(1, [0, 1, 1, 1])]})
    found = {(row.name, row.number): (row.mean, row.std) for row in rows}
    assert found["joy", "recall"] == (75.0, np.std([100.0, 50.0], ddof=1))
    assert found["anger_&_fear", "precision"][0] == pytest.approx((100 + 200 / 3) / 2)
    assert found["never", "support"] == (0.0, 0.0)
    assert found["never", "f1"] == (None, None)
    assert {(row.fusion, row.measure, row.weight, row.noun, row.n_seeds) for row in rows} == {
        ("early", "kl", 0.3, "class", 2)
    }


def test_a_single_number_has_no_rows_and_no_files(tmp_path: Path) -> None:
    table = PredictionTable.of([1.0, -1.0], [0.5, 0.5], group=["a", "b"], task=Sentiment())
    rows = breakdown_rows({("early", "none", 0.0): [SeedRun(0, table, 1.0)]})
    assert rows == []
    assert write_breakdown(rows, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_files_hold_every_class_of_every_arm(tmp_path: Path) -> None:
    arms = {("early", name, 0.0): [run(0, [0, 0, 1, 0]), run(1, [0, 0, 1, 1])] for name in ("none", "kl")}
    rows = breakdown_rows(arms)
    paths = {path.suffix: path.read_text(encoding="utf-8") for path in write_breakdown(rows, tmp_path, title="toy")}
    lines = list(csv.DictReader(paths[".csv"].splitlines()))
    assert len(lines) == len(rows) == 2 * 3 * 4
    assert [line["mean"] for line in lines if line["name"] == "never" and line["number"] == "precision"] == ["", ""]
    assert "| joy | 83.3 ± 23.6 | 100.0 ± 0.0 | 90.0 ± 14.1 | 2 |" in paths[".md"]
    assert paths[".md"].count("| never |  |  |  | 0 |") == 2
    assert paths[".tex"].count(r"anger\_\&\_fear") == 2
    assert r"\label{tab:early-kl}" in paths[".tex"]
