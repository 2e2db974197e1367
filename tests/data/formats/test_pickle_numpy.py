"""Arrays whose shape, type and bytes disagree, and those that agree."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.formats.pickle_numpy import ElementType, array_from_buffer, fill_array, hollow_array, scalar
from comodal.data.formats.pickle_reader import PickleRefused
from comodal.data.formats.pickles import load_pickle


def filled(shape, code, data, *, fortran=False):
    array = hollow_array()
    fill_array(array, shape, ElementType(code), fortran, data)
    return array


@pytest.mark.parametrize(
    ("shape", "code", "data", "expected"),
    [
        ((2, 2), "i1", b"\1\2\3\4", [[1, 2], [3, 4]]),
        ((), "u1", b"\7", 7),
        ((0, 3), "f4", b"", []),
        ((2,), "b1", b"\0\1", [False, True]),
        ((2,), "S2", b"ab\0\0", [b"ab", b""]),
        ((1,), "U2", "ab".encode("utf-32-le"), ["ab"]),
        ((1,), "U1", b"\x00\xd8\x00\x00", ["\ufffd"]),
        ((2,), "O", ["a", [1]], ["a", [1]]),
        ((2,), "O8", [None, 2.5], [None, 2.5]),
    ],
)  # fmt: skip
def test_array_is_filled_in_place(shape, code, data, expected):
    found = filled(shape, code, data)
    assert found.tolist() == expected
    assert found.shape == shape


def test_first_axis_can_be_the_fastest():
    assert filled((2, 2), "i1", b"\1\2\3\4", fortran=True).tolist() == [[1, 3], [2, 4]]
    assert array_from_buffer(b"\1\2\3\4", ElementType("i1"), (2, 2), "F", None).tolist() == [[1, 3], [2, 4]]
    assert array_from_buffer(b"\1\2\3\4", ElementType("i1"), (2, 2), "K", (1, 0)).tolist() == [[1, 3], [2, 4]]


def test_byte_order_is_that_of_the_state():
    kind = ElementType("u2")
    kind.build((3, ">", None, None, None, -1, -1, 0))
    array = hollow_array()
    fill_array(array, (1,), kind, fortran=False, data=b"\1\0")
    assert array.tolist() == [256]
    assert scalar(kind, b"\1\0") == 256


@pytest.mark.parametrize(
    ("shape", "code", "data"),
    [
        ((2,), "f4", b"\0" * 4),
        ((1,), "f4", b"\0" * 8),
        ((10**12,), "f4", b""),
        ((-1,), "f4", b""),
        ((-1, -1), "f4", b"\0" * 4),
        ((1 << 32, 1 << 32), "u1", b""),
        ((1 << 62, 4), "f4", b""),
        ((0, 1 << 40), "f4", b""),
        ((0,), "U500000", b""),
        ((1 << 40,), "S0", b""),
        ((1 << 40,), "U0", b""),
        ((1,) * 33, "u1", b"\0"),
        ((True,), "u1", b"\0"),
        ((1.0,), "u1", b"\0"),
        ([1], "u1", b"\0"),
        (1, "u1", b"\0"),
        (None, "u1", b"\0"),
        ((2,), "O", ["a"]),
        ((1,), "O", b"\0" * 8),
        ((1,), "O", ("a",)),
        ((1,), "f8", [1.0]),
        ((1,), "f8", "x" * 8),
        ((2,), "b1", b"\0\2"),
        ((1,), "U1", b"\x00\x00\x11\x00"),
    ],
)  # fmt: skip
def test_array_that_contradicts_itself_is_refused(shape, code, data):
    with pytest.raises(PickleRefused):
        filled(shape, code, data)
    if isinstance(data, bytes):
        with pytest.raises(PickleRefused):
            array_from_buffer(data, ElementType(code), shape, "C", None)


@pytest.mark.parametrize("order", ["A", "", None, 1, ["C"]])
def test_unknown_layout_is_refused(order):
    with pytest.raises(PickleRefused, match="unknown layout"):
        array_from_buffer(b"\0", ElementType("u1"), (1,), order, None)


@pytest.mark.parametrize(
    "code",
    ["V8", "M8", "m8[ns]", "f16", "g", "T", "i4,i4", "3f4", "(2,)f4", "O4x", "float32x", "", None, 4, ["f4"], object],
)
def test_element_type_that_is_no_plain_data_is_refused(code):
    with pytest.raises(PickleRefused, match="not plain numbers or text"):
        ElementType(code)


@pytest.mark.parametrize(
    "state",
    [
        None,
        (),
        (3, "<", None, None, None, -1, -1),
        (99, "<", None, None, None, -1, -1, 0),
        (3, "!", None, None, None, -1, -1, 0),
        (3, "", None, None, None, -1, -1, 0),
        (3, "<>", None, None, None, -1, -1, 0),
        (3, np.zeros(2), None, None, None, -1, -1, 0),
        (3, "<", None, ("a",), {"a": 1}, -1, -1, 0),
        (3, "<", ("f4", (2,)), None, None, -1, -1, 0),
        (3, "<", None, None, None, 1 << 40, -1, 0),
        (3, "<", None, None, None, -1, -1, 0, {"callback": 1}),
    ],
)
def test_state_of_an_element_type_that_is_unknown_is_refused(state):
    with pytest.raises(PickleRefused):
        ElementType("f4").build(state)


def test_element_type_is_built_once():
    kind = ElementType("f4")
    kind.build((3, "<", None, None, None, -1, -1, 0))
    with pytest.raises(PickleRefused):
        kind.build((3, ">", None, None, None, -1, -1, 0))


@pytest.mark.parametrize(("code", "data"), [("f4", b"\0"), ("f4", b""), ("O", []), ("f4", None), ("f4", "x")])
def test_scalar_that_contradicts_itself_is_refused(code, data):
    with pytest.raises(PickleRefused):
        scalar(ElementType(code), data)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]),
        np.zeros(2, dtype="M8[s]"),
        np.ma.masked_array([1, 2], mask=[True, False]),
        np.recarray(2, dtype=[("a", "f4")]),
    ],
    ids=["records", "dates", "masked", "recarray"],
)
@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_other_kinds_are_refused(value, protocol, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({"audio": value}, protocol))
    with pytest.raises(InputError, match="refused before running anything of it"):
        load_pickle(path)
