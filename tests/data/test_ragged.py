from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data import ragged
from comodal.data.ragged import RaggedArray, frame_index
from comodal.data.stored_array import FrameWriter, StoredArray


def test_frame_index_equals_concatenated_ranges():
    rng = np.random.default_rng(0)
    for _ in range(50):
        starts, lengths = rng.integers(0, 90, size=12), rng.integers(0, 5, size=12)
        naive = [f for s, n in zip(starts, lengths, strict=True) for f in range(s, s + n)]
        assert frame_index(starts, lengths).tolist() == naive


def test_take_keeps_each_row():
    rows = [np.full((n, 2), i, dtype=np.float32) for i, n in enumerate((2, 0, 3, 1))]
    taken = RaggedArray.from_rows(rows).take(np.array([2, 1, 0, 2]))
    assert taken.lengths.tolist() == [3, 0, 2, 3]
    assert taken.values[:, 0].tolist() == [2, 2, 2, 0, 0, 2, 2, 2]


def test_owner_skips_absent_samples():
    array = RaggedArray.from_rows([np.ones((2, 1)), np.ones((0, 1)), np.ones((1, 1))])
    assert array.owner(np.arange(3)).tolist() == [0, 0, 2]


def test_dense_sequences_have_every_frame_real():
    array = RaggedArray.from_dense(np.arange(12).reshape(2, 3, 2))
    assert array.lengths.tolist() == [3, 3]
    assert array.values[3].tolist() == [6, 7]
    assert array.max_length == 3


def test_is_vectors_only_when_every_length_is_one():
    assert RaggedArray.from_vectors(np.ones((3, 2))).is_vectors
    assert not RaggedArray.from_rows([np.ones((2, 2)), np.ones((0, 2))]).is_vectors


@pytest.mark.parametrize("offsets", [[0, 2], [1, 3], [0, 2, 1, 3], [], [0, 3, 4]])
def test_offsets_that_do_not_divide_the_frames(offsets):
    with refused("mismatch", 3):
        RaggedArray(np.ones((3, 2), dtype=np.float32), np.array(offsets, dtype=np.int64))


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 2, 2)])
def test_frames_must_be_rows_of_features(shape):
    with refused("wrong_shape", shape):
        RaggedArray(np.ones(shape, dtype=np.float32), np.array([0, 3], dtype=np.int64))


def test_rows_of_other_width_are_named():
    with refused("wrong_shape", "audio, row 1", (2, 3)):
        RaggedArray.from_rows([np.ones((1, 2)), np.ones((2, 3))], where="audio")
    with refused("empty"):
        RaggedArray.from_rows([])


def test_words_are_not_features():
    with refused("wrong_type", "text"):
        RaggedArray.from_vectors([["good"], ["bad"]], where="text")


def test_overflow_becomes_infinite_without_a_warning():
    assert np.isinf(RaggedArray.from_vectors([[1e300]]).values).all()


def of_lengths(lengths, dim=2):
    return RaggedArray.from_rows([np.random.default_rng(n).normal(size=(n, dim)) for n in lengths])


LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(1, 9))
def test_parts_are_all_frames_in_order(lengths, frames):
    array = of_lengths(lengths)
    parts = list(array.parts(frames))
    assert all(0 < len(part) <= frames for part in parts)
    assert [frame.tolist() for part in parts for frame in part] == array.values.tolist()


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.data())
def test_groups_are_all_rows_in_order_and_not_too_large(lengths, frames, data):
    array = of_lengths(lengths)
    index = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=15)), dtype=np.int64)
    groups = list(array.groups(index, frames))
    assert [row for group in groups for row in group.tolist()] == index.tolist()
    for group in groups:
        assert array.lengths[group].sum() < frames + max(lengths)


def test_a_part_is_some_megabytes_whatever_the_width(monkeypatch):
    monkeypatch.setattr(ragged, "_PART", 12)
    assert [len(part) for part in of_lengths([9], dim=4).parts()] == [3, 3, 3]
    assert [len(part) for part in of_lengths([2], dim=40).parts()] == [1, 1]
    assert [rows.tolist() for rows in of_lengths([3, 3, 1, 1], dim=4).groups(np.arange(4))] == [[0], [1], [2, 3]]


@settings(max_examples=25, deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=4))
def test_arrays_below_each_other(several):
    whole = RaggedArray.concatenate([of_lengths(lengths) for lengths in several])
    assert whole.lengths.tolist() == [length for lengths in several for length in lengths]
    expected = [row for lengths in several for n in lengths for row in of_lengths([n]).values.tolist()]
    assert whole.values.tolist() == expected


@settings(max_examples=25, deadline=None)
@given(LENGTHS, st.integers(1, 9), st.data())
def test_on_disk_as_in_memory(tmp_path_factory, lengths, frames, data):
    array = of_lengths(lengths)
    with FrameWriter(tmp_path_factory.mktemp("f") / "x.npy", 2) as writer:
        writer.append(array)
        stored = writer.array()
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=15)), dtype=np.int64)
    chosen = np.unique(rows)
    for found, expected in ((stored, array), (stored.select(chosen), array.select(chosen))):
        assert found.offsets.tolist() == expected.offsets.tolist()
        assert found.values.tobytes() == expected.values.tobytes()
        assert [f.tolist() for p in found.parts(frames) for f in p] == expected.values.tolist()
        every = np.arange(len(found))[::-1]
        assert found.take(every).values.tobytes() == expected.take(every).values.tobytes()
    assert stored.take(rows).values.tobytes() == array.take(rows).values.tobytes()
    assert isinstance(stored.select(chosen).select(np.arange(len(chosen))), StoredArray)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda array: pickle.loads(pickle.dumps(array))])
def test_a_stored_array_can_go_to_another_process(tmp_path, copied):
    with FrameWriter(tmp_path / "x.npy", 2) as writer:
        writer.append(of_lengths([3, 0, 1]))
    stored = StoredArray.open(tmp_path / "x.npy", 2, np.array([3, 0, 1])).select(np.array([2, 0]))
    found = copied(stored)
    assert found.values.tolist() == stored.values.tolist()
    assert found.lengths.tolist() == [1, 3]
