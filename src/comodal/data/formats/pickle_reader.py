"""The bytes of a pickle, and those of its instructions that only push a plain value."""

from __future__ import annotations

import pickle  # for the names of its instructions; nothing is loaded with it
import re
import struct
from collections.abc import Callable
from io import BufferedReader, BytesIO

__all__ = ["VALUES", "PickleRefused", "Reader", "shown"]

_LONGEST_LINE = 1 << 16
_LONGEST_INTEGER = 1024
_CHUNK = 1 << 16
_LONGEST_SHOWN = 64
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[nrt\\'\"])")
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class PickleRefused(ValueError):  # noqa: N818 - a decision, not a defect
    """A pickle is not read further; says why.

    Attributes:
        trusted: whether it may be fine and can be converted by somebody who trusts it, rather than being damaged.
    """

    def __init__(self, why: str, *, trusted: bool = False) -> None:
        super().__init__(why)
        self.trusted = trusted


def shown(value: object) -> str:
    """A value of a pickle for a message: one line of a few characters, whatever the value.

    A container is not written out, since a small one can be endless in print.

    Example:
        >>> shown("a" * 99), shown([1, 2])
        ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...", 'a list')
    """
    if not isinstance(value, (str, bytes, int, float)):
        return f"a {type(value).__name__}"
    text = repr(value[:_LONGEST_SHOWN] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


class Reader:
    """Takes bytes off a file, never more than it has.

    Byte strings of Python 2 become ``str``: by UTF-8 where they are, else by Latin-1, byte for byte. Those of arrays
    are wanted as bytes again, so that which of the two it was is remembered where it makes a difference.

    Args:
        stream: where the pickle starts.
        size: bytes from there to the end.
    """

    def __init__(self, stream: BufferedReader | BytesIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._start = stream.tell()
        self._utf8: dict[int, tuple[str, bytes]] = {}

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            PickleRefused: there are not so many.
        """
        # A declared size is believed only as far as the file goes: reading asks for the memory first.
        if count > _CHUNK and count > self.left():
            raise PickleRefused(f"declares {count} bytes where {self.left()} are left")
        data = self._stream.read(count)
        if len(data) < count:
            raise PickleRefused("ends too early")
        return data

    def take_array(self, count: int) -> bytearray:
        """The next bytes, to be changed by whoever gets them.

        Raises:
            PickleRefused: there are not so many.
        """
        if count > self.left():
            raise PickleRefused(f"declares {count} bytes where {self.left()} are left")
        data = bytearray(count)
        if self._stream.readinto(data) < count:
            raise PickleRefused("ends too early")
        return data

    def left(self) -> int:
        """Bytes to the end of the file."""
        return self._size - (self._stream.tell() - self._start)

    def line(self, *, longest: int = _LONGEST_LINE) -> bytes:
        """The next line, without its end."""
        data = self._stream.readline(longest + 1)
        if not data.endswith(b"\n"):
            raise PickleRefused("ends too early" if len(data) <= longest else f"has a line of over {longest} bytes")
        return data[:-1]

    def number(self, width: int) -> int:
        """An unsigned little-endian integer of so many bytes."""
        return int.from_bytes(self.take(width), "little")

    def old_text(self, data: bytes) -> str:
        """A byte string of Python 2 as text."""
        latin = data.decode("latin-1")
        if latin.isascii():
            return latin
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return latin
        self._utf8[id(text)] = (text, data)
        return text

    def old_bytes(self, text: str) -> bytes:
        """The bytes that :meth:`old_text` had."""
        kept = self._utf8.get(id(text))
        return text.encode("latin-1") if kept is None else kept[1]


def _quoted(reader: Reader) -> str:
    text = reader.line(longest=reader.left()).strip()
    if len(text) < 2 or text[:1] not in (b"'", b'"') or text[-1:] != text[:1]:
        raise PickleRefused("has a string without quotes")
    return reader.old_text(_ESCAPE.sub(_unescaped, text[1:-1]))


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    return bytes.fromhex(escape[1:].decode()) if escape[:1] == b"x" else _ESCAPES.get(escape, escape)


def _decimal(line: bytes) -> int:
    if len(line) > _LONGEST_INTEGER:
        raise PickleRefused(f"has an integer of {len(line)} digits")
    return int(line)


def _integer(reader: Reader) -> int | bool:
    line = reader.line()
    return line == b"01" if line in (b"00", b"01") else _decimal(line)


def _long(reader: Reader, count: int) -> int:
    if count > _LONGEST_INTEGER:
        raise PickleRefused(f"has an integer of {count} bytes")
    return int.from_bytes(reader.take(count), "little", signed=True)


def _double(reader: Reader) -> float:
    value: float = struct.unpack(">d", reader.take(8))[0]
    return value


def _text(reader: Reader, count: int) -> str:
    return _paired(reader.take(count).decode("utf-8", "surrogatepass"))


def _paired(text: str) -> str:
    """The text with halves of characters joined; a half alone cannot be written anywhere and becomes U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _escaped(reader: Reader) -> str:
    return _paired(reader.line(longest=reader.left()).decode("raw-unicode-escape"))


def _signed(reader: Reader) -> int:
    return int.from_bytes(reader.take(4), "little", signed=True)


VALUES: dict[bytes, Callable[[Reader], object]] = {
    pickle.NONE: lambda _: None,
    pickle.NEWTRUE: lambda _: True,
    pickle.NEWFALSE: lambda _: False,
    pickle.EMPTY_TUPLE: lambda _: (),
    pickle.INT: _integer,
    pickle.LONG: lambda reader: _decimal(reader.line().removesuffix(b"L")),
    pickle.FLOAT: lambda reader: float(reader.line()),
    pickle.BININT: _signed,
    pickle.BININT1: lambda reader: reader.take(1)[0],
    pickle.BININT2: lambda reader: reader.number(2),
    pickle.LONG1: lambda reader: _long(reader, reader.number(1)),
    pickle.LONG4: lambda reader: _long(reader, reader.number(4)),
    pickle.BINFLOAT: _double,
    pickle.STRING: _quoted,
    pickle.BINSTRING: lambda reader: reader.old_text(reader.take(reader.number(4))),
    pickle.SHORT_BINSTRING: lambda reader: reader.old_text(reader.take(reader.number(1))),
    pickle.UNICODE: _escaped,
    pickle.BINUNICODE: lambda reader: _text(reader, reader.number(4)),
    pickle.SHORT_BINUNICODE: lambda reader: _text(reader, reader.number(1)),
    pickle.BINUNICODE8: lambda reader: _text(reader, reader.number(8)),
    pickle.BINBYTES: lambda reader: reader.take(reader.number(4)),
    pickle.SHORT_BINBYTES: lambda reader: reader.take(reader.number(1)),
    pickle.BINBYTES8: lambda reader: reader.take(reader.number(8)),
}
"""Instruction to what it pushes."""
