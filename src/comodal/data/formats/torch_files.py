"""Torch files of plain tensors, checked before torch reads them."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

from comodal.contracts import InputError
from comodal.data.formats.pickle_calls import Maker
from comodal.data.formats.pickle_globals import Name
from comodal.data.formats.pickle_ledger import Ledger
from comodal.data.formats.pickle_machine import Machine
from comodal.data.formats.pickle_reader import PickleRefused, Reader, shown
from comodal.data.formats.pickles import refusals

__all__ = ["load_torch"]

_REBUILD = ("_rebuild_tensor_v2", "_rebuild_parameter")
_WIDTHS = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexDouble": 16, "ComplexFloat": 8,
}  # fmt: skip
_LARGEST_EMPTY = 1 << 31
_LARGEST_DESCRIPTION = 64 << 20
_DESCRIPTION = "data.pkl"
_ARCHIVE = b"PK\x03\x04"
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, UnpicklingError, EOFError, RuntimeError),
    *(LookupError, ValueError, TypeError, AttributeError, AssertionError),
)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stands for the numbers of a tensor."""

    count: int
    width: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Stands for a tensor."""

    nbytes: int


class _TensorMaker(Maker):
    """Makes nothing of tensors; checks that what is said of them agrees with the numbers that are there.

    Args:
        reader: of the pickle.
        ledger: which takes note of what is made.
        stored: bytes of each record of numbers.
    """

    def __init__(self, reader: Reader, ledger: Ledger, *, stored: Mapping[str, int]) -> None:
        super().__init__(reader, ledger)
        self._stored = stored
        self._calls |= {"torch._rebuild_tensor_v2": _tensor, "torch._rebuild_parameter": _parameter}

    def name(self, module: object, name: object) -> Name:
        """What stands for a global."""
        if isinstance(name, str) and (
            (module == "torch._utils" and name in _REBUILD)
            or (module == "torch" and name.removesuffix("Storage") in _WIDTHS and name.endswith("Storage"))
        ):
            return Name(f"torch.{name}")
        return super().name(module, name)

    def outside(self, key: object) -> _Stored:
        """What stands for a record of numbers."""
        if type(key) is not tuple or len(key) != 5 or not isinstance(key[1], Name):
            raise PickleRefused("has a tensor of unknown storage")
        kind, record, count = key[1].name.removeprefix("torch.").removesuffix("Storage"), key[2], key[4]
        if kind not in _WIDTHS or type(record) is not str or type(count) is not int or count < 0:
            raise PickleRefused("has a tensor of unknown storage")
        if self._stored.get(record) != count * _WIDTHS[kind]:
            raise PickleRefused(f"has a tensor of {shown(count)} numbers that are not in the file")
        return _Stored(count, _WIDTHS[kind])

    def build(self, target: object, state: object) -> None:
        """Pass over what modules say of themselves."""
        if not (type(target) is OrderedDict and type(state) is dict and set(state) == {"_metadata"}):
            super().build(target, state)


def _counts(values: object) -> bool:
    return type(values) is tuple and len(values) <= 32 and all(type(n) is int and n >= 0 for n in values)


def _no_hooks(hooks: object) -> bool:
    return hooks is None or (type(hooks) is OrderedDict and not hooks)


def _tensor(*arguments: Any) -> _Tensor:
    stored, offset, size, stride, grad, hooks = arguments
    plain = type(stored) is _Stored and type(grad) is bool and _no_hooks(hooks)
    if not plain or type(offset) is not int or offset < 0:
        raise PickleRefused("has a tensor of unknown kind")
    if not _counts(size) or not _counts(stride) or len(size) != len(stride):
        raise PickleRefused("has a tensor of impossible shape")
    count = math.prod(size)
    if count == 0 and math.prod(n or 1 for n in size) > _LARGEST_EMPTY:
        raise PickleRefused("has an empty tensor of absurd shape")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if count else 0
    if count and (last >= stored.count or count > stored.count):
        raise PickleRefused(f"has a tensor of {shown(count)} numbers on {stored.count}", trusted=True)
    return _Tensor(count * stored.width)


def _parameter(tensor: object, grad: object, hooks: object) -> _Tensor:
    if type(tensor) is not _Tensor or type(grad) is not bool or not _no_hooks(hooks):
        raise PickleRefused("has a parameter of unknown kind")
    return tensor


def load_torch(path: Path) -> Any:
    """What a torch file holds, for files of plain tensors in containers.

    What the file says of its tensors is first compared with the numbers in it, without torch, so that it cannot claim
    more than it has; then torch reads it with ``weights_only=True``.

    Args:
        path: a file of ``torch.save``, of torch 1.6 or later.

    Returns:
        The object, on the CPU.

    Raises:
        InputError: no such file, damaged, older, or more than tensors, containers, text and numbers.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "x.pt"
        ...     torch.save({"weight": torch.ones(2, 3)}, file)
        ...     load_torch(file)["weight"].shape
        torch.Size([2, 3])
    """
    import torch  # noqa: PLC0415 - keeps the other readers light

    try:
        if not path.is_file():
            raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}; give a torch file")
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            description, stored = _records(stream, size, path)
            with refusals(path, size):
                Machine(BytesIO(description), len(description), maker=partial(_TensorMaker, stored=stored)).run()
            stream.seek(0)
            return torch.load(stream, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: not readable ({error.strerror or error}); check the file") from error
    except _DAMAGED as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a sound torch file ({type(error).__name__}); get the file again") from error


def _records(stream: BinaryIO, size: int, path: Path) -> tuple[bytes, dict[str, int]]:
    """What the file says of its objects, and the bytes of each record of numbers."""
    if stream.read(len(_ARCHIVE)) != _ARCHIVE:
        raise InputError(
            f"{path}: not a torch file as saved since torch 1.6; load it where you trust it and save it again"
        )
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        names = [entry.filename.partition("/")[2] for entry in entries]
        # torch and this module must see the same records: none twice, in one folder, none of them compressed.
        one = len({entry.filename.partition("/")[0] for entry in entries}) == 1
        if (
            not one
            or len({name.lower() for name in names}) < len(names)
            or _DESCRIPTION not in names
            or archive.comment
        ):
            raise InputError(f"{path}: an archive, but not one that torch wrote; give a torch file")
        plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        found = dict(zip(names, entries, strict=True))
        if not plain or sum(entry.file_size for entry in entries) > size:
            raise InputError(f"{path}: a torch file that claims more than it holds; get the file again")
        if found[_DESCRIPTION].file_size > _LARGEST_DESCRIPTION:
            raise InputError(f"{path}: a torch file of too many objects; save them as arrays")
        stored = {name.removeprefix("data/"): found[name].file_size for name in names if name.startswith("data/")}
        return archive.read(found[_DESCRIPTION]), stored
