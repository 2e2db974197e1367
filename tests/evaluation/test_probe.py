"""Linear models on frozen representations, against scikit-learn by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from finished_runs import two_folds
from refusals import refused
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

import comodal
from comodal.contracts import ComparisonRow
from comodal.data.dataset import Dataset
from comodal.evaluation.experiment import fit
from comodal.evaluation.predictor import Predictor
from comodal.evaluation.probe import probe
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig
from comodal.training.training_rows import TrainingRows

N = 500
SPLIT = np.repeat(["train", "valid", "test"], [250, 80, 170])
CONFIG = RunConfig(
    fusion_config={"encoder": {"input_dropout": 0.0, "dropout": 0.0, "representation": 8}},
    penalty=PenaltyConfig(measure="gaussian", weight=1.0),
    training=TrainingConfig(max_epochs=20, lr=3e-3),
)


def views() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two views of one factor, each beside nine private ones of twice its strength."""
    rng = np.random.default_rng(7)
    shared = rng.normal(size=(N, 1))
    found = {}
    for name in ("left", "right"):
        own = np.concatenate([shared + 0.3 * rng.normal(size=(N, 1)), 2 * rng.normal(size=(N, 9))], axis=1)
        found[name] = own @ np.linalg.qr(rng.normal(size=(10, 10)))[0]
    return found, shared[:, 0]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    features, shared = views()
    return comodal.from_arrays(features, np.where(shared > 0, "yes", "no"), split=SPLIT)


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> Predictor:
    return fit(dataset, CONFIG, task=None)


def means(rows: list[ComparisonRow], metric: str = "accuracy") -> dict[tuple[str, int | None], float]:
    return {(row.arm, row.labels): row.mean for row in rows if row.metric == metric}


def test_it_is_the_logistic_regression_that_validation_chooses(dataset: Dataset, model: Predictor) -> None:
    found = means(probe(model, dataset, seeds=1))
    assert list(found) == [("constant/none", 0), ("linear/none", 0), ("probe/gaussian", 0)]
    features = {
        "probe/gaussian": model.representations(dataset),
        "linear/none": {name: array.values for name, array in dataset.modalities.items()},
    }
    train, valid, test = (part == SPLIT for part in ("train", "valid", "test"))
    for name, arrays in features.items():
        whole = np.concatenate(list(arrays.values()), axis=1)
        x = StandardScaler().fit(whole[train]).transform(whole)
        models = [
            LogisticRegression(C=1 / strength, max_iter=500).fit(x[train], dataset.target[train])
            for strength in (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
        ]
        best = min(models, key=lambda each: log_loss(dataset.target[valid], each.predict_proba(x[valid])))
        assert found[name, 0] == pytest.approx(100 * best.score(x[test], dataset.target[test]), abs=0.7)


def test_representations_of_the_shared_factor_need_fewer_labels(dataset: Dataset, model: Predictor) -> None:
    """By more than 5 points with 5 labels per class, over 4 draws of them."""
    rows = probe(model, dataset, budgets=(5, 0), seeds=4, metrics=["accuracy", "auroc"])
    found = means(rows)
    assert found["probe/gaussian", 5] > found["linear/none", 5] + 5
    assert {row.fusion for row in rows if row.labels == 5} >= {"probe self-training", "probe label spreading"}
    (row,) = (row for row in rows if (row.arm, row.labels, row.metric) == ("probe/gaussian", 5, "accuracy"))
    assert row.reference == "linear/none"
    assert row.delta == pytest.approx(row.mean - found["linear/none", 5])
    assert row.weight == 1.0
    assert all("labels" not in each.note for each in rows)


def test_of_several_models_each_is_probed_with_its_share_of_the_seeds(dataset: Dataset, model: Predictor) -> None:
    other = fit(dataset, replace(CONFIG, seed=1), task=None)

    def accuracy(models: Predictor | list[Predictor], seeds: int) -> float:
        rows = probe(models, dataset, budgets=(5,), seeds=seeds, metrics=["accuracy"])
        return means(rows)["probe/gaussian", 5]

    first = accuracy(model, 1)
    second = 2 * accuracy(other, 2) - accuracy(other, 1)
    third = 3 * accuracy(model, 3) - 2 * accuracy(model, 2)
    assert accuracy([model, other], 3) == pytest.approx((first + second + third) / 3)
    assert second != pytest.approx(2 * accuracy(model, 2) - first)
    with refused("mismatch", "gaussian", "dhsic"):
        penalty = replace(CONFIG.penalty, measure="dhsic")
        accuracy(
            [model, fit(dataset, replace(CONFIG, penalty=penalty, training=TrainingConfig(max_epochs=1)), task=None)], 2
        )
    with refused("out_of_range", 2, 1):
        accuracy([model, other], 1)
    with refused("mismatch", "nothing"):
        accuracy([], 2)


def test_hidden_labels_are_not_read(model: Predictor) -> None:
    """Of a task without classes the draw reads no label: exchanged hidden ones change nothing."""
    features, shared = views()
    dataset = comodal.from_arrays(features, shared, split=SPLIT)
    hidden = TrainingRows.of(
        dataset.partitions[0],
        RunConfig(training=TrainingConfig(label_budget=20)),
        group=dataset.group,
        target=dataset.target,
        task=dataset.spec.task,
    ).unlabelled
    assert len(hidden) == 230
    target = dataset.target.copy()
    target[hidden] = target[np.roll(hidden, 1)]
    one, two = (
        means(probe(model, each, budgets=(20,), seeds=1), "mae") for each in (dataset, replace(dataset, target=target))
    )
    assert one == two
    target[np.setdiff1d(np.arange(250), hidden)] *= -1
    assert means(probe(model, replace(dataset, target=target), budgets=(20,), seeds=1), "mae") != one


def test_labels_that_the_encoders_saw_are_noted(dataset: Dataset) -> None:
    short = replace(CONFIG, training=TrainingConfig(max_epochs=1))
    rows = probe(fit(dataset, short), dataset, seeds=1, metrics=["accuracy"])
    assert ["labels" in row.note for row in rows] == [False, False, True]


def test_each_fold_is_probed_with_its_own_model() -> None:
    dataset = two_folds()
    run = RunConfig(penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=1))
    model = fit(dataset, run, task=None)
    found = means(probe(model, dataset, seeds=1, metrics=["mae"]), "mae")
    halves = []
    for part, partition in zip(model.parts, dataset.partitions, strict=True):
        alone = replace(dataset, partitions=(partition,))
        halves.append(means(probe(Predictor([part]), alone, seeds=1, metrics=["mae"]), "mae")["probe/kl", 0])
    sizes = [len(partition.test) for partition in dataset.partitions]
    assert found["probe/kl", 0] == pytest.approx(np.average(halves, weights=sizes))
    with refused("mismatch", 2, 1):
        probe(Predictor(model.parts[:1]), dataset)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"seeds": 0}, "out_of_range"), ({"budgets": ()}, "duplicate"), ({"budgets": (5, 5)}, "duplicate")],
)
def test_options_that_make_no_table(dataset: Dataset, model: Predictor, options: Any, code: Any) -> None:
    with refused(code):
        probe(model, dataset, **options)


def test_data_that_cannot_be_probed(dataset: Dataset, model: Predictor) -> None:
    with refused("missing", "labels"):
        probe(model, dataset.without_labels())
    with refused("empty", "test"):
        probe(model, dataset.subset(np.flatnonzero(SPLIT != "test")))
    with refused("out_of_range", "label_budget 200"):
        probe(model, dataset, budgets=(200,), seeds=1)
    with refused("unknown_name", "mae"):
        probe(model, dataset, metrics=["mae"])
    features, shared = views()
    narrow = comodal.from_arrays({**features, "left": features["left"][:, :3]}, shared, split=SPLIT)
    with refused("wrong_shape", "left", 3, 10):
        probe(model, narrow)
