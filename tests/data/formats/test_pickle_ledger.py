"""Small files that claim much: they take memory and time in proportion to their size, or are refused."""

from __future__ import annotations

import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.formats.pickles import load_pickle

FREE = 64 << 20
FACTOR = 256


def text(value):
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def named(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def repeat(index, count):
    return (pickle.BINGET + bytes([index])) * count


def doubled(times, make):
    """A container of the one before, twice, and so on: two to the power of ``times`` in print."""
    found = text("x") + pickle.MEMOIZE
    for level in range(times):
        found += pickle.POP + make(repeat(level, 2)) + pickle.MEMOIZE
    return found


def a_list(items):
    return pickle.EMPTY_LIST + pickle.MARK + items + pickle.APPENDS


def a_tuple(items):
    return pickle.MARK + items + pickle.TUPLE


def call(function, *arguments):
    return function + a_tuple(b"".join(arguments)) + pickle.REDUCE


ENCODE = (
    named("_codecs", "encode") + pickle.MEMOIZE + text("latin1") + pickle.MEMOIZE + text("x" * 100_000) + pickle.MEMOIZE
)
ENCODED = pickle.BINGET + b"\0" + pickle.BINGET + b"\2" + pickle.BINGET + b"\1" + pickle.TUPLE2 + pickle.REDUCE
SHARED_LIST = a_list(pickle.NONE * 100_000) + pickle.MEMOIZE + named("builtins", "set") + pickle.MEMOIZE
A_SET = pickle.BINGET + b"\1" + pickle.BINGET + b"\0" + pickle.TUPLE1 + pickle.REDUCE

TOO_LARGE = r"declares \d+ bytes where \d+ are left"
TOO_DEEP = r"nests objects more than \d+ deep"
REPEATED = "repeats objects to over a hundred times its size"
UNPACKED = "unpacks to over a hundred times its size"
HUGE_RANGE = call(named("builtins", "range"), pickle.BININT + b"\0\0\0\x7f")
TWO_TO_THE_40 = pickle.LONG1 + b"\6" + b"\0" * 5 + b"\1"

CLAIMS = {
    "bytes": (pickle.BINBYTES8 + struct.pack("<Q", 1 << 40), TOO_LARGE),
    "bytes of any size": (pickle.BINBYTES8 + b"\xff" * 8, TOO_LARGE),
    "bytes of four gigabytes": (pickle.BINBYTES + b"\xff" * 4, TOO_LARGE),
    "text": (pickle.BINUNICODE8 + struct.pack("<Q", 1 << 40), TOO_LARGE),
    "text of four gigabytes": (pickle.BINUNICODE + b"\xff" * 4, TOO_LARGE),
    "byte array": (pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 40), TOO_LARGE),
    "string": (pickle.BINSTRING + struct.pack("<I", 0x7FFFFFFF), TOO_LARGE),
    "frame": (pickle.FRAME + struct.pack("<Q", 1 << 50), TOO_LARGE),
    "integer": (pickle.LONG4 + struct.pack("<I", 0x7FFFFFFF), "an integer of"),
    "integer that is there": (pickle.LONG4 + struct.pack("<I", 1 << 20) + b"\7" * (1 << 20), "an integer of"),
    "digits": (pickle.LONG + b"9" * 60_000 + b"L\n", "an integer of"),
    "line": (pickle.INT + b"9" * 200_000, "a line of over"),
    "marks": (pickle.MARK * 100_000, TOO_DEEP),
    "sets": (pickle.EMPTY_SET * 400_000, UNPACKED),
    "a byte array by its length": (call(named("builtins", "bytearray"), TWO_TO_THE_40), "a bytearray of type int"),
    "bytes by their length": (call(named("builtins", "bytes"), TWO_TO_THE_40), "TypeError"),
    "a set of a range": (call(named("builtins", "set"), HUGE_RANGE), r"refers to 'builtins\.range'"),
    "encoded over and over": (ENCODE + ENCODED * 20_000, UNPACKED),
    "a list made a set over and over": (SHARED_LIST + A_SET * 2_000, UNPACKED),
    "lists of lists of lists": (doubled(60, a_list), REPEATED),
    "tuples of tuples of tuples": (doubled(60, a_tuple), REPEATED),
    "a long text over and over": (text("x" * 100_000) + pickle.MEMOIZE + a_list(repeat(0, 200_000)), REPEATED),
    "a deep list": (pickle.EMPTY_LIST * 20_000 + pickle.APPEND * 19_999, TOO_DEEP),
    "a deep list in marks": ((pickle.EMPTY_LIST + pickle.MARK) * 50_000, TOO_DEEP),
    "a deep tuple": (pickle.NONE + pickle.TUPLE1 * 200_000, TOO_DEEP),
    "a deep dict": ((pickle.EMPTY_DICT + pickle.NONE) * 20_000 + pickle.EMPTY_DICT + pickle.SETITEM * 20_000, TOO_DEEP),
    "a deep key": (pickle.EMPTY_DICT + pickle.NONE + pickle.TUPLE1 * 200_000 + pickle.NONE + pickle.SETITEM, TOO_DEEP),
    "a deep default dict": (
        (call(named("collections", "defaultdict")) + pickle.NONE) * 1_000 + pickle.NONE + pickle.SETITEM * 1_000,
        TOO_DEEP,
    ),
    "a list in itself": (pickle.EMPTY_LIST + pickle.MEMOIZE + repeat(0, 1) + pickle.APPEND, "into itself"),
    "lists in each other": (
        pickle.EMPTY_LIST + pickle.MEMOIZE + pickle.EMPTY_LIST + pickle.MEMOIZE + repeat(0, 1) + pickle.APPEND
        + pickle.POP + repeat(1, 1) + pickle.APPEND,
        "already inside another",
    ),
    "a dict in itself": (
        pickle.EMPTY_DICT + pickle.MEMOIZE + pickle.NONE + repeat(0, 1) + pickle.SETITEM, "into itself"
    ),
    "a key that is slow to hash": (
        pickle.EMPTY_DICT + a_tuple(a_tuple(text("x")) * 2) + pickle.NONE + pickle.SETITEM, "a key of type tuple"
    ),
    "a set of a list": (call(named("builtins", "set"), a_list(pickle.EMPTY_LIST)), "a key of type list"),
    "a list as a key": (pickle.EMPTY_DICT + pickle.EMPTY_LIST + pickle.NONE + pickle.SETITEM, "a key of type list"),
    "a huge integer as a key": (
        pickle.EMPTY_DICT + pickle.LONG1 + b"\xff" + b"\7" * 255 + pickle.NONE + pickle.SETITEM, "a key of type int"
    ),
    "a name that is long in print": (doubled(15, a_list) + text("x") + pickle.STACK_GLOBAL, "'x' of a list"),
    "a type that is long in print": (call(named("numpy", "dtype"), doubled(15, a_tuple)), "elements a tuple"),
    "a shape that is long in print": (
        call(named("numpy._core.numeric", "_frombuffer"), pickle.SHORT_BINBYTES + b"\1x",
             call(named("numpy", "dtype"), text("u1")), doubled(15, a_tuple), text("C")),
        "impossible shape a tuple",
    ),
}  # fmt: skip


@pytest.fixture
def memory():
    """Bytes at the peak, since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("case", CLAIMS)
def test_claim_is_refused(case, tmp_path, memory):
    path = tmp_path / "x.pkl"
    instructions, why = CLAIMS[case]
    data = b"\x80\x05" + instructions + b"."
    path.write_bytes(data)
    with pytest.raises(InputError, match=why) as caught:
        load_pickle(path)
    assert len(str(caught.value)) < len(str(path)) + 300
    assert memory() < FREE + FACTOR * len(data)


def test_memory_that_is_measured_would_show_a_claim(memory):
    bytearray(FREE * 3)
    assert memory() > FREE * 2


@pytest.mark.parametrize("index", [pickle.LONG_BINPUT + b"\xff\xff\xff\x7f", pickle.PUT + b"9" * 20 + b"\n"])
def test_index_of_the_memo_takes_no_memory(index, tmp_path, memory):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.NONE + index + b".")
    assert load_pickle(path) is None
    assert memory() < 4 << 20


def test_lists_of_lists_that_stay_small_are_fine(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x05" + doubled(3, a_list) + b".")
    two = ["x", "x"]
    assert load_pickle(path) == [[two, two], [two, two]]


def nested(depth, make):
    found = 1
    for _ in range(depth):
        found = make(found)
    return found


@pytest.mark.parametrize("make", [lambda x: [x], lambda x: (x,), lambda x: {"k": x}, lambda x: {"k": [x]}])
def test_depth_is_limited_where_it_is_said(make, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(nested(32, make)))
    assert load_pickle(path) == nested(32, make)
    path.write_bytes(pickle.dumps(nested(65, make)))
    with pytest.raises(InputError, match="nests objects more than"):
        load_pickle(path)


def test_deep_arrays_are_refused(tmp_path):
    def in_array(item):
        array = np.empty(1, dtype=object)
        array[0] = item
        return array

    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(nested(65, in_array)))
    with pytest.raises(InputError, match="nests objects more than 64 deep"):
        load_pickle(path)


@pytest.mark.parametrize("value", [[], {}, set(), [1, [2, {"a": (3,)}]]])
def test_container_that_is_shared_stays_shared(value, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([value, value, [value]]))
    first, second, (third,) = load_pickle(path)
    assert first == value
    assert first is second is third


def test_many_small_values_are_fine(tmp_path):
    path = tmp_path / "x.pkl"
    value = {
        "rows": [[index, float(index), str(index)] for index in range(20_000)],
        "empty": [[] for _ in range(20_000)],
    }
    path.write_bytes(pickle.dumps(value))
    assert load_pickle(path) == value
