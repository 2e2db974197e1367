"""Cache of converted data sets, by the SHA-256 of the files they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.data.formats.interface import Block, Source
from comodal.data.manifest import digest, recognises
from comodal.data.store import open_store, write_store

__all__ = ["ENVIRONMENT", "cache_folder", "cached", "source_digests"]

ENVIRONMENT = "COMODAL_CACHE"
_LAYOUT = 2
_SETTLED = 2.0
"""Seconds after which a further change of a file shows in its times: clocks of file systems are that coarse."""


def cache_folder() -> Path:
    """Return ``$COMODAL_CACHE``, else ``comodal`` in the user's cache folder of the platform.

    Example:
        >>> cache_folder().is_absolute() or bool(os.environ.get(ENVIRONMENT))
        True
    """
    import platformdirs  # noqa: PLC0415 - keeps `import comodal` light

    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else Path(platformdirs.user_cache_dir("comodal"))


def cached(source: Source, *, seen: Callable[[int], None] | None = None) -> Source:
    """Return the same samples from the cache, converted now if they are not there yet.

    Args:
        source: files of another format.
        seen: called with the number of samples of each block that is converted.

    Raises:
        InputError: the source is damaged, or the cache cannot be written.
    """
    root = cache_folder()
    digests = source_digests(source.files or (source.path,), memory=root / "digests.json")
    folder = root / _key(source, digests)
    if not recognises(folder):
        try:
            write_store(source, folder, digests=digests, seen=seen)
        except InputError as error:
            if not recognises(folder):  # another process may have been faster
                raise _where(error, root, folder) from error
    return _opened(folder, root)


def _key(source: Source, digests: Mapping[str, str]) -> str:
    """Return the name of the entry, from the content of the files and how they are read."""
    divisions = {
        name: [each.column, each.folds, dict(each.features), each.note, sorted(each.warned)]
        for name, each in source.divisions.items()
    }
    read = [source.format, source.name or source.path.stem, list(source.dims.items()), divisions]
    more = [list(source.label_range), list(source.defaults), dict(source.facts)]
    key = json.dumps([_LAYOUT, *read, *more, dict(sorted(digests.items()))])
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _opened(folder: Path, root: Path) -> Source:
    """Open an entry; the remedy for a damaged one is to remove it."""
    try:
        store = open_store(folder)
    except InputError as error:
        raise _where(error, root, folder) from error

    def blocks(features: Collection[str]) -> Iterator[Block]:
        try:
            yield from store.blocks(features)
        except InputError as error:
            raise _where(error, root, folder) from error

    return replace(store, blocks=blocks)


def _where(error: InputError, root: Path, folder: Path) -> InputError:
    """Return the error with what to do about the cache, where it is about the cache and not about the source."""
    text = str(error)
    if folder.exists():
        text = text.rpartition(";")[0] or text
        return InputError(f"{text}; remove the folder {folder}, it is made again when needed", code=error.code)
    return InputError(f"{text} ({ENVIRONMENT} moves the cache)", code=error.code) if str(root) in text else error


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


def _state(path: Path) -> tuple[str, bool]:
    """What differs once a file has changed, and whether that can be relied on yet."""
    try:
        facts = path.stat()
        key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|{facts.st_ino}"
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path", code="cannot_read") from error
    return key, time.time() - max(facts.st_mtime, facts.st_ctime) > _SETTLED


def _remembered(memory: Path | None) -> dict[str, str]:
    try:
        known = {} if memory is None else json.loads(memory.read_text(encoding="utf-8"))
        return {key: value for key, value in known.items() if isinstance(value, str)}
    except (OSError, ValueError, RecursionError, AttributeError):
        return {}
