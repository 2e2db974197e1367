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
from comodal.data.download_catalog import RemoteFile, RemoteSet, read_catalog
from comodal.data.formats.hdf5 import opened

__all__ = ["Fetched", "Progress", "download"]

Progress = Callable[[str, "int | None"], Callable[[int], None]]
"""Begins the display of a file: from its name and its bytes, where the server states them, to what advances it."""

_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_HEAD = 64
_CHUNK = 2**18


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
    wanted, folder = _chosen(sets[name], only), Path(to)
    targets = [_target(folder, file) for file in wanted]
    session = _Session(timeout, waits, progress)
    with _lock(folder):
        found = [
            _kept(target, file) or session.fetch(file, target) for target, file in zip(targets, wanted, strict=True)
        ]
    if session.failed:
        head = (
            f"{name}: {len(session.failed)} of {len(wanted)} files could not be downloaded; run it again later, or "
            "download them by hand, resuming where it breaks off, and run it again to have them checked:"
        )
        raise InputError("\n".join([head, *session.by_hand()]), code="unavailable")
    return [each for each in found if each]


def _pooch() -> Any:
    try:
        return importlib.import_module("pooch")  # here, to keep `import comodal` light
    except ImportError as error:
        raise InputError.needs_extra("download", "downloads") from error


def _chosen(remote: RemoteSet, only: Sequence[str]) -> list[RemoteFile]:
    names = [file.path for file in remote.files]
    for pattern in only:
        if not any(fnmatchcase(each, pattern) for each in names):
            raise InputError.unknown("file", pattern, names, where=remote.name)
    return [file for file in remote.files if not only or any(fnmatchcase(file.path, pattern) for pattern in only)]


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
        sha256 = _sha256(target) if file.sha256 else ""
        if (sha256 == file.sha256) if file.sha256 else not _problem(target, file.kind):
            return Fetched(target, "kept", "", target.stat().st_size, sha256)
        target.replace(target.with_name(f"{target.name}.unusable"))
    except OSError as error:
        raise InputError(
            f"{target}: cannot be read or moved ({error.strerror}); check its rights", code="cannot_read"
        ) from error
    return None


def _problem(path: Path, kind: str) -> str:
    """Return what is wrong with a file without a published hash; the library reads an HDF5 file's length from it."""
    if kind == "hdf5":
        try:
            with opened(path):
                return ""
        except InputError as error:
            return "" if error.code == "needs_package" else "not an HDF5 file, or cut short"
    with path.open("rb") as handle:
        head = handle.read(_HEAD).strip()
    return "" if head and b"\0" not in head and not head.startswith(b"<") else "not a text file"


def _status(error: Any) -> int:
    """Return the HTTP status of a ``requests.HTTPError``."""
    return int(error.response.status_code)


def _sha256(path: Path) -> str:
    return str(_pooch().file_hash(str(path)))


@dataclass
class _Session:
    """One call of :func:`download`; a host that does not answer is tried once."""

    timeout: float
    waits: Sequence[float]
    progress: Progress
    failed: dict[Path, dict[str, str]] = field(default_factory=dict)
    silent_hosts: set[str] = field(default_factory=set)

    def fetch(self, file: RemoteFile, target: Path) -> Fetched | None:
        """Fetch a file from the first address that gives it; note the reasons where none does."""
        import requests  # noqa: PLC0415 - pooch needs it too

        reasons: dict[str, str] = {}
        for url in file.urls:
            host = urlsplit(url).netloc
            if host in self.silent_hosts:
                reasons[url] = "the server did not answer before"
                continue
            try:
                return self._from(url, file, target)
            except requests.HTTPError as error:
                reasons[url] = f"the server answered {_status(error)}"
            except requests.RequestException as error:
                reasons[url] = f"no whole answer ({type(error).__name__})"
                self.silent_hosts |= {host} if isinstance(error, requests.ConnectionError | requests.Timeout) else set()
            except ValueError as error:
                reasons[url] = str(error).splitlines()[0]
            except OSError as error:
                raise _unwritable(target, error) from error
        self.failed[target] = reasons
        return None

    def _from(self, url: str, file: RemoteFile, target: Path) -> Fetched:
        import requests  # noqa: PLC0415

        for wait in (*self.waits, None):
            try:
                self._retrieve(url, file, target)
                break
            except requests.HTTPError as error:
                if wait is None or _status(error) not in _TEMPORARY:
                    raise
                time.sleep(wait)
        return Fetched(target, "downloaded", url, target.stat().st_size, file.sha256 or _sha256(target))

    def _retrieve(self, url: str, file: RemoteFile, target: Path) -> None:
        """Pooch checks the hash; a file without one is checked by its content before it gets its name."""
        pooch, part = _pooch(), target.with_name(f"{target.name}.part")
        part.unlink(missing_ok=True)
        pooch.get_logger().setLevel("WARNING")
        bar = _Bar(self.progress, file.path)
        loader = pooch.HTTPDownloader(
            progressbar=bar, chunk_size=_CHUNK, timeout=self.timeout, headers={"Accept-Encoding": "identity"}
        )
        expected = f"sha256:{file.sha256}" if file.sha256 else None
        pooch.retrieve(url, expected, fname=part.name, path=part.parent, downloader=loader)
        problem = "" if file.sha256 else _problem(part, file.kind)
        if problem or bar.total not in (0, part.stat().st_size):
            part.unlink()
            raise ValueError(problem or "cut short")
        part.replace(target)

    def by_hand(self) -> list[str]:
        """Return one command per file and address that failed, and why."""
        return [
            f"  curl -fL -C - -o {target} {url}  # {reason}"
            for target, reasons in self.failed.items()
            for url, reason in reasons.items()
        ]


@dataclass
class _Bar:
    """Forwards the progress of Pooch to a display of comodal."""

    begin: Progress
    name: str
    total: int = 0
    _seen: int = 0
    _advance: Callable[[int], None] | None = None

    def update(self, count: int) -> None:
        """Advance by so many bytes, up to the total: Pooch counts whole chunks."""
        self._advance = self._advance or self.begin(self.name, self.total or None)
        count = min(count, self.total - self._seen) if self.total else count
        self._seen += count
        self._advance(count)

    def reset(self) -> None:
        """No-op: the bytes are counted already."""

    def close(self) -> None:
        """No-op: the display is the caller's."""
