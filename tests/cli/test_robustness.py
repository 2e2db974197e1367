"""`comodal robustness` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comodal.reports.robustness_report import read_robustness

Comodal = Callable[..., Any]
QUICK = "--metrics mae,acc_2_pos"


@pytest.fixture
def run(comodal: Comodal) -> Path:
    done = comodal("train synthetic:redundant --training.max_epochs 1 --penalty.measure kl --out run --json")
    assert done.status == 0
    return Path("run")


def test_subsets_and_curves_of_a_run(comodal: Comodal, run: Path) -> None:
    done = comodal(f"robustness run {QUICK} --severities 0,1 --kinds drop,noise --modalities audio --json")
    rows = json.loads(done.out)
    assert {row["scenario"] for row in rows if row["kind"] == "subset"} >= {"clean", "text+audio", "vision"}
    assert {row["scenario"] for row in rows if row["kind"] == "curve"} == {
        *("drop:audio=0", "drop:audio=1", "noise:audio=0", "noise:audio=1")
    }
    assert {row["row"]["fusion"] for row in rows} == {"early", "constant", "linear"}
    own = [row for row in rows if row["row"]["fusion"] == "early"]
    value = {(row["scenario"], row["row"]["metric"]): row["row"]["mean"] for row in own}
    assert value["drop:audio=1", "mae"] == value["text+vision", "mae"]  # hidden from everyone is not there
    again = json.loads(comodal("evaluate run --json").out)
    assert value["clean", "mae"] == again["mae"]["value"]
    assert len(read_robustness(run / "robustness" / "rows.json")) == len(rows)
    assert {path.name for path in (run / "robustness").iterdir()} == {
        *("rows.json", "rows.csv", "table.md", "table.tex", "predictions")
    }


@pytest.mark.usefixtures("run")
def test_nothing_is_overwritten_unless_told(comodal: Comodal) -> None:
    shown = comodal(f"robustness run {QUICK} --scenarios subsets --out table")
    assert "audio+vision" in shown.out
    assert "Written: table/rows.json" in shown.out
    refused = comodal(f"robustness run {QUICK} --scenarios subsets --out table")
    assert (refused.status, refused.err) == (
        2,
        "comodal: error: table/rows.json: exists already; give --force to replace it, or another --out\n",
    )
    assert comodal(f"robustness run {QUICK} --scenarios subsets --out table --force").status == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--metrics mea", "unknown metric 'mea': did you mean 'mae'?"),
        ("--severities a", "--severities 'a': give comma-separated numbers"),
        ("--severities 3", "number between 0 and 1"),
    ],
)
@pytest.mark.usefixtures("run")
def test_bad_options_are_one_line(comodal: Comodal, options: str, message: str) -> None:
    done = comodal(f"robustness run {options}")
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
