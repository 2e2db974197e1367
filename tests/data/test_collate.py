from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused
from torch.utils.data import DataLoader

from comodal.data.assemble import assemble
from comodal.data.collate import TensorView, batch, pad
from comodal.data.ragged import RaggedArray
from comodal.data.standardize import Standardizer
from comodal.data.store import open_store, write_store


def naive(rows, index):
    """Padding as one would write it first."""
    longest = max([1, *(len(rows[i]) for i in index)])
    values = torch.zeros(len(index), longest, rows[0].shape[1])
    mask = torch.zeros(len(index), longest, dtype=torch.bool)
    for b, i in enumerate(index):
        for t, frame in enumerate(rows[i]):
            values[b, t] = torch.from_numpy(frame)
            mask[b, t] = True
    return values, mask


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
def test_ragged_collate_equals_a_naive_loop(lengths, data):
    index = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=10))
    rng = np.random.default_rng(len(lengths))
    rows = [rng.normal(size=(n, 3)).astype(np.float32) for n in lengths]
    array = RaggedArray.from_rows(rows)
    sequence = pad(array, np.array(index))
    values, mask = naive(rows, index)
    assert torch.equal(sequence.values, values)
    assert torch.equal(sequence.mask, mask)


def test_batch_of_a_dataset_keeps_ids_order_and_absence(toy):
    got = batch(toy, [4, 2, 0])
    assert got.id == ("c_1", "b_1", "a_1")
    assert got.target.tolist() == [2.0, 0.0, -3.0]
    assert got.modalities["audio"].present.tolist() == [True, False, True]
    assert got.modalities["audio"].values.shape == (3, 2, 2)
    assert got.modalities["text"].values.shape == (3, 1, 3)
    np.testing.assert_array_equal(got.modalities["text"].values[:, 0], toy.modalities["text"].values[[4, 2, 0]])


def test_vectors_and_runs_give_the_same_batch(toy):
    """The fast path of sample-level features against the general one."""
    view = TensorView(toy)
    index = torch.tensor([3, 3, 1])
    fast = view[index].modalities["text"]
    slow = pad(toy.modalities["text"], index.numpy())
    assert torch.equal(fast.values, slow.values)
    assert torch.equal(fast.mask, slow.mask)


@pytest.mark.parametrize("index", [[2], np.array([2]), torch.tensor([2]), range(2, 3)])
def test_every_kind_of_index(toy, index):
    assert TensorView(toy)[index].id == ("b_1",)


def test_padding_hides_what_lies_there():
    """Frame 0 stands in for padding; nothing of it may show, not even NaN."""
    array = RaggedArray.from_rows([[[float("nan")]], [[1.0]], np.zeros((0, 1))])
    assert pad(array, np.array([1, 2])).values.tolist() == [[[1.0]], [[0.0]]]


def test_modality_nobody_has():
    sequence = pad(RaggedArray(np.zeros((0, 4), dtype=np.float32), np.zeros(3, dtype=np.int64)), np.array([0, 1]))
    assert sequence.values.shape == (2, 1, 4)
    assert not sequence.mask.any()


def test_read_only_arrays_are_taken_without_a_warning(make):
    values = np.ones((6, 3), dtype=np.float32)
    values[0] = 2
    values.flags.writeable = False
    view = TensorView(make(modalities={"text": RaggedArray(values, np.arange(7))}))
    assert view[[0]].modalities["text"].values.sum() == 6


def test_batch_does_not_share_memory_with_the_dataset(toy):
    before = toy.modalities["text"].values.copy()
    batch(toy, [0, 1]).modalities["text"].values.zero_()
    np.testing.assert_array_equal(toy.modalities["text"].values, before)


def equal_batches(found, expected, rows):
    for index in (rows, rows[::-1], rows[:1]):
        same_batch(found[index], expected[index])


def same_batch(mine, theirs):
    assert mine.id == theirs.id
    assert torch.equal(mine.target, theirs.target)
    assert list(mine.modalities) == list(theirs.modalities)
    for name, sequence in theirs.modalities.items():
        assert mine.modalities[name].values.dtype == torch.float32
        assert mine.modalities[name].values.numpy().tobytes() == sequence.values.numpy().tobytes()
        assert torch.equal(mine.modalities[name].mask, sequence.mask)


def spread(dataset):
    """Values that only double precision scales well, a constant column, and one beyond the clip."""
    rng = np.random.default_rng(3)
    modalities = {}
    for name, array in dataset.modalities.items():
        values = (1e4 + rng.normal(size=array.values.shape)).astype(np.float32)
        values[:, 0] = 2.5
        values[-1, -1] = -3e30
        modalities[name] = array.with_values(values)
    return dataset.with_features(modalities)


@pytest.mark.parametrize("clip", [10.0, 0.3])
def test_standardised_with_the_batch_or_before_it(make, clip):
    """Runs are scaled a batch at a time and vectors at once; no bit may tell."""
    dataset = spread(make())
    standardizer = Standardizer.fit(dataset, np.arange(6), clip=clip)
    equal_batches(TensorView(dataset, standardizer), TensorView(standardizer.transform(dataset)), [3, 0, 2, 5, 5, 1])


@pytest.mark.parametrize("preadv", [True, False])
def test_mapped_data_give_the_same_batches(tmp_path, source, monkeypatch, preadv):
    if not preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
    write_store(source, tmp_path / "set")
    mapped, direct = assemble(open_store(tmp_path / "set")), assemble(source)
    standardizer = Standardizer.fit(direct, direct.partitions[0].train)
    again = Standardizer.fit(mapped, mapped.partitions[0].train)
    for name in direct.modalities:
        assert again.mean[name].tobytes() == standardizer.mean[name].tobytes()
        assert again.std[name].tobytes() == standardizer.std[name].tobytes()
    rows = [8, 1, 3, 3, 0, 6]
    equal_batches(TensorView(mapped), TensorView(direct), rows)
    equal_batches(TensorView(mapped, standardizer), TensorView(standardizer.transform(direct)), rows)


@pytest.fixture
def stored(tmp_path, source):
    """Mapped sequences, vectors and all."""
    write_store(source, tmp_path / "set")
    return assemble(open_store(tmp_path / "set"))


@pytest.mark.parametrize("standardised", [True, False])
def test_a_file_that_was_cut_is_an_error_of_the_batch(stored, standardised):
    standardizer = Standardizer.fit(stored, stored.partitions[0].train) if standardised else None
    view = TensorView(stored, standardizer)
    os.truncate(stored.modalities["audio"].file.path, 140)
    with refused("damaged", "1.npy"):
        view[[0, 2]]
    with refused("damaged", "1.npy"):
        Standardizer.fit(stored.select_modalities(["audio"]), stored.partitions[0].train)


ROWS = [[8, 1, 3], [3, 0, 6], [5], [2, 4, 7]]


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_give_the_same_batches(stored, workers):
    view = TensorView(stored, Standardizer.fit(stored, stored.partitions[0].train))
    alone = [view[rows] for rows in ROWS]
    index = [torch.tensor(rows) for rows in ROWS]
    for found, expected in zip(
        DataLoader(view, sampler=index, batch_size=None, num_workers=workers), alone, strict=True
    ):
        same_batch(found, expected)


def test_threads_give_the_same_batches(stored):
    view = TensorView(stored, Standardizer.fit(stored, stored.partitions[0].train))
    alone = [view[rows] for rows in ROWS]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(view.__getitem__, 50 * ROWS), 50 * alone, strict=True):
            same_batch(found, expected)


def test_a_view_of_mapped_data_can_be_pickled(stored):
    view = TensorView(stored, Standardizer.fit(stored, stored.partitions[0].train))
    equal_batches(pickle.loads(pickle.dumps(view)), view, ROWS[0])


def test_a_batch_that_is_kept_does_not_change(stored):
    view = TensorView(stored)
    kept = view[ROWS[0]]
    before = kept.modalities["audio"].values.clone()
    for rows in ROWS:
        view[rows].modalities["audio"].values.fill_(7)
    assert torch.equal(kept.modalities["audio"].values, before)


def test_a_standardizer_of_other_features(make):
    dataset = make()
    standardizer = Standardizer.fit(dataset.select_modalities(["text"]), np.arange(6))
    with refused("mismatch", "text", "audio"):
        TensorView(dataset, standardizer)


def test_longest_modality_of_each_sample(toy):
    assert TensorView(toy).lengths.tolist() == [2, 1, 1, 3, 1, 2]
