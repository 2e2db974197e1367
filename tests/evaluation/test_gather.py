"""What is gathered equals what the commands wrote, read here once more by hand."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from finished_runs import two_arms
from live_server import short_run
from refusals import refused

from comodal.contracts import Attribution, ComparisonRow, ExplanationTable, PairingScore, RobustnessRow, Sentiment
from comodal.evaluation.comparison import Comparison, compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.gather import findings_of, gather
from comodal.evaluation.grid import Arm
from comodal.evaluation.runs import open_runs
from comodal.reports import write_summary
from comodal.training.config import RunConfig, TrainingConfig

DATA = DataConfig(source="synthetic:redundant")
CONFIG = two_arms(TrainingConfig(max_epochs=1))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("found") / "run")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    folder = tmp_path_factory.mktemp("found") / "comparison"
    found = compare(DATA, CONFIG, out=folder, replicate=True)
    write_summary(found.rows, folder)
    write_summary(found.replication, folder / "replication")
    return folder, found


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A run folder that a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def row() -> ComparisonRow:
    return ComparisonRow("early", "kl", 0.3, "mae", 0.8, 0.1, -0.02, -0.03, -0.01, 0.04, 32, 0, 1.5)


def explanation(n: int = 3) -> ExplanationTable:
    columns = {name: np.linspace(0.0, 1.0, n) for name in ("target", "prediction", "dependency", "percentile")}
    return ExplanationTable(
        id=np.array([f"v_{k}" for k in range(n)]),
        group=np.array(["v"] * n),
        transcript=np.array(["مرحبا", "<script>alert(1)</script>", ""]),
        map_x=np.zeros(n),
        map_y=np.ones(n),
        swapped={"text": np.zeros(n), "audio": np.ones(n)},
        without={"text": np.zeros(n), "audio": np.ones(n)},
        facts={"unit": "nats"},
        **columns,
    )


def explain_into(folder: Path, *, total: float = 0.5, auroc: float = 0.9) -> tuple[Attribution, PairingScore]:
    folder.mkdir(parents=True)
    explanation().to_parquet(folder / "explanation.parquet")
    moved = Attribution("v_0", "text", total, (0.2, 0.3), ("so", "good"), ((3, 0.4),))
    other = replace(moved, modality="audio", words=())
    lines = [json.dumps(asdict(each)) for each in (moved, other)]
    (folder / "attributions.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = PairingScore("critic", "broken pairs", "text", auroc, 0.8, 0.95, 0.9, 0.8, 0.95, 10, 20)
    (folder / "pairing.json").write_text(json.dumps([asdict(found)]), encoding="utf-8")
    return moved, found


def test_a_single_run_gives_its_scores_as_rows(trained: Path) -> None:
    found = gather(trained)
    metrics = json.loads((trained / "metrics.json").read_text())
    assert {row.metric for row in found.rows} == {name for name, value in metrics.items() if "ci_low" in str(value)}
    for each in found.rows:
        value = metrics[each.metric]
        assert (each.mean, each.fusion, each.measure, each.weight) == (value["value"], "early", "kl", 0.3)
        assert (each.std, each.delta, each.p_value, each.reference, each.n_seeds) == (None, None, None, None, 1)
        assert f"[{value['ci_low']:.3f}, {value['ci_high']:.3f}]" in each.note
        assert "synthetic data" in each.note
        assert each.better == ("lower" if each.metric == "mae" else "higher")
    assert (found.title, found.seeds) == ("run", (0,))
    assert (found.replication, found.robustness, found.explanations, found.pairing) == ((), (), (), ())
    assert found.versions == json.loads((trained / "environment.json").read_text())
    assert found.config == yaml.safe_load((trained / "config.yaml").read_text())


def test_facts_of_the_data_are_those_of_the_preset(trained: Path) -> None:
    facts = gather(trained).data
    assert (facts.name, facts.source, facts.samples) == ("synthetic:redundant", "synthetic:redundant", 1020)
    assert facts.splits == {"synthetic": {"train": 120, "valid": 100, "test": 800}}
    assert facts.modalities == {"text": 8, "audio": 8, "vision": 8}
    assert facts.task == Sentiment()


def test_predictions_are_gathered_for_a_task_with_figures_of_them(trained: Path, tmp_path: Path) -> None:
    assert gather(trained).predictions == ()
    compared = compare(DataConfig(source="digits"), CONFIG, out=tmp_path)
    found = gather(tmp_path)
    assert list(found.breakdown) == compared.breakdown
    assert len(found.breakdown) == 3 * 10 * 4
    kl = next(each for each in found.predictions if each.measure == "kl")
    for seed, run in enumerate(open_runs(tmp_path).arms()[Arm("early", "kl")]):
        assert np.array_equal(kl.prediction[seed], run.predictions().prediction)
        assert np.array_equal(kl.target, run.predictions().target)


def test_training_curves_are_what_was_logged(trained: Path) -> None:
    (curve,) = gather(trained).curves
    kept = json.loads((trained / "synthetic" / "history.json").read_text())
    assert (curve.fusion, curve.measure, curve.seed, curve.partition) == ("early", "kl", 0, "synthetic")
    assert curve.best_epoch == kept["best_epoch"]
    assert set(curve.values) == {"train_task", "train_dependency", "valid_loss"}
    assert curve.values["valid_loss"] == tuple(epoch["valid_loss"] for epoch in kept["epochs"])


def test_what_an_epoch_did_not_log_is_nan(copy: Path) -> None:
    history = {"best_epoch": 0, "epochs": [{"epoch": 0, "a": 1}, {"epoch": 1, "a": 2, "b": 3}]}
    (copy / "synthetic" / "history.json").write_text(json.dumps(history))
    (curve,) = gather(copy).curves
    assert curve.values["a"] == (1.0, 2.0)
    assert math.isnan(curve.values["b"][0])
    (copy / "synthetic" / "history.json").unlink()
    assert gather(copy).curves == ()


def test_a_comparison_gives_its_tables(compared: tuple[Path, Comparison]) -> None:
    folder, found = compared
    gathered = gather(folder)
    assert list(gathered.rows) == found.rows
    assert list(gathered.replication) == found.replication
    assert gathered.seeds == (0, 1)
    single = f"early:{found.selection.modality['early']}"
    arms = [("early", "none"), ("early", "kl"), (single, "none")]
    assert [(curve.fusion, curve.measure) for curve in gathered.curves] == [arm for arm in arms for _ in range(2)]
    assert gathered == findings_of(open_runs(folder))


def test_robustness_and_explanation_are_read_back(copy: Path) -> None:
    rows = [
        RobustnessRow("subset", "text", "", "", None, row()),
        RobustnessRow("curve", "noise:audio=0.5", "audio", "noise", 0.5, row()),
    ]
    (copy / "robustness").mkdir()
    (copy / "robustness" / "rows.json").write_text(json.dumps([asdict(each) for each in rows]))
    moved, score = explain_into(copy / "explanation")
    found = gather(copy)
    assert list(found.robustness) == rows
    assert found.robustness_replication == ()
    (copy / "robustness" / "replication").mkdir()
    (copy / "robustness" / "rows.json").rename(copy / "robustness" / "replication" / "rows.json")
    fresh = gather(copy)
    assert (list(fresh.robustness_replication), fresh.robustness) == (rows, ())
    assert list(found.explanations[0].transcript) == list(explanation().transcript)
    assert found.attributions["v_0"][0] == moved
    assert [each.modality for each in found.attributions["v_0"]] == ["text", "audio"]
    assert found.pairing == (score,)


def test_of_several_explanations_the_first_has_its_attributions(copy: Path) -> None:
    explain_into(copy / "explanation" / "lfn-kl-seed-0", total=9.0, auroc=0.6)
    moved, score = explain_into(copy / "explanation" / "early-kl-seed-0")
    found = gather(copy)
    assert len(found.explanations) == 2
    assert (found.attributions["v_0"][0], found.pairing) == (moved, (score,))
    (copy / "explanation" / "early-kl-seed-0" / "pairing.json").unlink()
    assert gather(copy).pairing[0].auroc == 0.6  # the first that was validated
    (copy / "explanation" / "early-kl-seed-0" / "attributions.jsonl").unlink()
    assert gather(copy).attributions == {}


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("robustness/rows.json", "[{]", "rows.json"),
        ("robustness/rows.json", '[{"kind": "subset"}]', "rows.json: entry 1"),
        ("robustness/rows.json", "[3]", "rows.json: entry 1"),
        ("robustness/rows.json", '[{"colour": 1}]', "rows.json: entry 1"),
        ("explanation/attributions.jsonl", "{", "attributions.jsonl"),
        ("explanation/attributions.jsonl", '{"id": "v"}', "attributions.jsonl: entry 1"),
        ("explanation/pairing.json", '[{"score": "critic"}]', "pairing.json: entry 1"),
        ("explanation/explanation.parquet", "no", "explanation.parquet"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(copy: Path, name: str, text: str, named: str) -> None:
    explain_into(copy / "explanation")
    (copy / "robustness").mkdir()
    (copy / name).write_text(text)
    with refused("damaged", named):
        gather(copy)


def test_a_folder_without_a_finished_run_is_refused(copy: Path, tmp_path: Path) -> None:
    with refused("missing", tmp_path):
        gather(tmp_path)
    (copy / "metrics.json").unlink()
    with refused("missing", copy):
        gather(copy)


def test_several_folders_make_one_page(
    trained: Path, tmp_path: Path, short: Callable[..., RunConfig], compared: tuple[Path, Comparison]
) -> None:
    other = tmp_path / "other"
    train(DATA, short(seed=3, fusion="lfn"), out=other)
    found = gather(trained, other)
    assert (found.title, found.seeds, len(found.curves)) == ("run + other", (0, 3), 2)
    assert {row.fusion for row in found.rows} == {"early", "lfn"}
    assert set(found.config) == {"run", "other"}
    with refused("duplicate", "run", "comparison", "early/kl"):
        gather(trained, compared[0])


def test_reference_rows_of_several_comparisons_are_shown_once(
    compared: tuple[Path, Comparison], tmp_path: Path
) -> None:
    folder, found = compared
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    text = (other / "summary.json").read_text()
    (other / "summary.json").write_text(text.replace('"early', '"late'))
    arms = [(row.fusion, row.measure) for row in gather(folder, other).rows if row.metric == "mae"]
    assert len(arms) == len(set(arms)) == 8, "three arms each, and two reference models"
    assert gather(folder, other).rows[: len(found.rows)] == tuple(found.rows)


def test_runs_of_different_data_sets_are_refused(
    trained: Path, tmp_path: Path, short: Callable[..., RunConfig]
) -> None:
    other = tmp_path / "other"
    train(DataConfig(source="synthetic:single"), short(fusion="lfn"), out=other)
    with refused("mismatch", "synthetic:redundant", 1020, "other", "synthetic:single"):
        gather(trained, other)


def test_chosen_metrics_of_the_tables(compared: tuple[Path, Comparison]) -> None:
    folder, found = compared
    chosen = gather(folder, metrics=["corr", "mae"])
    for rows, every in ((chosen.rows, found.rows), (chosen.replication, found.replication)):
        assert list(dict.fromkeys(row.metric for row in rows)) == ["corr", "mae"]
        assert set(rows) == {row for row in every if row.metric in {"corr", "mae"}}
    with refused("unknown_name", "accuracy"):
        gather(folder, metrics=["accuracy"])
