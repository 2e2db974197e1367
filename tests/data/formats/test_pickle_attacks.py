"""Hostile pickles: each has an effect in the standard library's unpickler, or claims too much, and is refused here."""

from __future__ import annotations

import collections
import copyreg
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from refusals import refused

from comodal.data.formats.pickles import load_pickle

FREE = 64 << 20
EXTENSION = 240


def text(value):
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def named(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def row(*items):
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def call(function, *arguments):
    return function + row(*arguments) + pickle.REDUCE


def whole(*instructions, protocol=4):
    return pickle.PROTO + bytes([protocol]) + b"".join(instructions) + pickle.STOP


SYSTEM = named("os", "system")


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def touch(target):
    return text(f"touch {target}")


def dumped(wrap, protocol=4):
    return lambda target: pickle.dumps(wrap(Touch(target)), protocol)


EFFECTIVE = {
    "os.system": lambda t: whole(call(SYSTEM, touch(t))),
    "posix.system": lambda t: whole(call(text("posix") + text("system") + pickle.STACK_GLOBAL, touch(t))),
    "builtins.eval": lambda t: whole(call(named("builtins", "eval"), text(f"open({str(t)!r}, 'w').close()"))),
    "builtins.exec": lambda t: whole(call(named("builtins", "exec"), text(f"open({str(t)!r}, 'w').close()"))),
    "__builtin__.eval": lambda t: whole(
        call(named("__builtin__", "eval"), text(f"open({str(t)!r}, 'w').close()")), protocol=2
    ),
    "builtins.getattr": lambda t: whole(
        call(
            call(named("builtins", "getattr"), call(named("builtins", "__import__"), text("os")), text("system")),
            touch(t),
        )
    ),
    "functools.partial": lambda t: whole(call(call(named("functools", "partial"), SYSTEM, touch(t)))),
    "operator.methodcaller": lambda t: whole(
        call(
            call(named("operator", "methodcaller"), text("system"), touch(t)),
            call(named("importlib", "import_module"), text("os")),
        )
    ),
    "an attribute of an attribute": lambda t: whole(
        call(text("shutil") + text("os.system") + pickle.STACK_GLOBAL, touch(t))
    ),
    "an old instance": lambda t: b"(S'touch " + str(t).encode() + b"'\nios\nsystem\n.",
    "dropped": lambda t: whole(call(SYSTEM, touch(t)), pickle.POP, pickle.EMPTY_DICT),
    "a name in the memo": lambda t: whole(SYSTEM, pickle.MEMOIZE, pickle.POP, call(pickle.BINGET + b"\0", touch(t))),
    "extension": lambda t: whole(call(pickle.EXT1 + bytes([EXTENSION]), touch(t))),
    "a nested pickle": lambda t: whole(
        call(named("pickle", "loads"), pickle.SHORT_BINBYTES + bytes([len(n := whole(call(SYSTEM, touch(t))))]) + n)
    ),
    "in an array": dumped(lambda item: np.array(["harmless", item], dtype=object)),
    "in a list": dumped(lambda item: [1, [item]], 0),
    "in an ordered dict": dumped(lambda item: collections.OrderedDict(text=item)),
}


@pytest.fixture(autouse=True)
def extension():
    copyreg.add_extension("os", "system", EXTENSION)
    yield
    copyreg.remove_extension("os", "system", EXTENSION)


@pytest.mark.parametrize("case", EFFECTIVE)
def test_hostile_pickle_has_an_effect_in_the_standard_library_and_none_here(case, tmp_path):
    path, target = tmp_path / "x.pkl", tmp_path / "touched"
    path.write_bytes(EFFECTIVE[case](target))
    with refused("unsafe", path):
        load_pickle(path)
    assert not target.exists()
    try:
        pickle.loads(path.read_bytes())
    except TypeError:
        assert case == "an old instance"
    assert target.exists()


OBJECT_TYPE = call(named("numpy", "dtype"), text("O"))
HOLLOW = call(
    named("numpy.core.multiarray", "_reconstruct"), named("numpy", "ndarray"), row(pickle.BININT1 + b"\0"), text("b")
)
REBUILT = call(named("copyreg", "_reconstructor"))
FLAGS = row(pickle.BININT1 + b"\3", text("|"), pickle.NONE * 3, pickle.BININT1 + b"\x08" + pickle.BININT1 + b"\1\x88")
UNSAFE = {
    "a name of NumPy": call(named("numpy.testing", "runstring"), text("1")),
    "a module of NumPy": call(named("numpy.core.multiarray", "os")),
    "an attribute of a known name": call(text("numpy") + text("ndarray.tofile") + pickle.STACK_GLOBAL),
    "a code object": call(named("types", "CodeType")),
    "a function of the main module": call(named("__main__", "return_unk")),
    "a class of another library": call(named("pandas.core.frame", "DataFrame")),
    "copyreg": REBUILT,
    "a type": call(named("builtins", "list"), text("abc")),
    "an array by its size": call(named("numpy", "ndarray"), row(pickle.BININT1 + b"\5")),
    "a codec": call(named("_codecs", "encode"), text("x"), text("zlib")),
    "an object outside": text("1") + pickle.BINPERSID,
    "an old object outside": b"P1\n",
    "a byte array by its length": call(named("builtins", "bytearray"), pickle.LONG1 + b"\6" + b"\0" * 5 + b"\1"),
    "attributes of a function": named("_codecs", "encode") + pickle.EMPTY_DICT + pickle.BUILD,
    "defaults of a function": named("numpy", "dtype") + row(pickle.NONE, pickle.EMPTY_DICT) + pickle.BUILD,
    "records": call(named("numpy", "dtype"), text("V8")) + FLAGS + pickle.BUILD,
}


@pytest.mark.parametrize("case", UNSAFE)
def test_what_is_no_plain_data_is_unsafe(case, tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(whole(UNSAFE[case]))
    with refused("unsafe", path):
        load_pickle(path)


def test_the_refused_name_is_told(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(whole(text("a\nb") + text("c\nd") + pickle.STACK_GLOBAL))
    with refused("unsafe", r"a\nb.c\nd"):
        load_pickle(path)


def state(shape, kind, content):
    """What fills an empty array."""
    return row(pickle.BININT1 + b"\1", row(*(pickle.LONG1 + b"\x09" + n.to_bytes(9, "little") for n in shape)), kind,
               pickle.NEWFALSE, content)  # fmt: skip


def data(content):
    return pickle.BINBYTES + struct.pack("<I", len(content)) + content


FLOAT = call(named("numpy", "dtype"), text("f4"))
LIST = pickle.EMPTY_LIST + pickle.NONE + pickle.APPEND
HUGE = 1 << 60


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


SHARED = a_list(pickle.NONE * 100_000) + pickle.MEMOIZE + named("builtins", "set") + pickle.MEMOIZE
ENCODE = named("_codecs", "encode") + pickle.MEMOIZE + text("latin1") + pickle.MEMOIZE
LONG = text("x" * 100_000) + pickle.MEMOIZE
DAMAGED = {
    "fewer bytes than the shape": HOLLOW + state((2,), FLOAT, data(b"\0" * 4)) + pickle.BUILD,
    "a shape of 2**60": HOLLOW + state((HUGE,), FLOAT, data(b"\0" * 4)) + pickle.BUILD,
    "a shape that overflows": HOLLOW + state((1 << 32, 1 << 32), FLOAT, data(b"")) + pickle.BUILD,
    "an empty array of absurd shape": HOLLOW + state((0, HUGE), FLOAT, data(b"")) + pickle.BUILD,
    "fewer objects than the shape": HOLLOW + state((9,), OBJECT_TYPE, LIST) + pickle.BUILD,
    "bytes for objects": HOLLOW + state((1,), OBJECT_TYPE, data(b"\1" * 8)) + pickle.BUILD,
    "objects for numbers": HOLLOW + state((1,), FLOAT, LIST) + pickle.BUILD,
    "an array filled twice": HOLLOW + (state((1,), FLOAT, data(b"\0" * 4)) + pickle.BUILD) * 2,
    "an array with a size before its content": HOLLOW.replace(b"K\0", b"K\7"),
    "no element type": HOLLOW + state((1,), text("f4"), data(b"\0" * 4)) + pickle.BUILD,
    "a width that is not the type's": call(named("numpy", "dtype"), text("f4"))
    + FLAGS.replace(b"|", b"<")
    + pickle.BUILD,
    "characters that do not exist": HOLLOW
    + state((1,), call(named("numpy", "dtype"), text("U1")), data(b"\xff" * 4))
    + pickle.BUILD,
    "a number of two bytes": call(named("numpy.core.multiarray", "scalar"), FLOAT, data(b"\0\0")),
    "an instance of a stand-in": named("numpy", "ndarray") + row(pickle.NONE) + pickle.NEWOBJ,
    "attributes of a dict": pickle.EMPTY_DICT + pickle.EMPTY_DICT + pickle.BUILD,
    "a buffer outside the file": pickle.NEXT_BUFFER,
    "a call of a text": call(text("os.system"), text("x")),
    "bytes by their length": call(named("builtins", "bytes"), pickle.LONG1 + b"\6" + b"\0" * 5 + b"\1"),
    "bytes beyond the file": pickle.BINBYTES8 + struct.pack("<Q", 1 << 40),
    "text beyond the file": pickle.BINUNICODE8 + b"\xff" * 8,
    "a byte array beyond the file": pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 34),
    "a string beyond the file": pickle.BINSTRING + struct.pack("<I", 0x7FFFFFFF),
    "a frame beyond the file": pickle.FRAME + struct.pack("<Q", 1 << 34),
    "an integer beyond the file": pickle.LONG4 + struct.pack("<I", 0x7FFFFFFF),
    "a memo number beyond the file": pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f",
    "an old memo number beyond the file": pickle.NONE + pickle.PUT + b"9" * 9 + b"\n",
    "digits": pickle.LONG + b"9" * 60_000 + b"L\n",
    "encoded over and over": ENCODE
    + LONG
    + (repeat(0, 1) + repeat(2, 1) + repeat(1, 1) + pickle.TUPLE2 + pickle.REDUCE) * 9_000,
    "a list made a set over and over": SHARED + (repeat(1, 1) + repeat(0, 1) + pickle.TUPLE1 + pickle.REDUCE) * 2_000,
    "lists of lists of lists": doubled(60, a_list),
    "tuples of tuples of tuples": doubled(60, row),
    "a long text over and over": LONG + a_list(repeat(0, 200_000)),
    "a deep list": pickle.EMPTY_LIST * 20_000 + pickle.APPEND * 19_999,
    "a deep tuple": pickle.NONE + pickle.TUPLE1 * 50_000,
    "a list in itself": pickle.EMPTY_LIST + pickle.MEMOIZE + repeat(0, 1) + pickle.APPEND,
    "a list as a key": pickle.EMPTY_DICT + pickle.EMPTY_LIST + pickle.NONE + pickle.SETITEM,
    "two objects": pickle.NONE + pickle.STOP + pickle.NONE,
    "a mark": pickle.MARK,
    "nothing on the stack": pickle.POP,
    "an unknown instruction": b"\xff",
}


@pytest.fixture
def memory():
    """Bytes at the peak, since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("case", DAMAGED)
def test_claims_and_contradictions_are_damage(case, tmp_path, memory):
    path = tmp_path / "x.pkl"
    path.write_bytes(whole(DAMAGED[case], protocol=5))
    with refused("damaged", path) as caught:
        load_pickle(path)
    assert len(str(caught.value)) < len(str(path)) + 300
    assert memory() < FREE + 256 * path.stat().st_size


def test_a_well_built_array_would_be_read(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(whole(HOLLOW + state((2,), FLOAT, data(b"\0" * 8)) + pickle.BUILD))
    assert load_pickle(path).tolist() == [0.0, 0.0]
    path.write_bytes(whole(doubled(3, a_list)))
    assert load_pickle(path) == [[["x", "x"]] * 2] * 2
