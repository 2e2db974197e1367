"""Reference rows of a comparison: their features, their files, and the notes on arms that beat none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodal.contracts import ComparisonRow, PredictionTable
from comodal.contracts.json_records import read_records
from comodal.data.dataset import Dataset
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Scale
from comodal.evaluation import reference_models, reference_runs
from comodal.evaluation.comparison import compare
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.grid import CompareConfig
from comodal.evaluation.reference_features import frame_means
from comodal.evaluation.reference_runs import ReferenceRuns, compared_with_references, reference_scores
from comodal.evaluation.rows import SeedRun, Setting, comparison_rows
from comodal.evaluation.runs import open_runs
from comodal.reports.number_text import notes
from comodal.training.config import RunConfig, TrainingConfig
from comodal.training.data import prepare


def test_a_sequence_is_the_mean_of_its_standardised_frames_and_an_absent_one_zero() -> None:
    array = RaggedArray.from_rows([[[1.0, 8.0]], np.zeros((0, 2)), [[3.0, 2.0], [5.0, 99.0]]])
    scale = Scale(np.array([1.0, 2.0]), np.array([0.5, 1.0]), 10.0)
    found = frame_means(array, np.array([2, 1, 0]), scale)
    assert found.tolist() == [[1.5, 5.0], [0.0, 0.0], [0.0, 6.0]], "99 is clipped to 10 before the mean"
    assert frame_means(array, np.array([1]), scale).tolist() == [[0.0, 0.0]]


def test_a_linear_model_learns_from_what_the_networks_see(dataset: Dataset) -> None:
    (partition,) = dataset.partitions
    view = prepare(dataset, partition).view
    batch = view[np.arange(len(dataset))]
    means = [
        (each.values * each.mask[..., None]).sum(1) / each.mask.sum(1, keepdim=True)
        for each in batch.modalities.values()
    ]
    (fold,) = ReferenceRuns.of(dataset, RunConfig()).folds
    assert fold.features() == pytest.approx(np.concatenate(means, axis=1), abs=1e-5)


def test_a_single_run_has_the_references_of_a_comparison(folds: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig()
    scores = reference_scores(folds, config)
    for row in ReferenceRuns.of(folds, config).rows([config.seed]):
        assert scores[row.fusion][row.metric] == pytest.approx(row.mean)
    assert scores["samples"] == [len(part.train) for part in folds.partitions]
    monkeypatch.setattr(reference_runs, "_MOST_NUMBERS", 300)
    features = sum(array.dim for array in folds.modalities.values())
    thinned = reference_scores(folds, config)["samples"]
    assert all(1 < count * features <= 300 + features for count in thinned)


def test_reference_rows_end_the_table_and_have_no_difference(compared_folder: Path, folds: Dataset) -> None:
    rows = read_records(compared_folder / "summary.json", ComparisonRow)
    arms = list(dict.fromkeys((row.fusion, row.measure, row.weight) for row in rows))
    assert arms[-2:] == [("constant", "none", 0.0), ("linear", "none", 0.0)]
    own = [row for row in rows if row.fusion in {"constant", "linear"}]
    assert {(row.delta, row.p_value, row.reference, row.collapsed, row.std) for row in own} == {
        (None, None, None, 0, 0.0)
    }
    assert {row.n_seeds for row in own} == {2}
    (mae,) = [row.mean for row in own if (row.fusion, row.metric) == ("constant", "mae")]
    errors = [
        np.abs(folds.target[part.test] - np.median(folds.target[part.train])).tolist() for part in folds.partitions
    ]
    assert mae == pytest.approx(np.mean(np.concatenate(errors)), abs=1e-6)


def test_rows_of_networks_are_what_they_are_without_references(compared_folder: Path, folds: Dataset) -> None:
    found = open_runs(compared_folder, source=folds)
    kept = read_records(compared_folder / "summary.json", ComparisonRow)
    arms = {(row.fusion, row.measure) for row in kept} - {("constant", "none"), ("linear", "none")}
    assert {(run.arm.label, run.arm.measure) for run in found.runs} == arms, "references are no runs to open"

    settings: dict[Setting, list[SeedRun]] = {}
    for run in found.runs:
        setting = (run.arm.label, run.arm.measure, run.weight)
        settings.setdefault(setting, []).append(SeedRun(run.seed, run.predictions(), 1.0, collapsed=False))
    alone = comparison_rows(settings, parents={"early:text": "early"})
    same: dict[str, Any] = {"seconds": 0.0, "note": "", "collapsed": 0}
    networks = [row for row in kept if (row.fusion, row.measure) in arms]
    assert [replace(row, **same) for row in alone] == [replace(row, **same) for row in networks]


def row(fusion: str, mean: float, *, metric: str = "accuracy", better: str = "higher") -> ComparisonRow:
    return ComparisonRow(fusion, "none", 0.0, metric, mean, 0.0, *[None] * 4, 2, 0, 1.0, better=better)


def test_an_arm_that_is_no_better_than_a_reference_is_named() -> None:
    rows = [row("early", 80.0), row("early", 9.0, metric="auroc"), row("lfn", 90.0), row("early:text", 50.0)]
    references = [row("constant", 60.0), row("linear", 80.0), row("linear", 99.0, metric="auroc")]
    assert notes(compared_with_references([*rows, *references], "accuracy")) == [
        "early/none, early:text/none: no better than the linear reference in accuracy.",
        "early:text/none: no better than the constant reference in accuracy.",
    ]


def test_a_lower_error_is_better() -> None:
    rows = [row(name, mean, metric="mae", better="lower") for name, mean in (("early", 1.2), ("lfn", 0.5))]
    found = compared_with_references([*rows, row("constant", 1.0, metric="mae", better="lower")], "mae")
    assert notes(found) == ["early/none: no better than the constant reference in mae."]


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name of every reference model that is really fitted."""
    done: list[str] = []

    def counted(name: str, model: Any) -> Any:
        return lambda data: done.append(name) or model(data)

    models = {name: counted(name, model) for name, model in reference_models.REFERENCE_MODELS.items()}
    monkeypatch.setattr(reference_models, "REFERENCE_MODELS", models)
    return done


def test_a_resumed_comparison_fits_no_reference_again(data: DataConfig, tmp_path: Path, fitted: list[str]) -> None:
    config = CompareConfig(
        measures=("none",), seeds=2, selection_seeds=1, base=RunConfig(training=TrainingConfig(max_epochs=1))
    )
    first = compare(data, config, out=tmp_path)
    assert fitted == ["constant", "linear"], "the seeds have the same labels"
    fitted.clear()
    again = compare(data, replace(config, seeds=3), out=tmp_path, replicate=True)
    assert fitted == []
    means = {(each.fusion, each.metric): each.mean for each in first.rows if each.fusion == "linear"}
    for rows in (again.rows, again.replication):
        assert {(row.fusion, row.metric): row.mean for row in rows if row.fusion == "linear"} == means

    (table,) = (tmp_path / "references" / "linear").glob("part-0/*/predictions.parquet")
    (tmp_path / "references" / "linear" / "part-0" / table.parent.name / "result.json").unlink()
    compare(data, config, out=tmp_path)
    assert fitted == ["linear"], "one that was interrupted is fitted again"


def test_seeds_that_train_on_other_rows_have_references_of_their_own(dataset: Dataset, tmp_path: Path) -> None:
    config = RunConfig(training=TrainingConfig(train_share=0.5))
    found = ReferenceRuns.of(dataset, config, tmp_path).runs(range(3))
    tables: list[PredictionTable] = [run.table for run in found["linear", "none", 0.0]]
    assert len({table.prediction.tobytes() for table in tables}) == 3
    whole = ReferenceRuns.of(dataset, RunConfig()).runs(range(3))["linear", "none", 0.0]
    assert whole[0].table is whole[1].table


def test_with_unlabelled_samples_of_classes_there_are_two_more(tmp_path: Path) -> None:
    digits = DataConfig(source="digits").load()
    few = RunConfig(training=TrainingConfig(label_budget=5))
    found = ReferenceRuns.of(digits, few, tmp_path).runs(range(2))
    accuracy = {}
    for (name, _, _), runs in found.items():
        first, second = (run.table for run in runs)
        assert first.prediction.shape == (len(digits.partitions[0].test), 10)
        if name != "constant":
            assert not np.array_equal(first.prediction, second.prediction), "each seed keeps other labels"
        accuracy[name] = (first.prediction.argmax(axis=1) == first.target).mean()
    assert list(accuracy) == ["constant", "linear", "self-training", "label spreading"]
    assert accuracy["label spreading"] > accuracy["linear"] > 5 * accuracy["constant"]
    assert len(ReferenceRuns.of(digits, RunConfig()).runs(range(1))) == 2, "every sample has a label"
    labels = replace(few, training=replace(few.training, unlabelled=False))
    assert len(ReferenceRuns.of(digits, labels).runs(range(1))) == 2, "none of them takes part"
