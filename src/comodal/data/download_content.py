"""Whether the bytes that came are the file that was asked for, and all of it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["HEAD", "KINDS", "problem_at_start", "problem_of"]

HEAD = 64
"""Bytes that :func:`problem_at_start` wants to see."""

KINDS = ("hdf5", "text")
"""``hdf5`` for .csd and .h5 files, ``text`` for lists and tables."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SMALLEST_HDF5 = 96


def problem_at_start(head: bytes, kind: str) -> str:
    r"""What is wrong with a file that begins so, empty when nothing is.

    Servers answer with a page of HTML, and the status of success, where a file has moved or needs a login.

    Example:
        >>> problem_at_start(b"<!DOCTYPE html><html>", "hdf5")
        'a web page came instead of the file'
        >>> problem_at_start(b"standard_train_fold = [", "text"), problem_at_start(b"PK\x03\x04", "hdf5")
        ('', 'what came is no HDF5 file')
    """
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not begin:
        return "an empty file came"
    if begin.startswith(b"<"):
        return "a web page came instead of the file"
    if kind == "hdf5":
        return "" if head.startswith(_SIGNATURE) else "what came is no HDF5 file"
    return "what came is no text" if b"\0" in head else ""


def problem_of(path: Path, kind: str) -> str:
    """What is wrong with a file on disk, empty when nothing is; an HDF5 file knows how long it must be."""
    with path.open("rb") as handle:
        head = handle.read(HEAD)
    size = path.stat().st_size
    found = problem_at_start(head, kind)
    if found or kind != "hdf5":
        return found
    end = max(_declared_size(head), _SMALLEST_HDF5)
    if size < end:
        return f"the file is cut short at {size} of {end} bytes"
    return ""


def _declared_size(head: bytes) -> int:
    """End-of-file address in the superblock (HDF5 file format, section II.A); 0 where it is not understood."""
    if len(head) < HEAD:
        return 0
    version = head[8]
    # Version: where the size of an address stands, where the base address and the end-of-file address begin.
    places = {0: (13, 24, 40), 1: (13, 28, 44), 2: (9, 12, 28), 3: (9, 12, 28)}
    if version not in places:
        return 0
    at, base, end = places[version]
    if head[at] != 8:
        return 0
    return int.from_bytes(head[base : base + 8], "little") + int.from_bytes(head[end : end + 8], "little")
