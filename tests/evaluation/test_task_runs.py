"""Every task from arrays to predictions: train, score, save, load, predict, evaluate, compare, robustness, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused
from task_data import LABELS, LATENT, N, dataset

import comodal
from comodal.contracts import Binary, Multiclass, Multilabel, PredictionTable, Regression, Task
from comodal.evaluation.comparison import comparison_rows
from comodal.evaluation.experiment import evaluate, train
from comodal.evaluation.robustness import RobustnessConfig, robustness
from comodal.evaluation.rows import SeedRun
from comodal.training.config import RunConfig, TrainingConfig

TASKS: dict[str, Task] = {
    "binary": Binary(("no", "yes")),
    "multiclass": Multiclass(("high", "low", "middle")),
    "multilabel": Multilabel(("0", "1")),
}
SHORT = TrainingConfig(max_epochs=12, lr=5e-3)


@pytest.mark.parametrize("kind", LABELS)
def test_a_task_goes_the_whole_way(kind: str, tmp_path: Path) -> None:
    data = dataset(kind)
    task = data.spec.task
    assert task == TASKS.get(kind, task)
    report = train(data, RunConfig(training=SHORT), out=tmp_path / "run")
    assert set(task.reported) <= set(report.metrics)
    assert PredictionTable.from_parquet(tmp_path / "run" / "predictions.parquet").task == task
    assert evaluate(tmp_path / "run", source=data).metrics == {name: report.metrics[name] for name in task.reported}

    found = comodal.load_model(tmp_path / "run").predict(data)
    rows = data.partitions[0].test
    wanted = task.readable(data.target)
    if task.classes:
        assert list(found.probability) == list(task.classes)
        assert (found.prediction[rows] == wanted[rows]).mean() > 0.7, "the label is a function of the features"
        assert found.target.tolist() == wanted.tolist()
    else:
        assert np.abs(found.prediction - wanted)[rows].mean() < 0.5
        assert not found.probability
    for suffix in (".csv", ".json", ".parquet"):
        found.write(tmp_path / f"table{suffix}")

    scenarios = robustness(tmp_path / "run", RobustnessConfig(scenarios="subsets"), source=data)
    clean = {
        each.row.metric: each.row.mean for each in scenarios if (each.scenario, each.row.fusion) == ("clean", "early")
    }
    assert clean == {name: pytest.approx(report.metrics[name]["value"]) for name in task.reported}


def test_the_penalty_trains_beside_cross_entropy() -> None:
    config = RunConfig(training=SHORT, penalty=comodal.PenaltyConfig(measure="kl", weight=0.1))
    table = train(dataset("multiclass"), config).predictions
    assert table.prediction.shape == (len(table), 3)
    assert np.allclose(table.prediction.sum(axis=1), 1.0, atol=1e-5)


def test_class_weights_move_predictions_to_the_rare_class() -> None:
    rare = np.where(LATENT[:, 0] > 1.2, "rare", "common")
    features = {name: LATENT[:, :1] + np.random.default_rng(k).normal(size=(N, 1)) for k, name in enumerate("ab")}
    data = comodal.from_arrays(features, rare)
    plain, balanced = (
        train(
            data, RunConfig(training=TrainingConfig(max_epochs=12, class_weight=weight))
        ).predictions.prediction.mean()
        for weight in ("none", "balanced")
    )
    assert balanced > plain + 0.1


def test_options_for_classes_are_refused_for_a_regression() -> None:
    for options in ({"class_weight": "balanced"}, {"label_smoothing": 0.1}, {"task_loss": "cross_entropy"}):
        with refused("conflict"):
            train(dataset("regression"), RunConfig(training=TrainingConfig(**options)))
    with refused("conflict", "l1"):
        train(dataset("binary"), RunConfig(training=TrainingConfig(task_loss="l1")))


def test_data_of_another_task_are_refused(tmp_path: Path) -> None:
    train(dataset("binary"), RunConfig(training=TrainingConfig(max_epochs=1)), out=tmp_path / "run")
    with refused("mismatch", "multiclass"):
        evaluate(tmp_path / "run", source=dataset("multiclass"))


def test_a_comparison_of_classifiers_has_paired_differences() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, size=90).astype(np.float32)

    def run(seed: int, skill: float) -> SeedRun:
        scores = np.exp(np.random.default_rng(seed).normal(size=(90, 3)) + skill * np.eye(3)[target.astype(int)])
        prediction = scores / scores.sum(axis=1, keepdims=True)
        task = Multiclass(("a", "b", "c"))
        return SeedRun(seed, PredictionTable.of(target, prediction, group=np.arange(90) // 3, task=task), 1.0)

    settings = {("early", "none", 0.0): 1.0, ("early", "kl", 0.1): 3.0}
    rows = comparison_rows({setting: [run(seed, skill) for seed in range(6)] for setting, skill in settings.items()})
    assert [row.metric for row in rows[:9]] == list(Multiclass.reported)
    for row in rows[9:]:
        assert row.delta is not None
        assert row.p_value is not None
        if row.metric in {"accuracy", "macro_f1", "auroc", "log_loss", "brier"}:
            assert (row.delta > 0) == (row.better == "higher")
            assert row.p_value < 0.05


def test_a_regression_outside_sentiment_has_no_sign_metrics() -> None:
    assert dataset("regression").spec.task.kind == Regression.kind
    assert "acc_2_pos" not in train(dataset("regression"), RunConfig(training=TrainingConfig(max_epochs=1))).metrics
