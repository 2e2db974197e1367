from __future__ import annotations

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.ragged import RaggedArray, frame_index


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


def test_owner_skips_absent_utterances():
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
    with pytest.raises(InputError, match="must rise from 0"):
        RaggedArray(np.ones((3, 2), dtype=np.float32), np.array(offsets, dtype=np.int64))


@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 2, 2)])
def test_frames_must_be_rows_of_features(shape):
    with pytest.raises(InputError, match="give \\(frames, features\\)"):
        RaggedArray(np.ones(shape, dtype=np.float32), np.array([0, 3], dtype=np.int64))


def test_rows_of_other_width_are_named():
    with pytest.raises(InputError, match=r"audio, row 1: shape \(2, 3\) where \(frames, 2\)"):
        RaggedArray.from_rows([np.ones((1, 2)), np.ones((2, 3))], where="audio")
    with pytest.raises(InputError, match="give at least one"):
        RaggedArray.from_rows([])


def test_words_are_not_features():
    with pytest.raises(InputError, match="text: features are not numbers"):
        RaggedArray.from_vectors([["good"], ["bad"]], where="text")


def test_overflow_becomes_infinite_without_a_warning():
    assert np.isinf(RaggedArray.from_vectors([[1e300]]).values).all()
