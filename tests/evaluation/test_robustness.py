"""Finished runs in every scenario: as one by one, the same chance for all, nothing predicted twice."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused

from comodal.contracts import PredictionTable
from comodal.contracts.errors import Code
from comodal.data.dataset import Dataset
from comodal.evaluation import scenario_runs
from comodal.evaluation.fitted import predict
from comodal.evaluation.reference_models import REFERENCE_MODELS
from comodal.evaluation.reference_runs import ReferenceRuns
from comodal.evaluation.robustness import RobustnessConfig, robustness
from comodal.evaluation.runs import open_runs
from comodal.evaluation.scenario_predictions import ScenarioPredictions
from comodal.evaluation.scenario_runs import ScenarioRun, predict_scenarios, run_scenarios
from comodal.evaluation.scenarios import Scenario, Variants, curves, subsets
from comodal.metrics import METRICS
from comodal.reports.comparison_report import read_summary
from comodal.training.config import RunConfig

SMALL = RobustnessConfig(severities=(0.0, 0.5), kinds=("drop", "noise"), modalities=("text", "audio"), metrics=("mae",))
COUNT = 7 + 4  # subsets and the points above 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs each call of the predicting function predicted."""
    calls: list[int] = []
    act = scenario_runs.predict_scenarios

    def predicted(found: Any, runs: Any, scenarios: Any) -> Any:
        calls.append(len(runs))
        return act(found, runs, scenarios)

    monkeypatch.setattr(scenario_runs, "predict_scenarios", predicted)
    return calls


@pytest.fixture
def evaluate(compared_folder: Path, folds: Dataset, tmp_path: Path) -> Callable[..., Any]:
    def run(config: RobustnessConfig = SMALL, **options: Any) -> Any:
        return robustness(compared_folder, config, **{"source": folds, "out": tmp_path / "out", **options})

    return run


@pytest.mark.slow
def test_predictions_are_those_of_plain_evaluations(compared_folder: Path, folds: Dataset) -> None:
    """One model at a time, every batch encoded anew."""
    found = open_runs(compared_folder, source=folds)
    runs = found.runs[:4]
    scenarios = [*subsets(folds.spec.modalities), *curves(folds.spec, severities=[0.5])]
    together = predict_scenarios(found, runs, scenarios)
    for run, made in zip(runs, together, strict=True):
        for scenario in scenarios:
            tables = []
            for position, fitted in enumerate(found.fitted(run)):
                (batch,) = fitted.batches()
                given = [Variants(batch, partition=position).of(scenario)]
                rows = folds.partitions[position].test
                tables.append(predict(fitted.model, given, task=fitted.task, group=folds.group[rows], split="test"))
            expected = PredictionTable.concatenate(tables)
            got = made.table(scenario.name)
            np.testing.assert_array_equal(got.prediction, expected.prediction)
            assert got.id.tolist() == expected.id.tolist()
            assert got.group.tolist() == expected.group.tolist()
            np.testing.assert_array_equal(got.target, expected.target)
    assert len({made.table("text").prediction.tobytes() for made in together}) == len(runs)


def test_clean_predictions_are_those_the_runs_kept(compared_folder: Path, folds: Dataset) -> None:
    found = open_runs(compared_folder, source=folds)
    for run, made in zip(found.runs[:4], predict_scenarios(found, found.runs[:4], [Scenario()]), strict=True):
        np.testing.assert_array_equal(made.table("clean").prediction, run.predictions().prediction)


def test_rows_of_a_comparison(evaluate: Callable[..., Any], compared_folder: Path, folds: Dataset) -> None:
    rows = evaluate()
    kinds = {kind: {row.scenario for row in rows if row.kind == kind} for kind in ("subset", "curve", "relative")}
    assert len(kinds["subset"]) == 7
    assert kinds["relative"] == {"drop:text", "noise:text", "drop:audio", "noise:audio"}
    assert len(kinds["curve"]) == 8
    kl = [row for row in rows if row.row.measure == "kl"]
    assert all(row.row.reference == "early/none" and row.row.n_seeds == 2 for row in kl)
    assert all(row.row.delta is None for row in rows if row.row.measure == "none")
    assert {row.scenario for row in rows if row.row.fusion == "early:text" and row.kind == "subset"} == {
        "clean",
        "text",
    }
    found = open_runs(compared_folder, source=folds)
    kept = [run.predictions() for run in found.runs if run.arm.measure == "kl"]
    clean = next(row for row in kl if row.scenario == "clean")
    assert clean.row.mean == pytest.approx(np.mean([METRICS["mae"](each.target, each.prediction) for each in kept]))
    assert clean.row.note.endswith("synthetic data")


def test_a_second_call_predicts_nothing_and_finds_the_same(evaluate: Callable[..., Any], counted: list[int]) -> None:
    first = evaluate()
    assert counted == [4, 2]  # runs that read the same tensors go together
    assert evaluate() == first
    assert counted == [4, 2]


def test_an_interrupted_call_goes_on(
    evaluate: Callable[..., Any], counted: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = evaluate(out=tmp_path / "uninterrupted")
    counted.clear()
    monkeypatch.setattr(scenario_runs, "_TOGETHER", 1)
    act = scenario_runs.predict_scenarios

    def interrupted(*given: Any) -> Any:
        if len(counted) == 3:
            raise KeyboardInterrupt
        return act(*given)

    with monkeypatch.context() as patch:
        patch.setattr(scenario_runs, "predict_scenarios", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate()
    assert evaluate() == expected
    assert len(counted) == 6


def test_other_weights_or_more_scenarios_are_predicted_again(
    compared_folder: Path, folds: Dataset, tmp_path: Path, counted: list[int]
) -> None:
    copy = Path(shutil.copytree(compared_folder, tmp_path / "copy"))
    found = open_runs(copy, source=folds)
    wanted = [ScenarioRun(run, (Scenario(),), tmp_path / f"{k}.parquet") for k, run in enumerate(found.runs[:2])]
    run_scenarios(found, wanted)
    run_scenarios(found, wanted)
    assert counted == [2]
    weights = [run.folders[0] / "weights.safetensors" for run in found.runs[:2]]
    shutil.copy(weights[1], weights[0])
    run_scenarios(found, wanted)
    assert counted == [2, 1]
    more = [dataclasses.replace(each, scenarios=tuple(subsets(["text", "audio"])[:2])) for each in wanted]
    run_scenarios(found, more)
    assert counted == [2, 1, 2]
    wanted[0].path.write_bytes(b"damaged")
    run_scenarios(found, wanted)
    assert counted == [2, 1, 2, 1]


@pytest.mark.slow
def test_processes_find_the_same_bit_for_bit(tmp_path: Path) -> None:
    from comodal.evaluation.data_config import DataConfig
    from comodal.evaluation.experiment import train
    from comodal.training.config import RunConfig, TrainingConfig

    short = RunConfig(training=TrainingConfig(max_epochs=1))
    train(DataConfig(source="synthetic:redundant"), short, out=tmp_path / "run")
    found = open_runs(tmp_path / "run")
    scenarios = tuple(curves(found.dataset.spec, severities=[0.5], kinds=["noise"]))

    def evaluated(name: str, jobs: int) -> list[ScenarioPredictions]:
        chosen = (scenarios[:2], scenarios[2:4])
        wanted = [ScenarioRun(found.runs[0], some, tmp_path / name / some[0].curve[-4:]) for some in chosen]
        run_scenarios(found, wanted, jobs=jobs)
        return [ScenarioPredictions.from_parquet(each.path) for each in wanted]

    for one, two in zip(evaluated("one", 1), evaluated("two", 2), strict=True):
        assert one.digest == two.digest
        assert all((one.prediction[name] == two.prediction[name]).all() for name in one.prediction)


def test_replication_has_its_own_runs(evaluate: Callable[..., Any], tmp_path: Path) -> None:
    subsets_only = RobustnessConfig(scenarios="subsets", metrics=("mae",))
    first, fresh = evaluate(subsets_only), evaluate(subsets_only, replication=True, out=tmp_path / "fresh")
    assert [row.scenario for row in first] == [row.scenario for row in fresh]
    assert first[0].row.mean != fresh[0].row.mean


def test_the_clean_row_is_always_there(evaluate: Callable[..., Any]) -> None:
    rows = evaluate(dataclasses.replace(SMALL, scenarios="curves"))
    assert {row.scenario for row in rows if row.kind == "subset"} == {"clean"}


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        ({"scenarios": "subset"}, "unknown_name", ["'subsets'"]),
        ({"kinds": ("nose",)}, "unknown_name", ["'noise'"]),
        ({"metrics": ("mea",)}, "unknown_name", ["'mae'"]),
        ({"modalities": ("vison",)}, "unknown_name", ["'vision'"]),
        ({"kinds": ("shift",)}, "unsupported", ["shift", "text, audio"]),
    ],
)
def test_bad_options_are_refused(
    evaluate: Callable[..., Any], options: dict[str, Any], code: Code, named: list[str]
) -> None:
    with refused(code, *named):
        evaluate(RobustnessConfig(**options))


def test_jobs_and_data_in_memory(evaluate: Callable[..., Any]) -> None:
    with refused("out_of_range", "jobs is 0"):
        evaluate(jobs=0)
    with refused("out_of_range", "jobs is 2"):
        evaluate(jobs=2)


def test_runs_without_weights_are_refused(compared_folder: Path, folds: Dataset, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(compared_folder, tmp_path / "copy"))
    for path in copy.glob("runs/early/kl*/**/weights.safetensors"):
        path.unlink()
    with refused("missing", "kl-0.5", "weights.safetensors"):
        robustness(copy, SMALL, source=folds)


def test_reference_rows_are_those_of_the_comparison_and_know_no_absent_modality(
    evaluate: Callable[..., Any], compared_folder: Path, folds: Dataset
) -> None:
    rows = {(row.row.fusion, row.scenario): row.row for row in evaluate() if row.row.fusion in {"constant", "linear"}}
    kept = {row.fusion: row for row in read_summary(compared_folder / "summary.json") if row.metric == "mae"}
    for name in ("constant", "linear"):
        assert rows[name, "clean"].mean == pytest.approx(kept[name].mean, abs=1e-6)
        assert rows[name, "clean"].delta is None
    assert len({row.mean for (name, _), row in rows.items() if name == "constant"}) == 1
    # Text alone: the features of the other modalities are their means in the training part, 0.
    errors = []
    for fold in ReferenceRuns.of(folds, RunConfig()).folds:
        features = fold.features()
        model = REFERENCE_MODELS["linear"](fold.data(features, *fold.rows(0)))
        features[:, folds.modalities["text"].dim :] = 0.0
        test = fold.partition.test
        errors.append(np.abs(model(features[test]) - folds.target[test]))
    assert rows["linear", "text"].mean == pytest.approx(np.concatenate(errors).mean(), abs=1e-5)
    assert rows["linear", "noise:text=0.5"].mean != rows["linear", "clean"].mean
