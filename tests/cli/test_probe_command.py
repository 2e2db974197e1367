"""Training without a task, the probe of it, and training that starts from it, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from refusals import refused

import comodal
from comodal.cli import main
from comodal.cli.subcommands import run

ALONE = "--task none --penalty.measure gaussian --penalty.weight 1 --training.max_epochs 2"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "pretrained"
    assert main(["train", "digits", *ALONE.split(), "--out", str(folder)]) == 0
    return folder


def test_the_probe_reads_the_labels_of_the_data_of_the_run(
    pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"probe {pretrained} --label-budget 2,all --seeds 2 --metrics accuracy"
    assert main([*words.split(), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    digits = comodal.load_dataset("digits")
    found = comodal.probe(comodal.load_model(pretrained), digits, budgets=(2, 0), seeds=2, metrics=["accuracy"])
    assert [(row["fusion"], row["labels"], row["mean"]) for row in rows] == [
        (row.fusion, row.labels, row.mean) for row in found
    ]
    assert main(["probe", str(pretrained), *words.split()[1:], "--json"]) == 0  # twice the same run
    again = json.loads(capsys.readouterr().out)
    assert [row | {"seconds": 0} for row in again] == [row | {"seconds": 0} for row in rows]
    assert main([*words.split(), "--out", str(tmp_path / "table")]) == 0
    printed = capsys.readouterr().out
    assert "probe/gaussian" in printed
    assert "label_efficiency.md" in printed
    assert (tmp_path / "table" / "summary.csv").exists()


def test_training_starts_from_it(pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = f"train digits --start {pretrained} --training.label_budget 5 --training.max_epochs 1 --out {tmp_path}/run"
    assert main([*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_train"] == [50]
    assert main(["evaluate", f"{tmp_path}/run", "--json"]) == 0


def test_what_is_refused(pretrained: Path, tmp_path: Path) -> None:
    with refused("missing", "penalty.measure"):
        run(["train", "digits", "--task", "none", "--out", str(tmp_path / "none")])
    with refused("conflict", "none:a"):
        run(["train", "digits", "--task", "none:a", "--out", str(tmp_path / "none")])
    for command in ("evaluate", "robustness", "explain", "serve"):
        with refused("unsupported", "probe"):
            run([command, str(pretrained)])
    with refused("unsupported", "probe"):
        run(["predict", str(pretrained), "digits", "--out", str(tmp_path / "found.csv")])
    with refused("wrong_type", "--label-budget"):
        run(["probe", str(pretrained), "--label-budget", "0"])
    with refused("missing", "digits"):
        run(["compare", "digits", "--task", "none", "--out", str(tmp_path / "compared")])
    comodal.train(
        comodal.load_dataset("digits").without_labels(),
        comodal.RunConfig(
            penalty=comodal.PenaltyConfig(measure="gaussian"), training=comodal.TrainingConfig(max_epochs=1)
        ),
        out=tmp_path / "memory",
    )
    with refused("missing", "memory"):
        run(["probe", str(tmp_path / "memory")])
