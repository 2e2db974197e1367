"""Honest pickles come back value for value; damaged ones come back or are refused, and nothing else happens."""

from __future__ import annotations

import collections
import os
import pickle
import random
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from comodal.contracts import InputError
from comodal.data.formats.pickles import load_pickle, looks_like_pickle

PROTOCOLS = range(6)


def same(found, expected):
    """Equal in value, type and order, NaN included."""
    if isinstance(expected, np.ndarray):
        assert type(found) is np.ndarray
        assert found.shape == expected.shape
        assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        same(found.tolist(), expected.tolist())
    elif isinstance(expected, dict):
        assert type(found) is type(expected)
        same(list(found), list(expected))
        same(list(found.values()), list(expected.values()))
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
    "features": {"train": {"text": np.arange(24.0, dtype=np.float32).reshape(2, 3, 4), "labels": np.ones((2, 1, 1))}},
    "whole numbers": [np.arange(3, dtype=code) for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")],
    "floats": [np.array([1.5, np.nan, -np.inf], dtype=code) for code in ("f2", "f4", "f8", "c8", "c16")],
    "truth values": [np.array([True, False]), True, False, None],
    "strings": [np.array(["a", "bcd", ""]), np.array([b"a", b"bcd", b""]), np.array(["caf\xe9", "\U0001f600"])],
    "objects": objects("a", b"b", None, 1, 2.5, np.arange(3), ["x", ("y",)], {"k": objects(np.zeros((2, 2)), "z")}),
    "ragged": [np.zeros((length, 3)) for length in (2, 1, 4)],
    "fortran": [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2)],
    "strided": [np.arange(12.0).reshape(3, 4)[:, ::2]],
    "empty": [
        np.zeros((0, 3)),
        np.zeros((2, 0, 3), "f4"),
        np.array([], dtype="U5"),
        objects(),
        [],
        (),
        {},
        set(),
        "",
        b"",
    ],
    "no axes": [np.array(1.5), np.array("abc"), np.array(b"x"), np.array(7, dtype=">i4")],
    "big-endian": [np.arange(3, dtype=code) for code in (">f4", ">f8", ">i2", ">u4")] + [np.array(["ab"], dtype=">U2")],
    "scalars": [
        np.float32(1.5),
        np.int64(-3),
        np.bool_(True),
        np.str_("abc"),
        np.str_(""),
        np.bytes_(b"ab"),
        np.float64(2),
    ],
    "many arrays of one type": [np.full(2, index, dtype=np.float32) for index in range(300)],
    "numbers": [
        0,
        1,
        -1,
        255,
        256,
        65_536,
        -(2**31),
        2**31,
        2**63,
        -(2**100),
        10**300,
        1.5,
        -0.0,
        1e308,
        complex(1, -2),
    ],
    "text": ["a", "caf\xe9", "line\nbreak", "back\\slash", "nul\0", "'quote\"", "\U0001f600", "\x1a", "x" * 70_000],
    "bytes": [b"", b"a", b"\xff\0\n", b"x" * 70_000, bytearray(b"abc"), bytearray()],
    "sets": [{1, "a", None}, frozenset({1, (2, 3)}), {("a", 1): {"b"}}],
    "dicts": [
        collections.OrderedDict([("b", 1), ("a", 2)]),
        collections.defaultdict(list, a=[1]),
        {b"k": {1: {2.5: "v"}}},
    ],
    "long lists": [list(range(5_000)), [0.5] * 3_000, {str(index): index for index in range(3_000)}],
    "utterances": [((["so", "good"], np.zeros((2, 47)), np.ones((2, 74))), np.array([[1.5]]), "video[3]")] * 3,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", HONEST)
def test_honest_pickle_comes_back(case, protocol, tmp_path):
    same(through(tmp_path / "x.pkl", {"content": HONEST[case]}, protocol), {"content": HONEST[case]})


def test_factory_of_a_default_dict_stays(tmp_path):
    assert through(tmp_path / "x.pkl", collections.defaultdict(list), 2).default_factory is list
    assert through(tmp_path / "x.pkl", collections.defaultdict(None, a=1), 2).default_factory is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_halves_of_characters_become_the_sign_for_them(protocol, tmp_path):
    found = through(tmp_path / "x.pkl", ["a\ud83d", np.array(["a\ud83d"])], protocol)
    assert found[0] == "a\ufffd"
    assert found[1].tolist() == ["a\ufffd"]


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
)
ARRAYS = stn.arrays(
    stn.boolean_dtypes()
    | stn.integer_dtypes()
    | stn.floating_dtypes(sizes=(16, 32, 64))
    | stn.byte_string_dtypes(max_len=5),
    stn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.binary(max_size=5) | st.integers()
NESTED = st.recursive(
    PLAIN | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.lists(inner, max_size=4).map(lambda items: objects(*items) if len(items) != 1 else items)
    ),
    max_leaves=12,
)


@given(value=NESTED, protocol=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_any_nested_data_come_back(value, protocol, tmp_path_factory):
    same(through(tmp_path_factory.getbasetemp() / "any.pkl", [value], protocol), [value])


PYTHON_2 = {
    "protocol 0": b"(dp0\nS'train'\np1\n(lp2\nS'caf\\xc3\\xa9'\np3\na"
    b"S'\\xff\\n'\np4\naI5\naL7L\nasS\"it's\"\np5\nI01\ns.",
    "protocol 1": b"}q\0(U\x05trainq\1]q\2(U\x05caf\xc3\xa9q\3U\x02\xff\nq\4K\5L7L\neU\x04it'sq\5I01\nu.",
    "protocol 2": b"\x80\2}q\0(U\x05trainq\1]q\2(U\x05caf\xc3\xa9q\3T\2\0\0\0\xff\nq\4K\5\x8a\1\7eU\x04it'sq\5\x88u.",
}


@pytest.mark.parametrize("case", PYTHON_2)
def test_strings_of_python_2_become_text(case, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(PYTHON_2[case])
    assert looks_like_pickle(path)
    assert load_pickle(path) == {"train": ["caf\xe9", "\xff\n", 5, 7], "it's": True}


def python_2_array(data, *, shape, code, order="<"):
    """An array as NumPy under Python 2 pickles it: with its bytes as a string."""
    string = pickle.BINSTRING + struct.pack("<I", len(data)) + data
    lengths = b"(" + b"".join(pickle.BININT + struct.pack("<i", length) for length in shape) + b"t"
    # Types of text say their width; others say -1.
    width = b"K" + bytes([int(code[1:])]) + b"K\1" if code[0] == "S" else b"J\xff\xff\xff\xff" * 2
    kind = b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code.encode() + b"K\0K\1tR(K\3U\1" + order.encode()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR(K\1"
        + lengths + kind + b"NNN" + width + b"K\0tbI00\n" + string + b"tb"
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
    order = array.dtype.str[0]
    path.write_bytes(
        b"\x80\2" + python_2_array(array.tobytes(), shape=array.shape, code=array.dtype.str[1:], order=order) + b"."
    )
    same(load_pickle(path), array)
    with path.open("rb") as stream:
        same(load_pickle(path), np.asarray(pickle.load(stream, encoding="latin1")))


@pytest.mark.mosi
def test_real_file_is_read_as_the_standard_library_does(mosi_dir):
    path = mosi_dir / "audio_utterances_py2.pickle"
    with path.open("rb") as stream:
        expected = pickle.load(stream, encoding="latin1")
    same(load_pickle(path), expected)


def test_what_is_no_pickle_does_not_look_like_one(tmp_path):
    path = tmp_path / "x"
    texts = (
        b"",
        b".",
        b"\x80",
        b"\x80\x07.",
        b"\x80\x04?",
        b"PK\3\4",
        b"\x89HDF",
        b"words.",
        b"[1, 2].",
        b"{}.",
        b"(a word.",
    )
    for data in (*texts, b"\x93NUMPY\1\0v\0", b"PAR1", b"a,b\n1,2\n"):
        path.write_bytes(data)
        assert not looks_like_pickle(path), data
    assert not looks_like_pickle(tmp_path)
    assert not looks_like_pickle(tmp_path / "missing")
    assert not looks_like_pickle(tmp_path / "x" / "beneath a file")


def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not looks_like_pickle(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a file"):
        load_pickle(tmp_path / "pipe")


def test_path_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        load_pickle(tmp_path / "missing.pkl")
    with pytest.raises(InputError, match="not a file"):
        load_pickle(tmp_path)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([]))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    assert not looks_like_pickle(path)
    with pytest.raises(InputError, match="Permission denied"):
        load_pickle(path)


def test_link_is_followed(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([1]))
    (tmp_path / "link").symlink_to(tmp_path / "x.pkl")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    assert load_pickle(tmp_path / "link") == [1]
    with pytest.raises(InputError, match="no such file"):
        load_pickle(tmp_path / "broken")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_file_that_is_cut_off_or_goes_on_is_refused(protocol, tmp_path):
    path = tmp_path / "x.pkl"
    data = pickle.dumps({"train": {"audio": np.arange(3), "id": ["a", "b"]}}, protocol)
    for end in range(len(data)):
        path.write_bytes(data[:end])
        with pytest.raises(InputError):
            load_pickle(path)
    path.write_bytes(data + data)
    with pytest.raises(InputError, match="goes on"):
        load_pickle(path)


def damaged(data, rng):
    """A few bytes flipped, taken out, put in, repeated or exchanged."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at, other = rng.randrange(len(found)), rng.randrange(len(found))
        kind = rng.randrange(5)
        if kind == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at] = rng.choice(
                b"(.)0125IJKLMNOPQRSTUVXabcdeghijlopqrstu}]\x80\x81\x82\x85\x86\x87\x88\x8c\x8e\x8f\x90\x93\x94\x95"
            )
        elif kind == 2:
            del found[at : at + rng.randint(1, 4)]
        elif kind == 3:
            found[at:at] = found[other : other + rng.randint(1, 40)]
        else:
            found[at], found[other] = found[other], found[at]
        found = found or bytearray(b".")
    return bytes(found)


@pytest.fixture
def memory():
    """Bytes at the peak, since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_damage_is_refused_or_harmless(protocol, tmp_path, memory):
    """A fixed seed; anything but a value or an `InputError` ends the test."""
    rng = random.Random(protocol)
    path = tmp_path / "x.pkl"
    seeds = [
        pickle.dumps(value, protocol) for name, value in HONEST.items() if name not in ("long lists", "text", "bytes")
    ]
    refused = []
    for _ in range(250):
        path.write_bytes(damaged(rng.choice(seeds), rng))
        try:
            load_pickle(path)
        except InputError as error:
            refused.append(str(error))
        looks_like_pickle(path)
    assert len(refused) > 60
    assert not any("\n" in message for message in refused)
    assert memory() < 100 << 20
