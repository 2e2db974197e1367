from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from refusals import refused

from comodal.contracts import MultimodalBatch
from comodal.data.collate import TensorView
from comodal.data.loader import EpochSampler, loader, ordered


def flat(batches):
    return torch.cat(list(batches)).tolist()


def test_order_depends_on_seed_and_epoch_alone():
    sampler = EpochSampler(np.arange(100, 140), batch_size=8, seed=5)
    first = flat(sampler.batches(3))
    random.seed(9)
    np.random.seed(9)  # noqa: NPY002
    torch.manual_seed(9)
    sampler.batches(0)
    assert flat(EpochSampler(np.arange(100, 140), batch_size=8, seed=5).batches(3)) == first
    assert sorted(first) == list(range(100, 140))
    assert first != flat(sampler.batches(4))
    assert first != flat(EpochSampler(np.arange(100, 140), batch_size=8, seed=6).batches(3))


def test_order_is_that_of_numpy():
    """Pinned: a changed order would silently unpair old runs from new ones."""
    sampler = EpochSampler(np.arange(6), batch_size=4, seed=1)
    assert flat(sampler.batches(2)) == np.random.default_rng([1, 2]).permutation(6).tolist()


def test_batch_size_does_not_change_the_order():
    index = np.arange(30)
    assert flat(EpochSampler(index, batch_size=7, seed=0).batches(1)) == flat(
        EpochSampler(index, batch_size=10, seed=0).batches(1)
    )


@pytest.mark.parametrize(
    ("n", "minimum", "sizes"), [(10, 1, [4, 4, 2]), (10, 3, [4, 4]), (11, 3, [4, 4, 3]), (8, 3, [4, 4])]
)
def test_last_batch_is_left_out_only_when_too_small(n, minimum, sizes):
    sampler = EpochSampler(np.arange(n), batch_size=4, seed=0, minimum=minimum)
    assert [len(rows) for rows in sampler] == sizes
    assert len(sampler) == len(sizes)


def test_set_epoch_chooses_the_order():
    sampler = EpochSampler(np.arange(20), batch_size=5, seed=0)
    sampler.set_epoch(2)
    assert flat(sampler) == flat(sampler.batches(2)) != flat(sampler.batches(0))


def test_batches_in_order_leave_nothing_out():
    assert [rows.tolist() for rows in ordered([5, 3, 9, 1], batch_size=3)] == [[5, 3, 9], [1]]
    with refused("empty", "0 samples"):
        ordered([], batch_size=3)


def test_loader_gives_whole_batches_and_leaves_the_global_generator_alone(toy):
    state = torch.get_rng_state()
    sampler = EpochSampler(np.arange(6), batch_size=4, seed=1, minimum=2)
    batches = list(loader(TensorView(toy), sampler))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(isinstance(batch, MultimodalBatch) for batch in batches)
    ids = [each for batch in batches for each in batch.id]
    assert ids == [str(toy.id[i]) for i in flat(sampler)]
    assert [len(batch) for batch in batches] == [4, 2]


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"batch_size": 0}, "out_of_range", "batch_size 0"),
        ({"batch_size": 2, "minimum": 3}, "out_of_range", "at least 3"),
        ({"minimum": 7, "batch_size": 8}, "empty", "6 samples"),
        ({"seed": -1}, "out_of_range", "seed -1"),
        ({"pool": 0}, "out_of_range", "pool of 0"),
    ],
)
def test_impossible_batches(changes, code, named):
    with refused(code, named):
        EpochSampler(np.arange(6), **{"batch_size": 4, "seed": 0, **changes})


LENGTHS = np.random.default_rng(0).integers(1, 100, size=210)


def padding(batches):
    """Padded frames of all batches, each as long as its longest sample."""
    return sum(int(LENGTHS[rows.numpy()].max()) * len(rows) for rows in batches) - int(LENGTHS.sum())


def test_lengths_keep_similar_samples_together():
    by_length = EpochSampler(np.arange(210), batch_size=10, seed=3, lengths=LENGTHS, pool=7)
    at_random = EpochSampler(np.arange(210), batch_size=10, seed=3)
    assert sorted(flat(by_length.batches(0))) == list(range(210))
    assert padding(by_length.batches(0)) < 0.3 * padding(at_random.batches(0))
    assert flat(by_length.batches(0)) == flat(by_length.batches(0)) != flat(by_length.batches(1))


def test_a_pool_of_one_batch_changes_the_order_but_no_batch():
    alone = EpochSampler(np.arange(210), batch_size=10, seed=3, lengths=LENGTHS, pool=1)
    at_random = EpochSampler(np.arange(210), batch_size=10, seed=3)
    sets = [{frozenset(rows.tolist()) for rows in sampler.batches(2)} for sampler in (alone, at_random)]
    assert sets[0] == sets[1]
    assert flat(alone.batches(2)) != flat(at_random.batches(2))


def test_with_lengths_a_batch_that_is_too_small_is_left_out_as_well():
    sampler = EpochSampler(np.arange(12), batch_size=5, seed=0, minimum=3, lengths=LENGTHS[:12], pool=2)
    assert sorted(len(rows) for rows in sampler) == [5, 5]
    assert len(sampler) == 2
