from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.data.dataset import Dataset
from comodal.training.config import RunConfig
from comodal.training.data import FoldData, prepare, train_sampler
from comodal.training.training_rows import TrainingRows

Config = Callable[..., RunConfig]


def epoch_ids(fold: FoldData, config: RunConfig, epoch: int) -> list[tuple[str, ...]]:
    return [fold.view[rows].id for rows in fold.samplers(config)[0].batches(epoch)]


def test_batches_depend_on_seed_and_epoch_alone(fold: FoldData, config: Config) -> None:
    first = epoch_ids(fold, config(seed=1), 0)
    torch.manual_seed(99)
    assert epoch_ids(fold, config(seed=1, penalty={"measure": "kl"}), 0) == first
    assert epoch_ids(fold, config(seed=1), 1) != first
    assert epoch_ids(fold, config(seed=2), 0) != first


def test_an_epoch_holds_every_training_row_once(fold: FoldData, dataset: Dataset, config: Config) -> None:
    seen = [each for batch in epoch_ids(fold, config(), 0) for each in batch]
    assert sorted(seen) == sorted(dataset.id[fold.partition.train].tolist())


def test_a_last_batch_too_small_to_break_its_pairing_is_left_out(fold: FoldData, config: Config) -> None:
    assert [len(ids) for ids in epoch_ids(fold, config(batch_size=29), 0)] == [29, 29]
    assert [len(ids) for ids in epoch_ids(fold, config(batch_size=19), 0)] == [19, 19, 19, 3]


def test_a_batch_of_fewer_samples_than_processes_is_refused(fold: FoldData, config: Config) -> None:
    alone, together = (fold.samplers(config(batch_size=19), processes=count)[0] for count in (1, 3))
    assert [rows.tolist() for rows in together.batches(2)] == [rows.tolist() for rows in alone.batches(2)]
    with refused("out_of_range", "60", "19", "3", "4 processes"):
        fold.samplers(config(batch_size=19), processes=4)
    with refused("out_of_range", "4", "5 processes"):
        fold.samplers(config(batch_size=4), processes=5)


def test_fresh_batches_are_a_function_of_their_position(fold: FoldData, dataset: Dataset, config: Config) -> None:
    options = config(seed=3, penalty={"measure": "kl", "fresh_batches": True})
    fresh, again = fold.fresh_batches(options), fold.fresh_batches(options)
    ids = [fresh(position).id for position in range(8)]
    assert [again(position).id for position in reversed(range(8))] == ids[::-1]
    epochs = [[each for batch in part for each in batch] for part in (ids[:4], ids[4:])]
    for epoch in epochs:
        assert sorted(epoch) == sorted(dataset.id[fold.partition.train].tolist())
    assert epochs[0] != epochs[1]
    assert ids[:4] != epoch_ids(fold, options, 0), "the critic's batches must not be the model's"


def used(dataset: Dataset, config: RunConfig) -> TrainingRows:
    options = {"group": dataset.group, "target": dataset.target, "task": dataset.spec.task}
    return TrainingRows.of(dataset.partitions[0], config, **options)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_share_keeps_whole_videos(dataset: Dataset, config: Config, share: float) -> None:
    train = dataset.partitions[0].train
    kept = used(dataset, config(train_share=share)).labelled
    videos, all_videos = set(dataset.group[kept]), set(dataset.group[train])
    assert len(videos) == round(share * len(all_videos))
    assert sorted(kept) == sorted(row for row in train if dataset.group[row] in videos)


def test_a_share_is_drawn_by_the_seed(dataset: Dataset, config: Config) -> None:
    train = dataset.partitions[0].train

    def rows(seed: int) -> list[int]:
        return used(dataset, config(seed=seed, train_share=0.5)).labelled.tolist()

    assert rows(1) == rows(1)
    assert len({tuple(rows(seed)) for seed in range(5)}) > 1
    assert used(dataset, config()).labelled.tolist() == train.tolist()


def test_a_batch_smaller_than_the_number_of_modalities_is_refused(dataset: Dataset, config: Config) -> None:
    partition = dataset.partitions[0]
    with refused("out_of_range", "batch_size", 2, 3):
        train_sampler(partition.train, config(batch_size=2), 3)
    assert len(train_sampler(partition.train, config(batch_size=3), 3)) == 20


def test_standardised_by_the_training_part_and_no_other(dataset: Dataset) -> None:
    partition = dataset.partitions[0]
    fold = prepare(dataset, partition)
    values = fold.view[partition.train].modalities["text"].values.squeeze(1).numpy()
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(0), 1, atol=1e-4)
    fewer = dataclasses.replace(partition, train=partition.train[:20])
    assert not np.allclose(prepare(dataset, fewer).standardizer.mean["text"], fold.standardizer.mean["text"])
