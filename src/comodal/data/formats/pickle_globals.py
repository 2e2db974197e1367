"""The only names that a pickle may refer to, and what stands for each here.

None of them is looked up where the pickle says: nothing that it names is ever imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from comodal.data.formats.pickle_reader import PickleRefused, shown

__all__ = ["Name", "known_name"]

_BUILTINS = [
    *("list", "dict", "set", "frozenset", "tuple", "bytearray", "bytes"),
    *("complex", "str", "int", "float", "bool"),
]
_SCALARS = [
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *("float16", "float32", "float64", "complex64", "complex128"),
    *("bool", "bool_", "str_", "bytes_", "intc", "uintc", "longlong", "ulonglong"),
]
_OLD = {"unicode": "str", "long": "int"}


@dataclass(frozen=True, slots=True)
class Name:
    """A name that a pickle may use; a mere token, nothing can be called on it.

    Attributes:
        name: what is meant, whatever module path its version of Python or NumPy gave it.
    """

    name: str


def _table() -> dict[tuple[str, str], Name]:
    table = {(module, name): Name(name) for module in ("builtins", "__builtin__") for name in _BUILTINS}
    table |= {("__builtin__", old): Name(new) for old, new in _OLD.items()}
    table |= {("numpy", name): Name(f"numpy.{name}") for name in ("ndarray", "dtype", *_SCALARS)}
    for package in ("numpy.core", "numpy._core"):
        table |= {(f"{package}.multiarray", name): Name(f"numpy.{name}") for name in ("_reconstruct", "scalar")}
        table[f"{package}.numeric", "_frombuffer"] = Name("numpy._frombuffer")
    table |= {("collections", name): Name(name) for name in ("OrderedDict", "defaultdict")}
    table["_codecs", "encode"] = Name("encode")
    return table


_KNOWN = _table()


def known_name(module: object, name: object) -> Name:
    """What stands for a global.

    Raises:
        PickleRefused: it is not on the list; the error names it.

    Example:
        >>> known_name("numpy.core.multiarray", "scalar")
        Name(name='numpy.scalar')
        >>> known_name("os", "system")
        Traceback (most recent call last):
        comodal.data.formats.pickle_reader.PickleRefused: it refers to 'os.system'
    """
    if not isinstance(module, str) or not isinstance(name, str):
        raise PickleRefused(f"it refers to {shown(name)} of {shown(module)}", trusted=True)
    found = _KNOWN.get((module, name))
    if found is None:
        raise PickleRefused(f"it refers to {shown(f'{module}.{name}')}", trusted=True)
    return found
