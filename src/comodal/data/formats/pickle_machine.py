"""The instructions of a pickle, carried out by a machine that can make containers, text, numbers and arrays only.

It does not use the standard library's unpickler. That one looks up whatever a pickle names and calls it, so that
safety is a matter of what is let through. Here a name is a token, a call is an entry of a table, and nothing of the
pickle is ever looked up, imported, called or given attributes.
"""

from __future__ import annotations

import pickle  # for the names of its instructions; nothing is loaded with it
from collections.abc import Callable
from io import BufferedReader, BytesIO
from typing import Any, ClassVar

from comodal.data.formats.pickle_calls import Maker, checked_key
from comodal.data.formats.pickle_globals import Name
from comodal.data.formats.pickle_ledger import Ledger
from comodal.data.formats.pickle_reader import VALUES, PickleRefused, Reader

__all__ = ["Machine", "is_instruction"]

_MOST_MARKS = 256
_NEWEST_PROTOCOL = 5

_REFUSED: dict[bytes, str] = {
    pickle.EXT1: "it refers to a registered extension",
    pickle.EXT2: "it refers to a registered extension",
    pickle.EXT4: "it refers to a registered extension",
    pickle.PERSID: "it refers to an object outside the file",
    pickle.NEXT_BUFFER: "it refers to a buffer outside the file",
    pickle.READONLY_BUFFER: "it refers to a buffer outside the file",
}
"""Instructions that pickles of data never have, and what they would do."""


class Machine:
    """Reads one pickle.

    Args:
        stream: where it starts.
        size: bytes from there to the end of the file.
        maker: what stands for its names and calls.
    """

    def __init__(
        self, stream: BufferedReader | BytesIO, size: int, *, maker: Callable[[Reader, Ledger], Maker] = Maker
    ) -> None:
        self._reader = Reader(stream, size)
        self._ledger = Ledger(size)
        self._maker = maker(self._reader, self._ledger)
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> object:
        """The object of the pickle.

        Raises:
            PickleRefused: it is damaged, or asks for more than data need.
            IndexError: it takes more off its stack than there is.
            KeyError: it repeats something that it never had.
            ValueError: a number or a text is damaged.
        """
        read, values, steps = self._reader.take, VALUES, self.STEPS
        while (code := read(1)) != pickle.STOP:
            value = values.get(code)
            if value is not None:
                self._stack.append(value(self._reader))
                continue
            step = steps.get(code)
            if step is None:
                why = _REFUSED.get(code, f"has an unknown instruction {code!r}")
                raise PickleRefused(why, trusted=code in _REFUSED)
            step(self)
        self._maker.finish()
        if self._below or len(self._stack) != 1:
            raise PickleRefused("ends in the middle")
        if self._reader.left():
            raise PickleRefused(f"goes on for {self._reader.left()} bytes after its end")
        return self._stack[0]

    def _protocol(self) -> None:
        found = self._reader.number(1)
        if found > _NEWEST_PROTOCOL:
            raise PickleRefused(f"is of protocol {found}; known are 0 to {_NEWEST_PROTOCOL}")

    def _frame(self) -> None:
        size = self._reader.number(8)
        if size > self._reader.left():
            raise PickleRefused(f"declares {size} bytes where {self._reader.left()} are left")

    def _mark(self) -> None:
        if len(self._below) == _MOST_MARKS:
            raise PickleRefused(f"nests objects more than {_MOST_MARKS} deep")
        self._below.append(self._stack)
        self._stack = []

    def _marked(self) -> list[Any]:
        items, self._stack = self._stack, self._below.pop()
        return items

    def _pop(self) -> None:
        if self._stack:
            del self._stack[-1]
        else:
            self._marked()

    def _new(self, found: Any, items: Any = (), *, cost: int = 256) -> None:
        self._ledger.opened(found, items, cost=cost)
        self._stack.append(found)

    def _list_of(self, items: list[Any]) -> None:
        self._new(items, items)

    def _tuple_of(self, items: list[Any]) -> None:
        if items:
            self._new(tuple(items), items)
        else:
            self._stack.append(())

    def _last(self, count: int) -> None:
        items = self._stack[-count:]
        if len(items) < count:
            raise IndexError
        del self._stack[-count:]
        self._tuple_of(items)

    def _dict_of(self, items: list[Any]) -> None:
        self._new({})
        self._put_pairs(items)

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not list:
            raise PickleRefused(f"it appends to a {type(target).__name__}", trusted=True)
        self._ledger.put(target, items)
        target.extend(items)

    def _put_pairs(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleRefused(f"it sets items of a {type(target).__name__}", trusted=True)
        self._ledger.put(target, items)
        target.update(zip(map(checked_key, items[::2]), items[1::2], strict=True))

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put_pairs([key, value])

    def _add(self) -> None:
        items, target = self._marked(), self._stack[-1]
        if type(target) is not set:
            raise PickleRefused(f"it adds to a {type(target).__name__}", trusted=True)
        self._ledger.put(target, items)
        target.update(map(checked_key, items))

    def _frozen(self) -> None:
        items = self._marked()
        self._new(frozenset(map(checked_key, items)), items)

    def _byte_array(self) -> None:
        found = self._reader.take_array(self._reader.number(8))
        self._new(found)
        self._ledger.grow(found, len(found))

    def _two_lines(self) -> tuple[str, str]:
        return self._reader.line().decode(), self._reader.line().decode()

    def _global(self) -> None:
        self._stack.append(self._maker.name(*self._two_lines()))

    def _stack_global(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._maker.name(module, name))

    def _instance_of(self, items: list[Any]) -> None:
        named = [item.name for item in items if isinstance(item, Name)]
        raise PickleRefused(f"it makes an instance of {' or '.join(named[:3]) or 'a class'}", trusted=True)

    def _reduce(self) -> None:
        arguments, name = self._stack.pop(), self._stack.pop()
        self._stack.append(self._maker.call(name, arguments))

    def _build(self) -> None:
        state = self._stack.pop()
        self._maker.build(self._stack[-1], state)

    def _outside(self) -> None:
        self._stack.append(self._maker.outside(self._stack.pop()))

    def _remember(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        self._stack.append(self._memo[index])

    STEPS: ClassVar[dict[bytes, Callable[[Machine], object]]] = {
        pickle.PROTO: _protocol,
        pickle.FRAME: _frame,
        pickle.MARK: _mark,
        pickle.POP: _pop,
        pickle.POP_MARK: lambda self: self._marked(),
        pickle.DUP: lambda self: self._stack.append(self._stack[-1]),
        pickle.EMPTY_LIST: lambda self: self._new([]),
        pickle.EMPTY_DICT: lambda self: self._new({}),
        pickle.EMPTY_SET: lambda self: self._new(set(), cost=512),
        pickle.LIST: lambda self: self._list_of(self._marked()),
        pickle.TUPLE: lambda self: self._tuple_of(self._marked()),
        pickle.TUPLE1: lambda self: self._last(1),
        pickle.TUPLE2: lambda self: self._last(2),
        pickle.TUPLE3: lambda self: self._last(3),
        pickle.DICT: lambda self: self._dict_of(self._marked()),
        pickle.APPEND: lambda self: self._append([self._stack.pop()]),
        pickle.APPENDS: lambda self: self._append(self._marked()),
        pickle.SETITEM: _set_item,
        pickle.SETITEMS: lambda self: self._put_pairs(self._marked()),
        pickle.ADDITEMS: _add,
        pickle.FROZENSET: _frozen,
        pickle.BYTEARRAY8: _byte_array,
        pickle.GLOBAL: _global,
        pickle.STACK_GLOBAL: _stack_global,
        pickle.INST: lambda self: self._instance_of([self._maker.name(*self._two_lines())]),
        pickle.OBJ: lambda self: self._instance_of(self._marked()[:1]),
        pickle.NEWOBJ: lambda self: self._instance_of(self._stack[-2:]),
        pickle.NEWOBJ_EX: lambda self: self._instance_of(self._stack[-3:]),
        pickle.REDUCE: _reduce,
        pickle.BUILD: _build,
        pickle.BINPERSID: _outside,
        pickle.PUT: lambda self: self._remember(int(self._reader.line())),
        pickle.BINPUT: lambda self: self._remember(self._reader.number(1)),
        pickle.LONG_BINPUT: lambda self: self._remember(self._reader.number(4)),
        pickle.MEMOIZE: lambda self: self._remember(len(self._memo)),
        pickle.GET: lambda self: self._recall(int(self._reader.line())),
        pickle.BINGET: lambda self: self._recall(self._reader.number(1)),
        pickle.LONG_BINGET: lambda self: self._recall(self._reader.number(4)),
    }


def is_instruction(code: bytes) -> bool:
    """Whether a pickle of data can have this instruction.

    Example:
        >>> is_instruction(pickle.EMPTY_DICT), is_instruction(b"?")
        (True, False)
    """
    return code in VALUES or code in Machine.STEPS or code in _REFUSED
