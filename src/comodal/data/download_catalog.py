"""Read the catalogue of downloads: the files of each data set, their addresses and their SHA-256."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from comodal.contracts import InputError

__all__ = ["RemoteFile", "read_catalog"]

_PACKAGED = "configs/downloads.yaml"
_KINDS = ("hdf5", "text")
_SET: Mapping[str, type] = {"title": str, "licence": str, "citation": str, "locations": list, "files": list}
_FILE: Mapping[str, type] = {"path": str, "at": str, "kind": str, "sha256": str, "locations": list}


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it goes, below the folder that the user chose.
        urls: addresses, in the order in which they are tried.
        kind: what its content must be, ``hdf5`` for .csd and .h5 files or ``text`` for lists and tables.
        sha256: of the content, ``None`` where none is published.
    """

    path: str
    urls: tuple[str, ...]
    kind: str
    sha256: str | None = None


def read_catalog(path: str | Path | None = None) -> dict[str, tuple[RemoteFile, ...]]:
    """Return the files of each data set of a catalogue.

    Args:
        path: a YAML file of the same form as the packaged one, which is read when ``None``.

    Raises:
        InputError: it cannot be read; a key is unknown; a path or an address leads elsewhere than it may.

    Example:
        >>> catalog = read_catalog()
        >>> sorted(catalog), catalog["mosi"][0].path
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
        remedy = "give data set names with files, as the packaged one does"
        raise InputError(f"{where}: not a catalogue; {remedy}", code="empty")
    return {str(name): _files(f"{where}, {name}", entry) for name, entry in content.items()}


def _files(where: str, entry: object) -> tuple[RemoteFile, ...]:
    fields = _fields(where, entry, _SET)
    if not fields.get("files"):
        raise InputError(f"{where}: no 'files'; give at least one", code="missing")
    bases = fields.get("locations", [])
    found = tuple(_file(f"{where}, file {k}", each, bases) for k, each in enumerate(fields["files"], start=1))
    path, count = Counter(file.path.lower() for file in found).most_common(1)[0]
    if count > 1:
        raise InputError(f"{where}: {count} files go to {path!r}; give each a path of its own", code="duplicate")
    return found


def _file(where: str, entry: object, bases: list[str]) -> RemoteFile:
    fields = _fields(where, entry, _FILE)
    path, kind, sha256 = fields.get("path", ""), fields.get("kind", "hdf5"), fields.get("sha256")
    below, own = fields.get("at", path), fields.get("locations", [])
    if kind not in _KINDS:
        raise InputError.unknown("kind", kind, _KINDS, where=where)
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        reason = "is not 64 hexadecimal digits in lower case; correct it, or null"
        raise InputError(f"{where}: sha256 {sha256!r} {reason}", code="invalid")
    for key, each in (("path", path), ("at", below)):
        if not all(re.fullmatch(r'(?!\.\.?$)[^\\:\x00-\x1f*?"<>|]+', part) for part in each.split("/")):
            reason = "does not stay inside the folder; give names separated by single slashes"
            raise InputError(f"{where}: {key} {each!r} {reason}", code="unsafe")
    # A file with addresses of its own is below those of the data set only if it has 'at'.
    urls = [f"{str(base).rstrip('/')}/{below}" for base in bases if "at" in fields or not own] + own
    for url in urls:
        if not _is_address(str(url)):
            remedy = "give one of http or https, without '..'"
            raise InputError(f"{where}: {url!r} is not a web address; {remedy}", code="unsafe")
    if not urls:
        raise InputError(f"{where}: no location; give 'locations' of the data set or of the file", code="missing")
    return RemoteFile(path, tuple(dict.fromkeys(urls)), kind, sha256)


def _fields(where: str, entry: object, known: Mapping[str, type]) -> dict[str, Any]:
    """Return the values of a mapping that are not null, once their keys and types are known to be right."""
    if not isinstance(entry, dict):
        raise InputError(f"{where}: {entry!r} is not a mapping; give the keys {', '.join(known)}", code="wrong_type")
    given = {key: value for key, value in entry.items() if value is not None}
    for key in entry:
        if key not in known:
            raise InputError.unknown("key", key, known, where=where)
    for key, value in given.items():
        if not isinstance(value, known[key]):
            kind = "text" if known[key] is str else "list"
            raise InputError(f"{where}: {key} {value!r} is not a {kind}; correct it", code="wrong_type")
    return given


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        return False
    return named and ".." not in unquote(parts.path).split("/") and re.fullmatch(r"[\x21-\x7e]+", url) is not None
