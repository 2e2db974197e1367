"""Training without a task: the encoders learn from the dependency measure alone, and from no label."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished_runs import two_folds
from refusals import refused
from sklearn.linear_model import LogisticRegression

import comodal
from comodal.contracts import InputError, NoTask
from comodal.data.dataset import Dataset
from comodal.data.load import load
from comodal.data.store import write_store
from comodal.evaluation import experiment
from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import evaluate, fit, train
from comodal.evaluation.predictor import Predictor, load_model
from comodal.training.build import build_model
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

N = 760
SPLIT = np.repeat(["train", "valid", "test"], [400, 100, 260])
PLAIN = {"encoder": {"input_dropout": 0.0, "dropout": 0.0, "representation": 8}}


def planted(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two views of one factor, each beside nine private ones of twice its strength; the label is the factor's sign."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(N, 1))
    views = {}
    for name in ("left", "right"):
        own = [shared + 0.3 * rng.normal(size=(N, 1)), 2 * rng.normal(size=(N, 9)), 0.3 * rng.normal(size=(N, 2))]
        views[name] = np.concatenate(own, axis=1) @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    return views, np.where(shared[:, 0] > 0, "yes", "no")


def config(measure: str = "kl", *, weight: float = 1.0, seed: int = 0, **training: Any) -> RunConfig:
    options = {"max_epochs": 3, "batch_size": 64, "lr": 3e-3, **training}
    penalty = PenaltyConfig(measure=measure, weight=weight)
    return RunConfig(seed=seed, fusion_config=PLAIN, penalty=penalty, training=TrainingConfig(**options))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    views, label = planted(0)
    return comodal.from_arrays(views, label, split=SPLIT)


def same(one: Predictor, two: Predictor, dataset: Dataset) -> bool:
    """Whether two models have the same representations, bit for bit."""
    a, b = one.representations(dataset), two.representations(dataset)
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_it_reads_no_label(dataset: Dataset) -> None:
    views, label = planted(0)
    found = fit(dataset, config(), task=None)
    assert found.spec.task == NoTask()
    some = label.astype(object)
    some[:400:3] = None
    for labels in (None, np.roll(label, 1), some):
        others = comodal.from_arrays(views, labels, split=SPLIT)
        assert same(found, fit(others, config(), task=None), dataset)
    assert not same(found, fit(dataset, config()), dataset), "with its labels another model is learnt"


def test_fewer_rows_than_a_batch_train_in_one_batch(dataset: Dataset) -> None:
    few = dataset.subset(np.concatenate([np.arange(40), np.arange(400, 420)]))
    assert fit(few, config(), task=None).representations(dataset)["left"].shape == (N, 8)


def probed(model: Predictor, views: dict[str, np.ndarray], label: np.ndarray, *, seed: int) -> float:
    """Accuracy on the test part of a logistic regression on the representations, from 100 labels."""
    features = np.concatenate(list(model.representations(views).values()), axis=1)
    features = (features - features[:400].mean(axis=0)) / features[:400].std(axis=0)
    rows = np.random.default_rng(seed).permutation(400)[:100]
    chosen = LogisticRegression(C=0.1).fit(features[rows], label[rows])
    return float(chosen.score(features[SPLIT == "test"], label[SPLIT == "test"]))


def test_representations_hold_the_shared_factor() -> None:
    """At least 0.1 of accuracy above the same network at its first weights.

    So in 40 of 40 seeds (at least 0.13; means 0.89 and 0.65): a false alarm is rarer than 1 in 13 with 95 % certainty.
    """
    views, label = planted(3)
    run = config("gaussian", seed=3, max_epochs=20)
    model = fit(comodal.from_arrays(views, split=SPLIT), run)
    (part,) = model.parts
    first = Predictor([replace(part, model=build_model(part.spec, run).eval(), penalty=None)])
    assert probed(model, views, label, seed=3) > probed(first, views, label, seed=3) + 0.1


@pytest.mark.parametrize("name", ["gaussian", "dhsic"])
def test_the_epoch_with_the_largest_dependency_of_the_validation_part_is_kept(dataset: Dataset, name: str) -> None:
    """Against the function of the statistic, on the representations of the validation part."""
    run = config(name, max_epochs=6, lr=0.1)
    (fold, result), *_ = experiment._fits(dataset.without_labels(), run, None, [None])
    losses = [epoch["valid_loss"] for epoch in result.history]
    assert result.best_epoch == int(np.argmin(losses))
    model = fit(dataset, run, task=None)
    valid = model.representations(dataset.subset(dataset.partitions[0].valid))
    value = getattr(comodal.functional, name)([torch.from_numpy(view) for view in valid.values()])
    assert min(losses) == pytest.approx(-float(value), rel=1e-4)
    assert {epoch["train_task"] for epoch in result.history} == {0.0}
    assert len(fold.rows(run).labelled) == 400


@contextmanager
def full_after_a_checkpoint(folder: Path) -> Iterator[None]:
    """A disk that is full as soon as a run has written its first checkpoint."""
    write = Path.write_bytes

    def fills_up(path: Path, data: Any) -> int:
        if list(folder.rglob("last.ckpt")):
            raise OSError(28, "No space left on device")
        return write(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", fills_up)
        yield


def test_a_run_is_saved_resumed_bit_for_bit_and_read_back(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = dataset.without_labels()
    report = train(bare, config(), out=tmp_path / "whole")
    assert report.metrics["n_train"] == [400]
    assert report.no_better_than == ()
    undisturbed = load_model(tmp_path / "whole")
    assert same(undisturbed, fit(dataset, config(), task=None), dataset)
    with full_after_a_checkpoint(tmp_path / "half"), refused("cannot_write"):
        train(bare, config(), out=tmp_path / "half")
    train(bare, config(), out=tmp_path / "half")
    assert same(undisturbed, load_model(tmp_path / "half"), dataset)
    monkeypatch.setattr(experiment, "fit_fold", lambda *_, **__: pytest.fail("trained again"))
    assert train(bare, config(), out=tmp_path / "whole").metrics == report.metrics
    with refused("mismatch", tmp_path / "whole"):
        train(dataset, config(), out=tmp_path / "whole")


def test_what_a_model_without_a_task_refuses(dataset: Dataset, tmp_path: Path) -> None:
    train(dataset.without_labels(), config(max_epochs=1), out=tmp_path)
    with refused("unsupported", "representations"):
        load_model(tmp_path).predict(dataset)
    with refused("unsupported", "probe"):
        evaluate(tmp_path, source=dataset)
    model = load_model(tmp_path)
    with refused("wrong_shape", "left"):
        model.representations({"left": np.zeros((3, 5)), "right": np.zeros((3, 12))})
    with refused("missing", "left", "right"):
        model.representations({"touch": np.zeros((3, 5))})
    with refused("out_of_range", "fold 1"):
        model.representations(dataset, fold=1)


def test_each_fold_has_representations_of_its_own() -> None:
    dataset = two_folds()
    model = fit(
        dataset, RunConfig(penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=1)), task=None
    )
    first, second = (model.representations(dataset, fold=fold)["text"] for fold in (0, 1))
    assert first.shape == second.shape == (len(dataset), 32)
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        (lambda: config("none"), "missing", "kl"),
        (lambda: config(weight=0.0), "missing", "weight 0"),
        (lambda: config("club", weight=-1.0), "missing", "weight -1"),
        (lambda: config(label_budget=5), "conflict", "label_budget 5"),
        (lambda: config(task_loss="l1"), "conflict", "l1"),
        (lambda: config(class_weight="balanced"), "conflict", "class_weight"),
    ],
)
def test_what_leaves_nothing_to_learn_is_refused(dataset: Dataset, change: Any, code: Any, named: str) -> None:
    with refused(code, named):
        fit(dataset, change(), task=None)


def test_a_fit_takes_the_task_of_its_data_or_none(dataset: Dataset) -> None:
    for other in ("none", "regression"):
        with refused("unsupported", other, "None"):
            fit(dataset, config(), task=other)  # type: ignore[arg-type]


def test_data_that_have_no_dependency_are_refused(dataset: Dataset) -> None:
    with refused("missing", "2"):
        fit(dataset.select_modalities(["left"]), config(), task=None)
    with refused("out_of_range", "1 validation samples"):
        fit(dataset.subset(np.arange(401)), config(), task=None)


def table(folder: Path, labels: list[str] | None) -> str:
    """A table with or without labels; every third training sample is in the split unlabelled."""
    folder.mkdir()
    split = SPLIT.astype("U10")
    split[:400:3] = "unlabelled"
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "group", "split", *(["label"] if labels else [])])
        writer.writerows([f"s{k}", f"g{k}", split[k], *([labels[k]] if labels else [])] for k in range(N))
    for name, array in planted(0)[0].items():
        np.savez(folder / f"{name}.npz", values=array.astype(np.float32), lengths=np.ones(N, dtype=np.int64))
    return str(folder)


def test_files_need_no_labels_and_lose_those_that_they_have(dataset: Dataset, tmp_path: Path) -> None:
    labels = planted(0)[1].tolist()
    bare, full = table(tmp_path / "bare", None), table(tmp_path / "full", labels)
    found = [fit(DataConfig(source=bare, task="none"), config()), fit(DataConfig(source=full), config(), task=None)]
    write_store(comodal.data.load.open_source(full)[0], tmp_path / "stored")
    found.append(fit(DataConfig(source=str(tmp_path / "stored"), task="none"), config()))
    for each in found:
        assert same(each, found[0], dataset)
    assert len(load(bare, task="none").partitions[0].train) == 400
    with pytest.raises(InputError):
        load(bare)


def test_encoders_start_from_the_weights_of_another_model(dataset: Dataset) -> None:
    """Of a learning rate of nearly 0 the representations stay those of the start, in another fusion model, too."""
    pretrained = fit(dataset, config(), task=None)
    still = replace(config("none"), training=TrainingConfig(max_epochs=1, lr=1e-12))
    wanted = pretrained.representations(dataset)["left"]
    for run in (still, replace(still, fusion="lfn")):
        started = fit(dataset, run, start=pretrained).representations(dataset)["left"]
        np.testing.assert_allclose(started, wanted, atol=1e-6)
        assert not np.allclose(fit(dataset, run).representations(dataset)["left"], wanted, atol=0.1)


def test_a_run_with_a_start_is_resumed_bit_for_bit_and_belongs_to_it(dataset: Dataset, tmp_path: Path) -> None:
    train(dataset.without_labels(), config(), out=tmp_path / "first")
    train(dataset.without_labels(), config(seed=1), out=tmp_path / "other")
    tuned = fit(dataset, config("none"), start=tmp_path / "first")
    with full_after_a_checkpoint(tmp_path / "tuned"), refused("cannot_write"):
        train(dataset, config("none"), out=tmp_path / "tuned", start=tmp_path / "first")
    for start in (tmp_path / "other", None):
        with refused("mismatch", "start"):
            train(dataset, config("none"), out=tmp_path / "tuned", start=start)
    report = train(dataset, config("none"), out=tmp_path / "tuned", start=load_model(tmp_path / "first"))
    assert same(load_model(tmp_path / "tuned"), tuned, dataset)
    again = evaluate(tmp_path / "tuned", source=dataset)
    np.testing.assert_array_equal(again.predictions.prediction, report.predictions.prediction)


def test_a_start_that_does_not_fit_is_refused(dataset: Dataset) -> None:
    pretrained = fit(dataset, config(max_epochs=1), task=None)
    views, label = planted(1)
    with refused("mismatch", "right", 5, 12):
        fit(comodal.from_arrays({**views, "right": views["right"][:, :5]}, label, split=SPLIT), start=pretrained)
    with refused("mismatch", "touch", "left", "right"):
        fit(comodal.from_arrays({**views, "touch": views["left"]}, label, split=SPLIT), start=pretrained)
    with refused("mismatch", "encoders", (128, 12)):
        fit(dataset, RunConfig(fusion_config={"encoder": {"hidden": 64}}), start=pretrained)
    folds = two_folds()
    run = RunConfig(penalty=PenaltyConfig(measure="kl"), training=TrainingConfig(max_epochs=1))
    of_two = fit(folds, run, task=None)
    with refused("mismatch", 2, 1):
        fit(replace(folds, partitions=folds.partitions[:1]), run, start=of_two)
    assert len(fit(folds, run, start=of_two).parts) == 2


def test_samples_that_lack_a_modality_are_left_out_of_the_choice() -> None:
    """Against the statistic of the validation samples that have both."""
    views, _ = planted(0)
    left = [None if k % 4 == 0 else row for k, row in enumerate(views["left"])]
    gaps = comodal.from_arrays({"left": left, "right": views["right"]}, split=SPLIT)
    run = config("gaussian", max_epochs=4)
    ((_, result),) = experiment._fits(gaps, run, None, [None])
    valid = np.flatnonzero((SPLIT == "valid") & (np.arange(N) % 4 > 0))
    found = fit(gaps, run).representations(gaps.subset(valid))
    value = comodal.functional.gaussian([torch.from_numpy(view) for view in found.values()])
    assert result.valid_loss == pytest.approx(-float(value), rel=1e-4)
    with refused("out_of_range", "1 validation samples"):
        fit(gaps.subset(np.concatenate([np.arange(400), [valid[0], valid[0] // 4 * 4 + 4]])), run)
