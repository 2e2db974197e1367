from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodal.contracts import PredictionTable, Sentiment
from comodal.fusion import FUSIONS

Comodal = Callable[..., Any]

TRAIN = "train synthetic:redundant --out run --training.max_epochs 2"
COMPARE = "compare synthetic:redundant --out run --training.max_epochs 2 --seeds 2 --selection-seeds 1"
ISSUE_KEYS = (
    "fusion measure weight metric mean std delta ci_low ci_high p_value n_seeds collapsed".split()  # noqa: SIM905 - as read
)


def strict_json(text: str) -> Any:
    """Parse, and refuse the NaN and Infinity that Python writes and JSON does not have."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("command", ["", "train", "evaluate", "estimate", "compare", "predict", "export"])
def test_help_is_worth_reading(command: str, comodal: Comodal) -> None:
    result = comodal(f"{command} --help")
    assert result.status == 0
    assert result.err == ""
    assert len(result.out) > 500
    if command:
        assert f"comodal {command}" in result.out
        assert "Example: comodal" in " ".join(result.out.split())
        assert "--json" in result.out


def test_every_option_of_train_is_explained(comodal: Comodal) -> None:
    text = comodal("train --help").out
    for option in (
        "--training.patience",
        "--penalty.critic_steps",
        "--fusion_config",
        "--seed",
        "--features",
        "--clean",
    ):
        where = text.index(f"  {option} ")
        assert re.search(r"[a-z]{3,} [a-z]+", text[where + len(option) : where + 400]), option


def test_version(comodal: Comodal) -> None:
    from comodal import __version__

    assert comodal("--version").out.strip() == f"comodal {__version__}"


def test_train_evaluate_and_read_back(comodal: Comodal, tmp_path: Path) -> None:
    trained = comodal(f"{TRAIN} --json --penalty.measure kl")
    assert (trained.status, trained.err) == (0, "")
    report = strict_json(trained.out)
    assert report["folder"] == "run"
    assert set(Sentiment.reported) <= set(report)
    assert strict_json((tmp_path / "run" / "metrics.json").read_text()) == {
        name: value for name, value in report.items() if name not in {"folder", "no_better_than"}
    }
    assert strict_json(comodal(f"{TRAIN} --json --penalty.measure kl").out) == report
    again = comodal("evaluate run --json --predictions table.parquet")
    assert (again.status, again.err) == (0, "")
    for name in Sentiment.reported:
        assert strict_json(again.out)[name] == report[name]
    assert len(PredictionTable.from_parquet(tmp_path / "table.parquet")) == report["n_test"] == 800
    valid = strict_json(comodal("evaluate run --split valid --json").out)
    assert valid["mae"]["n"] == 100


def test_without_json_a_table_for_people(comodal: Comodal) -> None:
    result = comodal(TRAIN)
    assert result.status == 0
    for name in Sentiment.reported:
        assert name in result.out
    assert (
        "no better than the linear reference in mae"
        in comodal("train synthetic:redundant --out poor --training.max_epochs 1 --training.lr 1e-9").out
    )


def test_what_does_not_exist_is_null_and_not_nan(comodal: Comodal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test part of one video has no interval over videos."""
    import dataclasses

    from comodal.data import embedded_sets as load

    monkeypatch.setitem(load.PRESETS, "redundant", dataclasses.replace(load.PRESETS["redundant"], n_test=8))
    result = comodal(f"{TRAIN} --json")
    assert result.status == 0
    assert strict_json(result.out)["mae"]["ci_low"] is None
    assert "undefined" in comodal(TRAIN).out


def test_options_come_from_a_file_and_the_command_line_wins(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "fusion: lfn\nfusion_config:\n  rank: 2\n  encoder: {hidden: 9}\nseed: 3\npenalty: {measure: kl, weight: 0.7}\n"
        "training: {max_epochs: 9}\n"
    )
    assert comodal("train synthetic:redundant --out run --config run.yaml --training.max_epochs 1 --seed 5").status == 0
    import yaml

    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (kept["fusion"], kept["seed"], kept["training"]["max_epochs"]) == ("lfn", 5, 1)
    assert (kept["penalty"]["measure"], kept["penalty"]["weight"]) == ("kl", 0.7)
    assert (kept["fusion_config"]["rank"], kept["fusion_config"]["encoder"]["hidden"]) == (2, 9)
    assert kept["data"] == {
        "source": "synthetic:redundant",
        "features": None,
        "protocol": None,
        "clean": False,
        "label": None,
        "task": None,
    }


def test_a_list_in_a_file_is_what_commas_separate(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        "metrics: [r2, mae]\nmeasures: [none, kl]\nweight: 1\nseeds: 2\nselection_seeds: 1\n"
    )
    found = comodal("compare synthetic:redundant --out run --config run.yaml --training.max_epochs 1 --json")
    assert found.status == 0
    rows = strict_json(found.out)["rows"]
    assert [row["metric"] for row in rows] == ["r2", "mae"] * (len(rows) // 2)
    assert {row["weight"] for row in rows if row["measure"] == "kl"} == {1.0}


def test_an_empty_config_file_changes_nothing(comodal: Comodal, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    assert comodal(f"{TRAIN} --config empty.yaml").status == 0


def test_features_choose_the_modalities(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(f"{TRAIN} --features audio=audio,words=text").status == 0
    from safetensors import safe_open

    with safe_open(next(tmp_path.rglob("standardizer*")), "numpy") as file:
        assert file.metadata()["modalities"].split() == ["audio", "words"]


@pytest.mark.slow
def test_compare_writes_and_prints_the_table(comodal: Comodal, tmp_path: Path) -> None:
    result = comodal(f"{COMPARE} --fusion early,lfn --measures none,kl --weight 0.3 --json")
    assert result.status == 0
    printed = strict_json(result.out)
    rows = strict_json((tmp_path / "run" / "summary.json").read_text())
    assert printed["rows"] == rows
    assert printed["replication"] == []
    assert all(set(ISSUE_KEYS) <= set(row) for row in rows)
    single = strict_json((tmp_path / "run" / "selection.json").read_text())["single_modality"]
    arms = {(row["fusion"], row["measure"]) for row in rows}
    assert arms == {
        *((fusion, measure) for fusion in ("early", "lfn") for measure in ("none", "kl")),
        *((f"{fusion}:{single[fusion]}", "none") for fusion in ("early", "lfn")),
        *((reference, "none") for reference in ("constant", "linear")),
    }
    assert len(rows) == len(arms) * len(Sentiment.reported)
    for row in rows:
        assert all(not isinstance(value, float) or math.isfinite(value) for value in row.values())
        assert (row["p_value"] is None) == (row["reference"] is None)
        assert row["n_seeds"] == 2
    with (tmp_path / "run" / "summary.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in table] == [row["mean"] for row in rows]
    markdown = (tmp_path / "run" / "summary.md").read_text()
    assert "synthetic:redundant" in markdown
    assert markdown.count("\n|") >= len(arms)

    again = comodal(f"{COMPARE} --fusion early,lfn --measures none,kl --weight 0.3 --replicate")
    assert again.status == 0
    assert "2 seeds" in again.out
    assert "2 fresh seeds" in again.out
    fresh = strict_json((tmp_path / "run" / "replication" / "summary.json").read_text())
    assert [row["metric"] for row in fresh] == [row["metric"] for row in rows]
    assert fresh != rows
    assert strict_json((tmp_path / "run" / "summary.json").read_text()) == rows


def test_compare_keeps_no_weights_when_told(comodal: Comodal, tmp_path: Path) -> None:
    assert comodal(f"{COMPARE} --measures none --no-weights").status == 0
    assert not list(tmp_path.rglob("weights.safetensors"))
    assert len(list((tmp_path / "run" / "runs").rglob("predictions.parquet"))) == 4


@pytest.mark.slow
def test_estimate_reports_a_dependency(comodal: Comodal, tmp_path: Path) -> None:
    """Two views of correlation 0.9: mutual information -ln(1 - 0.81) / 2 = 0.83 nats; 0 for independent ones."""
    rng = np.random.default_rng(0)
    a, noise = rng.normal(size=(1200, 1)), rng.normal(size=(1200, 1))
    np.savez(tmp_path / "views.npz", a=a, b=0.9 * a + 0.19**0.5 * noise, c=noise)
    result = comodal("estimate views.npz --views a,b --json")
    assert (result.status, result.err) == (0, "")
    found = strict_json(result.out)
    assert (found["measure"], found["unit"]) == ("kl", "nats")
    assert found["n_fit"] + found["n_eval"] == 1200
    assert 0.6 < found["value"] < 1.0
    assert found["ci_low"] <= found["value"] <= found["ci_high"]
    assert "pointwise" not in found
    table = comodal("estimate views.npz --views a,c").out
    assert "views.npz: a, c" in table
    independent = re.search(r"value\W+([-\d.]+)", table)
    assert independent
    assert abs(float(independent[1])) < 0.1


@pytest.mark.slow
def test_as_a_real_command(tmp_path: Path) -> None:
    """Installed, in a shell: standard output is JSON alone, a mistake is one line and status 2."""
    command = [str(Path(sys.executable).with_name("comodal"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command + line.split(), cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    trained = run(f"{TRAIN} --json --training.max_epochs 1")
    assert (trained.returncode, trained.stderr) == (0, "")
    assert strict_json(trained.stdout)["n_test"] == 800
    wrong = run(f"{TRAIN} --fusion erly")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert (
        wrong.stderr == f"comodal: error: unknown fusion 'erly': did you mean 'early'? (known: {', '.join(FUSIONS)})\n"
    )
