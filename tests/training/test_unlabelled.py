"""Training with few labels: budgets, rows without a label, and what each part of the objective sees of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.contracts import Multiclass, Multilabel
from comodal.data.arrays import from_arrays
from comodal.data.dataset import Dataset, Partition
from comodal.data.loader import CycledSampler, EpochSampler
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare
from comodal.training.fit import FitResult, fit_fold
from comodal.training.training_rows import TrainingRows

Config = Callable[..., RunConfig]
KL = {"measure": "kl", "weight": 0.3}


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Three classes, 20 labelled and 70 unlabelled training samples."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(150, 2))
    names = np.array(["low", "middle", "high"], dtype=object)[np.digitize(latent[:, 0], [-0.4, 0.4])]
    names[20:90] = None
    split = ["train"] * 90 + ["valid"] * 30 + ["test"] * 30
    features = {name: latent + 0.5 * rng.normal(size=(150, 2)) for name in ("left", "right")}
    return from_arrays(features, names, split=split)


@pytest.fixture(scope="module")
def fold(few: Dataset) -> FoldData:
    return prepare(few, few.partitions[0])


def rows_of(budget: int, *, seed: int = 0, task: object = None, target: np.ndarray | None = None) -> TrainingRows:
    n = 60
    target = np.arange(n) % 3 if target is None else target
    none = np.zeros(0, dtype=np.int64)
    part = Partition("toy", np.arange(n - 6), none, none, np.arange(n - 6, n))
    config = RunConfig(seed=seed).__class__(seed=seed, training=replace(RunConfig().training, label_budget=budget))
    task = task or Multiclass(("a", "b", "c"))
    return TrainingRows.of(part, config, group=np.arange(n), target=target.astype(np.float32), task=task)


def test_a_budget_is_per_class_nested_and_drawn_by_the_seed() -> None:
    small, large = rows_of(2), rows_of(5)
    assert np.bincount(small.labelled % 3).tolist() == [2, 2, 2]
    assert np.bincount(large.labelled % 3).tolist() == [5, 5, 5]
    assert set(small.labelled) < set(large.labelled)
    assert set(small.labelled) != set(rows_of(2, seed=1).labelled)
    for rows in (small, large, rows_of(0)):
        assert sorted([*rows.labelled, *rows.unlabelled]) == list(range(60))


def test_a_budget_of_a_task_without_classes_is_a_count() -> None:
    labels = np.zeros((60, 2))
    assert len(rows_of(7, task=Multilabel(("a", "b")), target=labels).labelled) == 7


def test_a_class_with_fewer_samples_than_the_budget_is_named() -> None:
    target = np.zeros(60)
    target[:3] = 1
    with refused("out_of_range", "label_budget 5", "'b'", 3):
        rows_of(5, target=target)


def test_unlabelled_rows_can_be_left_out(fold: FoldData, config: Config) -> None:
    assert len(fold.rows(config()).unlabelled) == 70
    assert len(fold.rows(config(unlabelled=False)).unlabelled) == 0
    assert fold.samplers(config(unlabelled=False))[1] is None


@pytest.mark.parametrize("steps", [1, 2, 5, 7])
def test_passes_follow_each_other_without_a_break(steps: int) -> None:
    sampler = EpochSampler(range(10), batch_size=4, seed=3)
    endless = [rows.tolist() for each in range(20) for rows in sampler.batches(each)]
    cycled = CycledSampler(sampler, steps=steps)
    found = [rows.tolist() for epoch in range(5) for rows in cycled.batches(epoch)]
    assert found == endless[: 5 * steps]


def test_an_epoch_is_a_pass_over_the_larger_part(fold: FoldData, config: Config) -> None:
    labelled, unlabelled = fold.samplers(config(batch_size=16))
    assert unlabelled is not None
    assert len(labelled) == len(unlabelled) == 5  # of 70; the labelled 20 make 2
    assert all(torch.isfinite(fold.view.target[rows]).all() for rows in labelled.batches(0))
    assert all(torch.isnan(fold.view.target[rows]).all() for rows in unlabelled.batches(0))


def same_weights(one: FitResult, two: FitResult) -> bool:
    pairs = zip(one.model.state_dict().values(), two.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_without_a_penalty_unlabelled_samples_change_standardisation_alone(few: Dataset, config: Config) -> None:
    """Other values of the unlabelled samples, put in after standardising, change nothing without a penalty."""
    fold = prepare(few, few.partitions[0])
    other = {name: array.with_values(array.values.copy()) for name, array in few.modalities.items()}
    for array in other.values():
        array.values[20:90] = np.random.default_rng(5).normal(size=(70, 2))
    changed = prepare(few.with_features(other), few.partitions[0])
    changed = replace(changed, standardizer=fold.standardizer)
    view = type(fold.view)(few.with_features(other), fold.standardizer)
    changed = replace(changed, view=view)
    assert same_weights(fit_fold(fold, config()), fit_fold(changed, config()))
    assert not same_weights(fit_fold(fold, config(penalty=KL)), fit_fold(changed, config(penalty=KL)))


def test_arms_share_the_labelled_batches_and_dropout(fold: FoldData, config: Config) -> None:
    """A penalty of weight 0 trains the model as no penalty does, whatever the critic sees."""
    assert same_weights(fit_fold(fold, config()), fit_fold(fold, config(penalty={**KL, "weight": 0.0})))


@pytest.mark.parametrize("penalty", [KL, {**KL, "fresh_batches": True, "critic_steps": 2}, {**KL, "between": "fusion"}])
def test_resumed_bit_for_bit(
    fold: FoldData, config: Config, penalty: dict, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit_fold(fold, config(penalty=penalty, max_epochs=4))
    from comodal.training.loop import TrainingLoop

    save, saved = TrainingLoop._save, []

    def stop_after_two(self: TrainingLoop) -> None:
        save(self)
        saved.append(None)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLoop, "_save", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        fit_fold(fold, config(penalty=penalty, max_epochs=4), folder=tmp_path)
    monkeypatch.setattr(TrainingLoop, "_save", save)
    assert same_weights(whole, fit_fold(fold, config(penalty=penalty, max_epochs=4), folder=tmp_path))


def test_class_weights_are_those_of_the_labels_in_use(fold: FoldData, config: Config) -> None:
    weight = fold.task_loss(config(class_weight="balanced")).class_weight
    counts = np.bincount(fold.view.target.numpy()[fold.partition.train].astype(int))
    assert weight is not None
    assert weight.numpy() == pytest.approx(20 / (3 * counts))
