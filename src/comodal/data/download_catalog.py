"""Read the catalogue of downloads: the files of each data set, their addresses and their SHA-256."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from comodal.contracts import InputError

__all__ = ["KINDS", "RemoteFile", "RemoteSet", "read_catalog"]

KINDS = ("hdf5", "text")
"""``hdf5`` for .csd and .h5 files, ``text`` for lists and tables."""

_PACKAGED = "configs/downloads.yaml"
_SET_KEYS = ("title", "licence", "citation", "locations", "files")
_FILE_KEYS = ("path", "at", "kind", "sha256", "locations")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it goes, below the folder that the user chose.
        urls: addresses, in the order in which they are tried.
        kind: what its content must be, one of :data:`KINDS`.
        sha256: of the content, ``None`` where none is published.
    """

    path: str
    urls: tuple[str, ...]
    kind: str
    sha256: str | None = None


@dataclass(frozen=True)
class RemoteSet:
    """A data set of the catalogue."""

    name: str
    title: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]


def read_catalog(path: str | Path | None = None) -> dict[str, RemoteSet]:
    """Return the data sets of a catalogue by name.

    Args:
        path: a YAML file of the same form as the packaged one, which is read when ``None``.

    Raises:
        InputError: it cannot be read; a key is unknown; a path or an address leads elsewhere than it may.

    Example:
        >>> catalog = read_catalog()
        >>> sorted(catalog), catalog["mosi"].files[0].path
        (['mosei', 'mosi'], 'CMU_MOSI_TimestampedWords.csd')
    """
    where = str(path or _PACKAGED)
    try:
        text = Path(path).read_text("utf-8") if path else (files("comodal") / _PACKAGED).read_text("utf-8")
        content = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: not a readable catalogue ({reason}); give a YAML file", code="damaged") from error
    if not isinstance(content, dict) or not content:
        raise InputError(
            f"{where}: not a catalogue; give data set names with files, as the packaged one does", code="empty"
        )
    return {str(name): _set(f"{where}, {name}", str(name), entry) for name, entry in content.items()}


def _mapping(where: str, entry: object, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InputError(f"{where}: {entry!r} is not a mapping; give the keys {', '.join(known)}", code="wrong_type")
    for key in entry:
        if key not in known:
            raise InputError.unknown("key", key, known, where=where)
    return entry


def _strings(where: str, entry: Mapping[str, Any], key: str) -> list[str]:
    found = entry.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InputError(f"{where}: {key!r} is not a list of texts; write one after each dash", code="wrong_type")
    return found


def _set(where: str, name: str, entry: object) -> RemoteSet:
    fields = _mapping(where, entry, _SET_KEYS)
    given = fields.get("files")
    if not isinstance(given, list) or not given:
        raise InputError(f"{where}: 'files' is not a list; give at least one file", code="wrong_type")
    bases = _strings(where, fields, "locations")
    found = tuple(_file(f"{where}, file {k + 1}", each, bases) for k, each in enumerate(given))
    paths = [file.path.lower() for file in found]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"{where}: two files go to {path!r}; give each a path of its own", code="duplicate")
    title, licence, citation = (str(fields.get(key) or "") for key in ("title", "licence", "citation"))
    return RemoteSet(name, title, licence, citation, found)


def _file(where: str, entry: object, bases: list[str]) -> RemoteFile:
    fields = _mapping(where, entry, _FILE_KEYS)
    path, kind, sha256 = fields.get("path"), fields.get("kind", "hdf5"), fields.get("sha256")
    below = fields.get("at", path)
    if kind not in KINDS:
        raise InputError.unknown("kind", kind, KINDS, where=where)
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise InputError(
            f"{where}: sha256 {sha256!r} is not 64 hexadecimal digits in lower case; correct it, or null",
            code="invalid",
        )
    _check_inside(where, "path", path)
    _check_inside(where, "at", below)
    own = _strings(where, fields, "locations")
    # A file with addresses of its own is below those of the data set only if it has 'at'.
    urls = [f"{base.rstrip('/')}/{below}" for base in bases if "at" in fields or not own] + own
    for url in urls:
        _check_address(where, url)
    if not urls:
        raise InputError(f"{where}: no location; give 'locations' of the data set or of the file", code="missing")
    return RemoteFile(str(path), tuple(dict.fromkeys(urls)), kind, sha256)


def _check_inside(where: str, key: str, path: object) -> None:
    """Refuse a path that leads out of the folder."""
    parts = path.split("/") if isinstance(path, str) else [""]
    odd = [part for part in parts if part in ("", ".", "..") or re.search(r'[\\:\x00-\x1f*?"<>|]', part)]
    if odd or PurePosixPath(str(path)).is_absolute():
        raise InputError(
            f"{where}: {key} {path!r} does not stay inside the folder; give names separated by single slashes",
            code="unsafe",
        )


def _check_address(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username or ".." in unquote(parts.path).split("/") or re.search(r"[^\x21-\x7e]", url):
        raise InputError(
            f"{where}: {url!r} is not a web address; give one of http or https, without '..'", code="unsafe"
        )
