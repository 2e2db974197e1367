"""Download the files of a public data set, each whole or not at all."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from comodal.contracts import InputError
from comodal.data.download_catalog import RemoteFile, read_catalog
from comodal.data.formats.hdf5 import opened

__all__ = ["Fetched", "Progress", "download"]

Progress = Callable[[str, "int | None"], Callable[[int], None]]
"""Begins the display of a file: from its name and its bytes, where the server states them, to what advances it."""

_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Fetched:
    """A file that was kept or downloaded.

    Attributes:
        path: where it is.
        action: ``"kept"`` (it was there) or ``"downloaded"``.
        url: where it came from, empty when it was there.
        size: bytes.
        sha256: of the content, empty when it was there and none is published.

    Example:
        >>> print(Fetched(Path("a.csd"), "kept", "", 512, ""))
        a.csd: kept
    """

    path: Path
    action: str
    url: str
    size: int
    sha256: str

    def __str__(self) -> str:
        if not self.url:
            return f"{self.path}: {self.action}"
        return f"{self.path}: {self.action} from {self.url}, {self.size} bytes, sha256 {self.sha256}"


def _silent(name: str, total: int | None) -> Callable[[int], None]:  # noqa: ARG001 - the signature of a display
    return lambda _: None


def download(
    name: str,
    to: str | Path,
    *,
    catalog: str | Path | None = None,
    only: Sequence[str] = (),
    timeout: float = 30.0,
    waits: Sequence[float] = (1.0, 5.0, 20.0),
    progress: Progress = _silent,
) -> list[Fetched]:
    """Download the files of a data set.

    A file that is there and sound (by its SHA-256, or its content where none is published) is kept. One that is not
    sound gets the ending ``.unusable``. An unfinished file never has the final name. Two downloads into one folder wait
    for each other.

    Args:
        name: ``"mosi"``, ``"mosei"``, or another name of the catalogue.
        to: folder, made when it is not there.
        catalog: a YAML file instead of the packaged one.
        only: files to fetch, as names or patterns such as ``"*COVAREP*"``; all when empty.
        timeout: seconds to wait for a byte.
        waits: seconds before each further try of a server that is overloaded.
        progress: begins the display of each file that is fetched.

    Returns:
        One entry per file, in the order of the catalogue.

    Raises:
        InputError: the name is unknown, the folder cannot be written, pooch is not installed; or no address gives some
            of the files: then the others are there, and the error lists one ``curl`` command per address.
    """
    _pooch()
    sets = read_catalog(catalog)
    if name not in sets:
        raise InputError.unknown("data set", name, sets, where=str(catalog or ""))
    for pattern in only:
        if not any(fnmatchcase(file.path, pattern) for file in sets[name]):
            raise InputError.unknown("file", pattern, [file.path for file in sets[name]], where=name)
    wanted = [file for file in sets[name] if not only or any(fnmatchcase(file.path, pattern) for pattern in only)]
    targets = [_target(Path(to), file) for file in wanted]
    session = _Session(timeout, waits, progress)
    with _lock(Path(to)):
        found = [
            _kept(target, file) or session.fetch(file, target) for target, file in zip(targets, wanted, strict=True)
        ]
    if session.failed:
        head = (
            f"{name}: {found.count(None)} of {len(wanted)} files could not be downloaded; run it again later, or "
            "download them by hand, resuming where it breaks off, and run it again to have them checked:"
        )
        raise InputError("\n".join([head, *session.failed]), code="unavailable")
    return [each for each in found if each]


def _pooch() -> Any:
    try:
        return importlib.import_module("pooch")  # here, to keep `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("download", "downloads") from error


def _target(folder: Path, file: RemoteFile) -> Path:
    """Return where a file goes; a link inside the folder may not lead out of it."""
    target = folder / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target.parent, error) from error
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{target}: leads out of {folder} by a link; remove the link", code="unsafe")
    if target.is_dir():
        raise InputError(f"{target}: a folder has the name of the file; remove or rename it", code="exists")
    return target


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror}); choose another folder", code="cannot_write")


def _lock(folder: Path) -> Any:
    """Return the lock of a folder, held; it ends with the process at the latest."""
    import filelock  # noqa: PLC0415 - keeps `import comodal` light

    lock = filelock.FileLock(folder / ".lock")
    try:
        return lock.acquire()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _kept(target: Path, file: RemoteFile) -> Fetched | None:
    """Return a sound file that is there; one that is not sound makes way."""
    if not target.is_file():
        return None
    try:
        if not _problem(target, file):
            return Fetched(target, "kept", "", target.stat().st_size, file.sha256 or "")
        target.replace(target.with_name(f"{target.name}.unusable"))
    except OSError as error:
        raise InputError(
            f"{target}: cannot be read or moved ({error.strerror}); check its rights", code="cannot_read"
        ) from error
    return None


def _problem(path: Path, file: RemoteFile) -> str:
    """Return what is wrong with the content of a file; the library reads an HDF5 file's length from it."""
    if file.sha256:
        return "" if _pooch().file_hash(str(path)) == file.sha256 else "of another SHA256"
    if file.kind == "hdf5":
        try:
            with opened(path):
                return ""
        except InputError as error:
            return "" if error.code == "needs_package" else "not an HDF5 file, or cut short"
    with path.open("rb") as handle:
        head = handle.read(64).strip()
    return "" if head and b"\0" not in head and not head.startswith(b"<") else "not a text file"


def _status(error: Any) -> int:
    """Return the HTTP status of a ``requests.HTTPError``."""
    return int(error.response.status_code)


@dataclass
class _Session:
    """One call of :func:`download`; a host that does not answer is tried once."""

    timeout: float
    waits: Sequence[float]
    progress: Progress
    failed: list[str] = field(default_factory=list)
    silent_hosts: set[str] = field(default_factory=set)

    def fetch(self, file: RemoteFile, target: Path) -> Fetched | None:
        """Fetch a file from the first address that gives it; note a command by hand and the reason where none does."""
        import requests  # noqa: PLC0415 - pooch needs it too

        failed = []
        for url in file.urls:
            try:
                return self._retrieve(url, file, target)
            except requests.HTTPError as error:
                reason = f"the server answered {_status(error)}"
            except requests.RequestException as error:
                reason = f"no whole answer ({type(error).__name__})"
                self.silent_hosts |= (
                    {urlsplit(url).netloc} if isinstance(error, requests.ConnectionError | requests.Timeout) else set()
                )
            except ValueError as error:
                reason = str(error)
            except OSError as error:
                raise _unwritable(target, error) from error
            failed.append(f"  curl -fL -C - -o {target} {url}  # {reason}")
        self.failed += failed
        return None

    def _retrieve(self, url: str, file: RemoteFile, target: Path) -> Fetched:
        """Write the file under another name, check it, and give it its own."""
        import requests  # noqa: PLC0415

        if urlsplit(url).netloc in self.silent_hosts:
            raise ValueError("the server did not answer before")
        part = target.with_name(f"{target.name}.part")
        options = {"chunk_size": 2**18, "timeout": self.timeout, "headers": {"Accept-Encoding": "identity"}}
        try:
            for wait in (*self.waits, None):
                bar = _Bar(self.progress, file.path)
                try:
                    _pooch().HTTPDownloader(progressbar=bar, **options)(url, str(part), None)
                    break
                except requests.HTTPError as error:
                    if wait is None or _status(error) not in _TEMPORARY:
                        raise
                    time.sleep(wait)
            if problem := "cut short" if bar.total not in (0, part.stat().st_size) else _problem(part, file):
                raise ValueError(problem)
            part.replace(target)
            sha256 = file.sha256 or _pooch().file_hash(str(target))
            return Fetched(target, "downloaded", url, target.stat().st_size, sha256)
        finally:
            part.unlink(missing_ok=True)


@dataclass
class _Bar:
    """Forwards the progress of Pooch to a display of comodal."""

    begin: Progress
    name: str
    total: int = 0
    seen: int = 0
    advance: Callable[[int], None] | None = None

    def update(self, count: int) -> None:
        """Advance by so many bytes, up to the total: Pooch counts whole chunks."""
        self.advance = self.advance or self.begin(self.name, self.total or None)
        count = min(count, self.total - self.seen) if self.total else count
        self.seen += count
        self.advance(count)

    def reset(self) -> None:
        """No-op: the bytes are counted already."""

    close = reset
