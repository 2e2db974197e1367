"""SHA-256 of files, remembered as long as a file does not change."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError

__all__ = ["digest", "source_digests"]


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        InputError: it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "empty"
        ...     _ = path.write_bytes(b"")
        ...     digest(path)[:8]
        'e3b0c442'
    """
    if path.exists() and not path.is_file():  # a pipe would wait for a writer for ever
        raise InputError(f"{path}: cannot be read (not a file); check the path", code="cannot_read")
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path", code="cannot_read") from error


def source_digests(files: Iterable[Path], *, memory: Path | None = None) -> dict[str, str]:
    """Name of each file to its SHA-256; files of several folders are named from the folder they share.

    Args:
        files: of a source.
        memory: a file that keeps digests by path, size and times of change, so that gigabytes are read once.

    Raises:
        InputError: a file cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("x.h5", "y.h5"):
        ...     _ = (folder / name).write_bytes(b"")
        >>> sorted(source_digests([folder / "x.h5", folder / "y.h5"]))
        ['x.h5', 'y.h5']
    """
    paths = list(files)
    shared = Path(os.path.commonpath([path.absolute().parent for path in paths])) if paths else Path()
    known = _remembered(memory)
    found, fresh = {}, {}
    for path in paths:
        key, settled = _state(path)
        sha256 = known.get(key) or digest(path)
        found[path.absolute().relative_to(shared).as_posix()] = sha256
        if settled:
            fresh[key] = sha256
    if memory is not None and not fresh.items() <= known.items():
        text = json.dumps({**known, **fresh}, indent=0)
        with contextlib.suppress(OSError):  # a memory that cannot be kept costs time and nothing else
            write_atomic(memory, lambda partial: partial.write_text(text, encoding="utf-8"))
    return found


_SETTLED = 2.0
"""Seconds after which a further change of a file shows in its times: clocks of file systems are that coarse."""


def _state(path: Path) -> tuple[str, bool]:
    """What differs once a file has changed, and whether that can be relied on yet."""
    try:
        facts = path.stat()
        key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|{facts.st_ino}"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path", code="cannot_read") from error
    return key, time.time() - max(facts.st_mtime, facts.st_ctime) > _SETTLED


def _remembered(memory: Path | None) -> dict[str, str]:
    if memory is None:
        return {}
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, str)}
