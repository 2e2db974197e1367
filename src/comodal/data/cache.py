"""Cache of converted data sets, by the SHA-256 of the files they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

from comodal.atomic_write import write_atomic
from comodal.contracts import InputError
from comodal.data.formats.interface import Block, Source
from comodal.data.manifest import digest, recognises
from comodal.data.store import open_store, write_store

__all__ = ["ENVIRONMENT", "cache_folder", "cached", "source_digests"]

ENVIRONMENT = "COMODAL_CACHE"
_LAYOUT = 6
_SETTLED = 2.0
"""Seconds after which a further change of a file shows in its times: clocks of file systems are that coarse."""


def cache_folder() -> Path:
    """Return ``$COMODAL_CACHE``, else ``comodal`` in the user's cache folder of the platform."""
    import platformdirs  # noqa: PLC0415 - keeps `import comodal` light

    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else Path(platformdirs.user_cache_dir("comodal"))


def cached(source: Source) -> Source:
    """Return the same samples from the cache, converted now if they are not there yet.

    An error is of the source where that is damaged, and says what to do about the cache where that is the reason.
    """
    root = cache_folder()
    digests = source_digests(source.files or (source.path,), memory=root / "digests.json")
    folder = root / _key(source, digests)
    with _remedies(root, folder):
        if not recognises(folder):
            try:
                write_store(source, folder, digests=digests)
            except InputError:
                if not recognises(folder):  # another process may have been faster
                    raise
        stored = open_store(folder)

    def blocks(features: Collection[str]) -> Iterator[Block]:
        with _remedies(root, folder):
            yield from stored.blocks(features)

    return replace(stored, blocks=blocks)


def _key(source: Source, digests: Mapping[str, str]) -> str:
    """Return the name of the entry, from the content of the files and how they are read."""
    name = source.name or source.path.stem
    divisions = {protocol: asdict(division) for protocol, division in source.divisions.items()}
    labels = {label: each.to_dict() for label, each in source.labels.items()}
    target = [source.task.to_dict(), source.label, labels]
    how = [name, source.format, [*source.dims.items()], divisions, target, source.defaults, source.facts]
    key = json.dumps([_LAYOUT, *how, sorted(digests.items())], default=sorted)
    return hashlib.sha256(key.encode()).hexdigest()[:32]


@contextlib.contextmanager
def _remedies(root: Path, folder: Path) -> Iterator[None]:
    """Say in an error what to do about the cache, where it is about the cache and not about the source."""
    try:
        yield
    except InputError as error:
        text = str(error)
        if folder.exists():
            text = f"{text.rpartition(';')[0] or text}; remove the folder {folder}, it is made again when needed"
        elif str(root) in text:
            text = f"{text} ({ENVIRONMENT} moves the cache)"
        raise InputError(text, code=error.code) from error


def source_digests(files: Iterable[Path], *, memory: Path | None = None) -> dict[str, str]:
    """Name of each file to its SHA-256; files of several folders are named from the folder they share.

    Args:
        files: of a source.
        memory: a file that keeps digests by path, size and times of change, so that gigabytes are read once.
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
