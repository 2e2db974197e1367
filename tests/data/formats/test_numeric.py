"""Numbers out of arrays, lists and objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refused

from comodal.data.formats.numeric import numeric


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
