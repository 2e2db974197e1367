"""Numbers out of arrays, lists and objects, and labels in the shapes of the field."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refused

from comodal.data.formats.numeric import numeric, sentiment

GIVEN = [-3.0, 0.0, 1.5, 2.0]


@settings(max_examples=25, deadline=None)
@given(
    array=hnp.arrays(
        st.sampled_from([np.dtype(k) for k in ("f4", "f8", "i2", "u1", "?")]), hnp.array_shapes(max_dims=4, max_side=4)
    )
)
def test_arrays_lists_and_objects_agree(array):
    assert numeric(array, where="f") is array
    for form in (array.tolist(), tuple(array), array.astype(object)):
        np.testing.assert_array_equal(numeric(form, where="f"), array)


def test_arrays_in_lists_and_in_arrays_of_objects():
    rows = [np.ones((2, 3)), np.zeros((2, 3))]
    held = np.empty(2, dtype=object)
    held[:] = rows
    assert numeric(rows, where="f").shape == numeric(held, where="f").shape == (2, 2, 3)


def test_none_is_nan_and_huge_integers_are_floats():
    np.testing.assert_array_equal(numeric([1, None], where="f"), [1, np.nan])
    assert numeric([2**70], where="f").tolist() == [float(2**70)]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([[1], [2, 3]], "wrong_shape"),
        ([np.ones((1, 2)), np.ones((2, 2))], "wrong_shape"),
        ([10**400], "out_of_range"),
        (["a"], "wrong_type"),
        ([{}], "wrong_type"),
        ([1j], "wrong_type"),
        ({"a": 1}, "wrong_type"),
        (np.array(["a"]), "wrong_type"),
        ([np.array(["a"])], "wrong_type"),
    ],
)
def test_refused(values, code):
    with refused(code, "f"):
        numeric(values, where="f")


def test_shared_rows_of_padding_are_fine():
    zero = [0.0] * 300
    assert numeric([[zero] * 5 for _ in range(40)], where="f").shape == (40, 5, 300)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
@pytest.mark.parametrize("kind", [np.float64, np.float16, list, object])
def test_one_number_an_utterance(shape, kind):
    labels = np.array(GIVEN).reshape(shape)
    found, taken = sentiment(labels.tolist() if kind is list else labels.astype(kind), where="x")
    assert found.dtype == np.float32
    assert found.tolist() == GIVEN
    assert taken == ""


@pytest.mark.parametrize("shape", [(4, 7), (4, 1, 7)])
def test_sentiment_is_the_first_of_seven(shape):
    labels = np.arange(28.0).reshape(shape)
    found, taken = sentiment(labels, where="x")
    assert found.tolist() == [0, 7, 14, 21]
    assert taken == "the first of 7 label columns was taken as sentiment"


def test_missing_huge_and_whole_numbers():
    assert np.isnan(sentiment([None, np.nan], where="x")[0]).all()
    assert np.isinf(sentiment([1e300], where="x")[0]).all()
    assert sentiment(np.array([1, 0], np.int8), where="x")[0].tolist() == [1, 0]
    assert sentiment([True, False], where="x")[0].tolist() == [1, 0]
    assert sentiment([], where="x")[0].shape == (0,)


@pytest.mark.parametrize(
    "labels", [3.0, np.zeros((2, 3)), np.zeros((2, 2, 1)), np.zeros((2, 1, 1, 1)), np.zeros((2, 1, 6))]
)
def test_labels_of_another_shape(labels):
    with refused("wrong_shape", "file, key", np.shape(labels)):
        sentiment(labels, where="file, key")


def test_labels_that_are_not_numbers():
    with refused("wrong_type", "file, key", "str"):
        sentiment(["Negative", "Positive"], where="file, key")
