"""Padding against a plain loop over rows and frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from comodal.data.formats.padding import dense, padding_side, real_frames, unpad, within


def frames(*rows):
    """One feature a frame."""
    return np.array(rows, dtype=np.float32)[:, :, None]


def listed(array):
    values = array.values[:, 0].tolist()
    return [values[a:b] for a, b in zip(array.offsets[:-1].tolist(), array.offsets[1:].tolist(), strict=True)]


def cut(values, side, lengths=None):
    return listed(unpad(values, real_frames(values), side, lengths=lengths, where="file, key"))


@pytest.mark.parametrize(
    ("values", "shape"),
    [([[1, 2], [3, 4]], (2, 1, 2)), (np.ones((2, 3, 4), np.int8), (2, 3, 4)), ([[[True]]], (1, 1, 1))],
)
def test_dense_shapes(values, shape):
    found = dense(values, where="x")
    assert (found.shape, found.dtype) == (shape, np.float32)
    np.testing.assert_array_equal(found.ravel(), np.ravel(values))


def test_dense_does_not_copy_what_is_as_it_should_be():
    values = np.ones((2, 3, 4), dtype=np.float32)
    assert np.shares_memory(dense(values, where="x"), values)


def test_dense_passes_what_is_not_finite_and_what_overflows():
    assert np.isinf(dense([[1e300, -np.inf]], where="x")).all()
    assert np.isnan(dense([[None, np.nan]], where="x")).all()


@pytest.mark.parametrize("values", [[1.0], 3.0, [], [[]], [[[]]], np.ones((2, 0, 3)), np.ones((1, 1, 1, 1))])
def test_dense_refuses_other_shapes(values):
    with refused("wrong_shape", "file, key"):
        dense(values, where="file, key")


def test_dense_refuses_what_is_not_a_number():
    with refused("wrong_type", "file, key", "str"):
        dense([["a"]], where="file, key")


def test_real_frames():
    assert real_frames(np.array([[[0, 0], [0, np.nan], [-0.0, 0], [1, 0]]], np.float32)).tolist() == [
        [False, True, False, True]
    ]


@pytest.mark.parametrize(
    ("rows", "side"),
    [
        (["011", "111"], "left"),
        (["110", "111"], "right"),
        (["111", "101"], ""),
        (["000", "000"], ""),
        (["000", "000", "011"], "left"),
        (["011", "110", "110"], "right"),
        # As many rows at either end: the longer run is padding.
        (["0011", "1110"], "left"),
        (["0010"], "left"),
        (["010"], "right"),
    ],
)
def test_side(rows, side):
    assert padding_side(np.array([[c == "1" for c in row] for row in rows])) == side


@pytest.mark.parametrize(
    ("row", "side", "kept"),
    [
        ([0, 0, 1, 0, 2, 0], "left", [1, 0, 2, 0]),
        ([0, 1, 0, 2, 0, 0], "right", [0, 1, 0, 2]),
        ([0, 1, 0], "", [0, 1, 0]),
        ([0, 0, 0], "left", []),
        ([0, 0, 0], "", []),
    ],
)
def test_zeros_at_the_other_end_and_inside_stay(row, side, kept):
    assert cut(frames(row), side) == [kept]


def test_lengths_keep_silence_but_never_cut_real_frames():
    values = frames([1, 2, 3, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0])
    assert cut(values, "right", [2, 3, 2, 0]) == [[1, 2, 3], [1, 0, 0], [0, 0], []]
    assert cut(values[:, ::-1], "left", np.array([2, 3, 2, 0])) == [[3, 2, 1], [0, 0, 1], [0, 0], []]
    # A sequence may have been cut to the padded length.
    assert cut(frames([1, 2]), "right", [[9.0]]) == [[1, 2]]


@pytest.mark.parametrize("lengths", [[1], [1, 2, 3], [-1, 2], [0.5, 1], ["a", "b"], [np.nan, 1], [[1], [2, 3]], 2])
def test_impossible_lengths(lengths):
    values = frames([1, 0], [1, 2])
    with refused(("damaged", "wrong_shape", "wrong_type")):
        cut(values, "right", lengths)


def test_within_a_mask():
    mask = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    assert listed(within(frames([1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]), mask)) == [[2, 3, 4], [], [0, 0, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 2), min_size=5, max_size=5), min_size=1, max_size=6),
    side=st.sampled_from(["left", "right"]),
)
def test_against_a_loop(rows, side):
    expected = []
    for row in rows:
        kept = list(row)
        while kept and kept[0 if side == "left" else -1] == 0:
            kept.pop(0 if side == "left" else -1)
        expected.append(kept)
    assert cut(frames(*rows), side) == expected
