"""What the calls of an honest pickle make: sets, byte strings, dicts of the standard library, and NumPy's objects."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from comodal.data.formats.pickle_globals import Name, known_name
from comodal.data.formats.pickle_ledger import Ledger
from comodal.data.formats.pickle_numpy import ElementType, array_from_buffer, fill_array, hollow_array, scalar
from comodal.data.formats.pickle_reader import PickleRefused, Reader, shown

__all__ = ["Maker", "checked_key"]

_ENCODINGS = {"latin1": "latin-1", "latin-1": "latin-1", "iso-8859-1": "latin-1", "ascii": "ascii", "utf-8": "utf-8"}
_FACTORIES: dict[str, Callable[[], Any]] = {
    "list": list, "dict": dict, "set": set, "tuple": tuple, "str": str, "int": int, "float": float, "bool": bool,
}  # fmt: skip
_PLAIN = (str, bytes, int, float, bool, type(None), complex, np.generic)
_LONGEST_KEY = 16
_LARGEST_KEY = 1 << 128


def checked_key(item: Any) -> Any:
    """A key of a dict or an element of a set, if its hash is quick to take.

    Raises:
        PickleRefused: it is no plain value and no short tuple of such; nested ones can take for ever.
    """
    parts = item if type(item) is tuple and len(item) <= _LONGEST_KEY else (item,)
    for part in parts:
        if not isinstance(part, _PLAIN) or (isinstance(part, int) and abs(part) > _LARGEST_KEY):
            raise PickleRefused(f"has a key of type {type(part).__name__}")
    return item


class Maker:
    """Makes the object that a call in a pickle stands for.

    Args:
        reader: of the pickle, which knows the bytes of Python 2 strings.
        ledger: which takes note of what is made.
    """

    def __init__(self, reader: Reader, ledger: Ledger) -> None:
        self._reader = reader
        self._ledger = ledger
        self._hollow: dict[int, np.ndarray[Any, Any]] = {}
        self._calls: dict[str, Callable[..., Any]] = {
            "set": lambda items=(): self._filled(set(), items),
            "frozenset": self._frozen,
            "bytes": lambda: b"",
            "bytearray": self._bytearray,
            "complex": self._complex,
            "OrderedDict": self._ordered,
            "defaultdict": self._default,
            "encode": self._encoded,
            "numpy.dtype": self._element_type,
            "numpy.scalar": lambda kind, data: scalar(kind, self._bytes(data)),
            "numpy._reconstruct": self._array,
            "numpy._frombuffer": self._buffered,
        }

    def name(self, module: object, name: object) -> Name:
        """What stands for a global.

        Raises:
            PickleRefused: it is not on the list; the error names it.
        """
        return known_name(module, name)

    def outside(self, key: object) -> Any:
        """What stands for an object that is stored outside the pickle: there is none.

        Raises:
            PickleRefused: always.
        """
        raise PickleRefused(f"it refers to an object outside the file, {shown(key)}", trusted=True)

    def call(self, name: object, arguments: object) -> Any:
        """The object of a call.

        Raises:
            PickleRefused: it calls something that honest pickles do not, or with arguments they do not have.
        """
        make = self._calls.get(name.name) if isinstance(name, Name) else None
        if make is None or not isinstance(arguments, tuple):
            called = name.name if isinstance(name, Name) else f"a {type(name).__name__}"
            raise PickleRefused(f"it calls {called}", trusted=True)
        return make(*arguments)

    def build(self, target: object, state: object) -> None:
        """Give an element type its byte order, or an array its content.

        Raises:
            PickleRefused: it is another object, or the state is not one that NumPy writes.
        """
        if isinstance(target, ElementType):
            return target.build(state)
        array = self._hollow.pop(id(target), None)
        if array is None:
            raise PickleRefused(f"it sets the state of a {type(target).__name__}", trusted=True)
        if type(state) is not tuple or len(state) not in (4, 5) or (len(state) == 5 and shown(state[0]) != "1"):
            raise PickleRefused("has an array of an unknown version")
        shape, kind, fortran, data = state[-4:]
        data = data if isinstance(data, list) else self._bytes(data)
        fill_array(array, shape, kind, fortran, data)
        if isinstance(data, list):
            self._ledger.put(array, data)
        self._ledger.spend(array.nbytes)
        return self._ledger.grow(array, array.nbytes)

    def finish(self) -> None:
        """All is made.

        Raises:
            PickleRefused: an array never got its content.
        """
        if self._hollow:
            raise PickleRefused("has an array without content")

    def _bytes(self, data: object) -> object:
        return self._reader.old_bytes(data) if type(data) is str else data

    def _filled(self, found: Any, items: Iterable[Any]) -> Any:
        if type(items) not in (list, tuple):
            raise PickleRefused(f"has a {type(found).__name__} of a {type(items).__name__}")
        listed = list(items)
        self._ledger.opened(found, listed, cost=256 + 64 * len(listed))
        found.update(map(checked_key, listed))
        return found

    def _frozen(self, items: Iterable[Any] = ()) -> frozenset[Any]:
        found = frozenset(self._filled(set(), items))
        self._ledger.opened(found, found, cost=256 + 64 * len(found))
        return found

    def _bytearray(self, data: object = b"", encoding: object = "latin-1") -> bytearray:
        found = bytearray(self._encoded(data, encoding) if type(data) is str else self._only_bytes(data))
        self._ledger.opened(found, cost=256 + len(found))
        self._ledger.grow(found, len(found))
        return found

    def _only_bytes(self, data: object) -> bytes:
        if type(data) is not bytes:
            raise PickleRefused(f"has a bytearray of type {type(data).__name__}")
        return data

    def _complex(self, real: object, imaginary: object) -> complex:
        if type(real) is not float or type(imaginary) is not float:
            raise PickleRefused("has a complex number of other things than two floats")
        return complex(real, imaginary)

    def _ordered(self, pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
        if type(pairs) not in (list, tuple) or any(type(pair) not in (list, tuple) or len(pair) != 2 for pair in pairs):
            raise PickleRefused("has an ordered dict of other things than pairs")
        pairs = list(pairs)
        found: OrderedDict[Any, Any] = OrderedDict()
        self._ledger.opened(found, (each for pair in pairs for each in pair), cost=256 + 128 * len(pairs))
        found.update((checked_key(key), value) for key, value in pairs)
        return found

    def _default(self, factory: object = None) -> defaultdict[Any, Any]:
        if factory is not None and (not isinstance(factory, Name) or factory.name not in _FACTORIES):
            raise PickleRefused("has a defaultdict of an unknown factory", trusted=True)
        found: defaultdict[Any, Any] = defaultdict(_FACTORIES[factory.name] if isinstance(factory, Name) else None)
        self._ledger.opened(found)
        return found

    def _encoded(self, text: object, encoding: object) -> bytes:
        known = _ENCODINGS.get(encoding.lower()) if isinstance(encoding, str) else None
        if known is None or type(text) is not str:
            raise PickleRefused(f"it encodes text as {shown(encoding)}", trusted=True)
        self._ledger.spend(len(text))
        return text.encode(known)

    def _element_type(self, code: object, align: object = 0, copy: object = 1) -> ElementType:
        if any(type(each) not in (bool, int) for each in (align, copy)) or align:
            raise PickleRefused("has an aligned element type", trusted=True)
        return ElementType(code.name.removeprefix("numpy.") if isinstance(code, Name) else code)

    def _array(self, subtype: object, shape: Any, code: object) -> np.ndarray[Any, Any]:
        plain = isinstance(subtype, Name) and type(shape) is tuple and type(code) in (str, bytes)
        if not plain or subtype != Name("numpy.ndarray") or len(shape) != 1 or code not in ("b", b"b"):
            raise PickleRefused("has an array that NumPy did not pickle", trusted=True)
        array = hollow_array()
        self._hollow[id(array)] = array
        self._ledger.opened(array)
        return array

    def _buffered(self, data: object, kind: object, shape: object, order: object, axes: object = None) -> Any:
        array = array_from_buffer(data, kind, shape, order, axes)
        self._ledger.opened(array)
        self._ledger.grow(array, array.nbytes)
        return array
