"""Hostile pickles: each has an effect under the standard library's unpickler, and none here.

Every case touches a file when it is carried out; the check of the check unpickles it the usual way and finds the file.
"""

from __future__ import annotations

import collections
import copyreg
import os
import pickle
import struct

import numpy as np
import pytest

from comodal.contracts import InputError
from comodal.data.formats.pickles import load_pickle

EXTENSION = 240


def text(value):
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def named(module, name):
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def looked_up(module, name):
    return text(module) + text(name) + pickle.STACK_GLOBAL


def row(*items):
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def call(function, *arguments):
    return function + row(*arguments) + pickle.REDUCE


def whole(*instructions, protocol=4):
    return pickle.PROTO + bytes([protocol]) + b"".join(instructions) + pickle.STOP


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def touch(target):
    return text(f"touch {target}")


def opened(target):
    return text(f"open({str(target)!r}, 'w').close()")


def dumped(wrap, protocol=4):
    return lambda target: pickle.dumps(wrap(Touch(target)), protocol)


def array_of(item):
    array = np.empty(2, dtype=object)
    array[0], array[1] = "harmless", item
    return array


def saved(target):
    file = target.with_suffix(".npy")
    np.save(file, array_of(Touch(target)), allow_pickle=True)
    return whole(call(named("numpy", "load"), text(str(file)), pickle.NONE, pickle.NEWTRUE))


EFFECTIVE = {
    "os.system": lambda t: whole(call(named("os", "system"), touch(t))),
    "posix.system": lambda t: whole(call(looked_up("posix", "system"), touch(t))),
    "subprocess.getoutput": lambda t: whole(call(named("subprocess", "getoutput"), touch(t))),
    "builtins.eval": lambda t: whole(call(named("builtins", "eval"), opened(t))),
    "builtins.exec": lambda t: whole(call(named("builtins", "exec"), opened(t))),
    "builtins.open": lambda t: whole(call(named("builtins", "open"), text(str(t)), text("w"))),
    "__builtin__.eval": lambda t: whole(call(named("__builtin__", "eval"), opened(t)), protocol=2),
    "builtins.getattr": lambda t: whole(
        call(
            call(named("builtins", "getattr"), call(named("builtins", "__import__"), text("os")), text("system")),
            touch(t),
        )
    ),
    "importlib.import_module": lambda t: whole(
        call(named("importlib", "import_module"), text("os")),
        pickle.POP,
        call(named("os", "system"), touch(t)),
    ),
    "functools.partial": lambda t: whole(call(call(named("functools", "partial"), named("os", "system"), touch(t)))),
    "operator.methodcaller": lambda t: whole(
        call(
            call(named("operator", "methodcaller"), text("system"), touch(t)),
            call(named("importlib", "import_module"), text("os")),
        )
    ),
    "operator.attrgetter": lambda t: whole(
        call(
            call(
                call(named("operator", "attrgetter"), text("system")),
                call(named("importlib", "import_module"), text("os")),
            ),
            touch(t),
        )
    ),
    "pathlib.Path.touch": lambda t: whole(
        call(looked_up("pathlib", "Path.touch"), call(named("pathlib", "Path"), text(str(t))))
    ),
    "shutil.os.system": lambda t: whole(call(looked_up("shutil", "os.system"), touch(t))),
    "numpy.load": saved,
    "os.system, nested": lambda t: whole(
        call(
            named("builtins", "list"), row(call(named("builtins", "tuple"), row(call(named("os", "system"), touch(t)))))
        )
    ),
    "os.system, an instance": lambda t: b"(S'touch " + str(t).encode() + b"'\nios\nsystem\n.",
    "os.system, an object": lambda t: whole(pickle.MARK + named("os", "system") + touch(t) + pickle.OBJ),
    "os.system, dropped": lambda t: whole(call(named("os", "system"), touch(t)), pickle.POP, pickle.EMPTY_DICT),
    "os.system, by memo": lambda t: whole(
        text("collections"),
        pickle.BINPUT + b"\0",
        pickle.POP,
        text("os"),
        pickle.BINPUT + b"\0",
        pickle.POP,
        call(pickle.BINGET + b"\0" + text("system") + pickle.STACK_GLOBAL, touch(t)),
    ),
    "os.system, by a name in the memo": lambda t: whole(
        named("collections", "OrderedDict"),
        pickle.MEMOIZE,
        pickle.POP,
        named("os", "system"),
        pickle.BINPUT + b"\0",
        pickle.POP,
        call(pickle.BINGET + b"\0", touch(t)),
    ),
    "os.system, as a factory": lambda t: whole(
        call(named("collections", "defaultdict"), call(named("functools", "partial"), named("os", "system"), touch(t))),
        pickle.POP,
        call(named("os", "system"), touch(t)),
    ),
    "os.system, before damage": lambda t: whole(call(named("os", "system"), touch(t)), b"\xff"),
    "os.system, before the end is cut off": lambda t: whole(call(named("os", "system"), touch(t)), pickle.MARK)[:-1],
    "extension": lambda t: whole(call(pickle.EXT1 + bytes([EXTENSION]), touch(t))),
    "extension of two bytes": lambda t: whole(call(pickle.EXT2 + struct.pack("<H", EXTENSION), touch(t))),
    "extension of four bytes": lambda t: whole(call(pickle.EXT4 + struct.pack("<i", EXTENSION), touch(t))),
    **{f"in an array, protocol {p}": dumped(array_of, p) for p in range(6)},
    "in a list": dumped(lambda item: [1, [item]]),
    "in a key's value": dumped(lambda item: {"train": {"text": item}}),
    "in a tuple": dumped(lambda item: (1, (item,))),
    "in an ordered dict": dumped(lambda item: collections.OrderedDict(text=item)),
    "in a default dict": dumped(lambda item: collections.defaultdict(list, text=[item])),
}


@pytest.fixture(autouse=True)
def extension():
    copyreg.add_extension("os", "system", EXTENSION)
    yield
    copyreg.remove_extension("os", "system", EXTENSION)


def refusal(path, data):
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_pickle(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 300
    return message


@pytest.mark.parametrize("case", EFFECTIVE)
def test_hostile_pickle_has_no_effect(case, tmp_path):
    target = tmp_path / "touched"
    refusal(tmp_path / "x.pkl", EFFECTIVE[case](target))
    assert not target.exists()


@pytest.mark.parametrize("case", EFFECTIVE)
def test_hostile_pickle_has_an_effect_without_us(case, tmp_path):
    target = tmp_path / "touched"
    data = EFFECTIVE[case](target)
    try:
        found = pickle.loads(data)
        if case == "builtins.open":
            found.close()
    except (pickle.UnpicklingError, EOFError, TypeError):
        assert "before" in case or "an object" in case or "an instance" in case
    assert target.exists()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (EFFECTIVE["os.system"]("x"), "os.system"),
        (EFFECTIVE["posix.system"]("x"), "posix.system"),
        (EFFECTIVE["__builtin__.eval"]("x"), "__builtin__.eval"),
        (EFFECTIVE["pathlib.Path.touch"]("x"), "pathlib.Path.touch"),
        (EFFECTIVE["os.system, an instance"]("x"), "os.system"),
        (EFFECTIVE["os.system, by memo"]("x"), "os.system"),
        (EFFECTIVE["in an array, protocol 5"]("x"), "posix.system"),
        (EFFECTIVE["extension"]("x"), "registered extension"),
        (whole(call(named("numpy.f2py.crackfortran", "myeval"), text("1"))), "numpy.f2py.crackfortran.myeval"),
        (whole(call(named("numpy.testing", "runstring"), text("1"))), "numpy.testing.runstring"),
        (whole(call(named("types", "CodeType"))), "types.CodeType"),
        (whole(call(named("types", "FunctionType"))), "types.FunctionType"),
        (whole(call(named("__main__", "return_unk"))), "__main__.return_unk"),
        (whole(call(named("pandas.core.frame", "DataFrame"))), "pandas.core.frame.DataFrame"),
        (whole(call(named("torch._utils", "_rebuild_tensor_v2"))), "torch._utils._rebuild_tensor_v2"),
        (whole(call(named("copyreg", "_reconstructor"))), "copyreg._reconstructor"),
        (whole(call(named("copy_reg", "_reconstructor"))), "copy_reg._reconstructor"),
        (whole(call(named("numpy", "memmap"))), "numpy.memmap"),
        (whole(call(named("numpy.core.multiarray", "os"))), "numpy.core.multiarray.os"),
        (whole(call(looked_up("numpy", "ndarray.tofile"))), "numpy.ndarray.tofile"),
        (whole(call(looked_up("builtins", "list.__class__"))), "builtins.list.__class__"),
        (whole(call(named("builtins", "list"), text("abc"))), "it calls list"),
        (whole(call(named("numpy", "ndarray"), row(pickle.BININT1 + b"\5"))), "it calls numpy.ndarray"),
        (whole(named("numpy", "ndarray") + row(pickle.NONE) + pickle.NEWOBJ), "an instance of numpy.ndarray"),
        (whole(call(text("os.system"), text("x"))), "it calls a str"),
        (whole(call(named("_codecs", "encode"), text("x"), text("zlib"))), "'zlib'"),
        (whole(text("1") + pickle.BINPERSID), "outside the file"),
        (b"P1\n.", "outside the file"),
        (whole(pickle.NEXT_BUFFER, protocol=5), "outside the file"),
        (whole(text("a\nb") + text("c\nd") + pickle.STACK_GLOBAL), r"a\nb.c\nd"),
    ],
)  # fmt: skip
def test_what_was_refused_is_named(data, name, tmp_path):
    message = refusal(tmp_path / "x.pkl", data)
    assert name in message
    assert "refused before running anything of it" in message
    assert "where you trust it" in message


SETTING = {
    "a type": named("numpy", "ndarray"),
    "an ordered dict": named("collections", "OrderedDict"),
    "a function": named("numpy.core.multiarray", "_reconstruct"),
    "a dict": pickle.EMPTY_DICT,
    "an instance": call(named("collections", "OrderedDict")),
    "an element type": call(named("numpy", "dtype"), text("f4")),
}


@pytest.mark.parametrize("state", ["dict", "slots"])
@pytest.mark.parametrize("target", SETTING)
def test_no_attribute_is_set(target, state, tmp_path):
    values = pickle.EMPTY_DICT + text("__setstate__") + named("builtins", "list") + pickle.SETITEM
    refusal(
        tmp_path / "x.pkl",
        whole(SETTING[target], values if state == "dict" else row(pickle.NONE, values), pickle.BUILD),
    )
    array = {"x": np.arange(3)}
    assert pickle.loads(pickle.dumps(array))["x"].tolist() == [0, 1, 2]


def test_attributes_are_set_without_us():
    source = whole(
        call(named("collections", "UserDict")), pickle.EMPTY_DICT, text("a"), pickle.NONE, pickle.SETITEM, pickle.BUILD
    )
    assert pickle.loads(source).a is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80",
        b"\x80\x04",
        b"\x80\x04.",
        b"\x80\x06N.",
        b"\x80\x04N",
        b"\x80\x04NN.",
        b"\x80\x04(N.",
        b"\x80\x04N.N.",
        b"\x80\x040.",
        b"\x80\x04t.",
        b"\x80\x04R.",
        b"\x80\x04b.",
        b"\x80\x04\x93.",
        b"\x80\x04N\x85\x86.",
        b"\x80\x04h\x00.",
        b"\x80\x04\x94.",
        b"\x80\x04Na.",
        b"\x80\x04(NNe.",
        b"\x80\x04}(Nu.",
        b"\x80\x04}Ns.",
        b"\x80\x04}]Ns.",
        b"\x80\x04]NNs.",
        b"\x80\x04\x8f(]\x90.",
        b"\x80\x04(]\x91.",
        b"\x80\x04\xff.",
        b"I1",
        b"Inot a number\n.",
        b"Fnot a number\n.",
        b"L12X\n.",
        b"S'abc\n.",
        b"Sabc\n.",
        b"g7\n.",
        b"gx\n.",
        b"cos\n",
        b"c\xff\n\xff\n.",
        b"V\\uZZ\n.",
        b"X\x02\x00\x00\x00\xff\xff.",
        b"PK\x03\x04rest of an archive",
        b"\x89HDF\r\n\x1a\n",
        b"words of a text file.",
        b'{"train": []}',
    ],
)
def test_damaged_file_is_refused(data, tmp_path):
    refusal(tmp_path / "x.pkl", data)
