"""Honest pickles come back value for value; damaged ones are refused in one line."""

from __future__ import annotations

import collections
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from refusals import refused

from comodal.data.formats.pickles import load_pickle, looks_like_pickle

PROTOCOLS = range(6)


def same(found, expected):
    """Equal in value, type and order, NaN included; dicts of the standard library's collections are dicts."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.shape == expected.shape
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        same(found.tolist(), expected.tolist())
    elif isinstance(expected, dict):
        assert type(found) is dict
        same(list(found.items()), list(expected.items()))
    elif isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert type(found) is type(expected)
        assert found == expected or (found != found and expected != expected)  # noqa: PLR0124 - NaN


def through(path, value, protocol):
    path.write_bytes(pickle.dumps(value, protocol))
    assert looks_like_pickle(path)
    return load_pickle(path)


def objects(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


HONEST = {
    "whole numbers": [np.arange(3, dtype=code) for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")],
    "floats": [np.array([1.5, np.nan, -np.inf], dtype=code) for code in ("f2", "f4", "f8", "c8", "c16")],
    "truth values": [np.array([True, False]), True, False, None],
    "strings": [np.array(["a", "bcd", ""]), np.array([b"a", b"bcd", b""]), np.array(["caf\xe9", "\U0001f600"])],
    "objects": objects("a", b"b", None, 1, 2.5, np.arange(3), ["x", ("y",)], {"k": objects(np.zeros((2, 2)), "z")}),
    "orders": [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)],
    "strided": [np.arange(12.0).reshape(3, 4)[:, ::2]],
    "empty": [np.zeros((0, 3)), np.zeros((2, 0, 3), "f4"), np.array([], "U5"), objects(), [], (), {}, set(), "", b""],
    "no axes": [np.array(1.5), np.array("abc"), np.array(b"x"), np.array(7, dtype=">i4")],
    "big-endian": [np.arange(3, dtype=code) for code in (">f4", ">f8", ">i2", ">u4")] + [np.array(["ab"], dtype=">U2")],
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("abc"), np.str_(""), np.bytes_(b"ab")],
    "many arrays of one type": [np.full(2, index, dtype=np.float32) for index in range(300)],
    "numbers": [0, 255, 65_536, -(2**31), 2**63, -(2**100), 10**300, 1.5, -0.0, 1e308, complex(1, -2)],
    "text": ["a", "caf\xe9", "line\nbreak", "back\\slash", "nul\0", "'quote\"", "\U0001f600", "\x1a", "x" * 70_000],
    "bytes": [b"", b"a", b"\xff\0\n", b"x" * 70_000, bytearray(b"abc"), bytearray()],
    "sets": [{1, "a", None}, frozenset({1, (2, 3)}), {("a", 1): {"b"}}],
    "dicts": [collections.OrderedDict(b=1, a=2), collections.defaultdict(list, a=[1]), {b"k": {1: {2.5: "v"}}}],
    "long lists": [list(range(5_000)), [0.5] * 3_000, {str(index): index for index in range(3_000)}],
    "utterances": [((["so", "good"], np.zeros((2, 47)), np.ones((2, 74))), np.array([[1.5]]), "video[3]")] * 3,
}


@pytest.mark.parametrize("case", HONEST)
def test_honest_pickle_comes_back(case, tmp_path):
    for protocol in PROTOCOLS:
        same(through(tmp_path / "x.pkl", {"content": HONEST[case]}, protocol), {"content": HONEST[case]})


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=20)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ARRAYS = stn.arrays(
    stn.boolean_dtypes() | stn.integer_dtypes() | stn.floating_dtypes() | stn.unicode_string_dtypes(max_len=5),
    stn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
NESTED = st.recursive(
    PLAIN | TEXT | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT | st.binary(max_size=5) | st.integers(), inner, max_size=4)
        | st.lists(inner, max_size=4).map(lambda items: objects(*items) if len(items) != 1 else items)
    ),
    max_leaves=12,
)


@given(value=NESTED, protocol=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_any_nested_data_come_back(value, protocol, tmp_path_factory):
    same(through(tmp_path_factory.getbasetemp() / "any.pkl", [value], protocol), [value])


PYTHON_2 = [
    b"(dp0\nS'train'\np1\n(lp2\nS'caf\\xc3\\xa9'\np3\naS'\\xff\\n'\np4\naI5\naL7L\nasS\"it's\"\np5\nI01\ns.",
    b"}q\0(U\x05trainq\1]q\2(U\x05caf\xc3\xa9q\3U\x02\xff\nq\4K\5L7L\neU\x04it'sq\5I01\nu.",
    b"\x80\2}q\0(U\x05trainq\1]q\2(U\x05caf\xc3\xa9q\3T\2\0\0\0\xff\nq\4K\5\x8a\1\7eU\x04it'sq\5\x88u.",
]


@pytest.mark.parametrize("protocol", range(3))
def test_strings_of_python_2_become_bytes(protocol, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(PYTHON_2[protocol])
    assert looks_like_pickle(path)
    assert load_pickle(path) == {b"train": ["caf\xe9".encode(), b"\xff\n", 5, 7], b"it's": True}


def python_2_array(array):
    """An array as NumPy under Python 2 pickles it: with its bytes as a string."""
    order, code, data = array.dtype.str[0], array.dtype.str[1:], array.tobytes()
    string = pickle.BINSTRING + struct.pack("<I", len(data)) + data
    lengths = b"(" + b"".join(pickle.BININT + struct.pack("<i", length) for length in array.shape) + b"t"
    # Types of text say their width; others say -1.
    width = b"K" + bytes([int(code[1:])]) + b"K\1" if code[0] == "S" else b"J\xff\xff\xff\xff" * 2
    kind = b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code.encode() + b"K\0K\1tR(K\3U\1" + order.encode()
    return (
        b"\x80\2cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR(K\1"
        + lengths + kind + b"NNN" + width + b"K\0tbI00\n" + string + b"tb."
    )  # fmt: skip


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="<f4").reshape(2, 3),
        np.frombuffer(b"\xc3\xa9\xc3\xa9", dtype="<u2"),
        np.frombuffer(bytes(range(256)), dtype="u1"),
        np.array([1, 2], dtype=">i4"),
        np.array([b"caf\xc3\xa9"]),
    ],
    ids=["floats", "bytes that are text", "every byte", "big-endian", "strings"],
)
def test_array_of_python_2_keeps_its_bytes(array, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(python_2_array(array))
    same(load_pickle(path), array)
    same(load_pickle(path), np.asarray(pickle.loads(path.read_bytes(), encoding="latin1")))


@pytest.mark.mosi
def test_real_file_is_read_as_the_standard_library_does(mosi_dir):
    path = mosi_dir / "audio_utterances_py2.pickle"
    same(load_pickle(path), pickle.loads(path.read_bytes(), encoding="bytes"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_file_that_is_cut_off_or_goes_on_is_damaged(protocol, tmp_path):
    path = tmp_path / "x.pkl"
    content = pickle.dumps({"train": {"audio": np.arange(3), "id": ["a", "b"]}}, protocol)
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with refused("damaged", path):
            load_pickle(path)
    path.write_bytes(content + content)
    with refused("damaged", path):
        load_pickle(path)


def test_what_is_no_pickle_does_not_look_like_one(tmp_path):
    path = tmp_path / "x"
    texts = (b"", b".", b"\x80", b"\x80\x07.", b"\x80\x04?", b"PK\3\4", b"\x89HDF", b"words.", b"[1, 2].", b"{}.")
    for content in (*texts, b"(a word.", b"\x93NUMPY\1\0v\0", b"PAR1", b"a,b\n1,2\n"):
        path.write_bytes(content)
        assert not looks_like_pickle(path), content
        with refused("damaged", path):
            load_pickle(path)
    for missing in (tmp_path, tmp_path / "missing", tmp_path / "x" / "beneath a file"):
        assert not looks_like_pickle(missing)
        with refused("missing", missing):
            load_pickle(missing)


def test_pipe_is_not_waited_for_and_rights_are_respected(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    assert not looks_like_pickle(tmp_path / "pipe")
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([]))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    assert not looks_like_pickle(path)
    with refused("cannot_read", path):
        load_pickle(path)
