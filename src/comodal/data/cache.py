"""Cache of converted data sets, by the SHA-256 of the files they were made from."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from comodal.contracts import InputError
from comodal.data.digests import source_digests
from comodal.data.formats.interface import Block, Source
from comodal.data.store import open_store, recognises, write_store

__all__ = ["ENVIRONMENT", "cache_folder", "cached"]

ENVIRONMENT = "COMODAL_CACHE"
_LAYOUT = 2


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
