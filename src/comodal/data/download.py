"""Files of a public data set, fetched whole or not at all; what cannot be fetched is listed for doing it by hand."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from comodal.contracts import InputError
from comodal.data.download_catalog import RemoteFile, RemoteSet, read_catalog
from comodal.data.download_content import problem_of
from comodal.data.download_transfer import Patience, TransferError, transfer
from comodal.data.folder_lock import folder_lock

__all__ = ["Fetched", "Progress", "download"]

Progress = Callable[[str, "int | None"], Callable[[int], None]]
"""Begins the display of a file: from its name and its bytes, where the server says how many, to what advances it."""


@dataclass(frozen=True)
class Fetched:
    """What was done about one file.

    Attributes:
        path: where it is.
        action: ``"kept"`` (it was there), ``"downloaded"`` or ``"resumed"``.
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


@dataclass
class _Meter:
    """Tells a display how much more there is; after a transfer that began anew, that is less than before."""

    begin: Progress
    name: str
    _advance: Callable[[int], None] | None = None
    _seen: int = 0

    def report(self, done: int, total: int | None) -> None:
        if self._advance is None:
            self._advance = self.begin(self.name, total)
        self._advance(done - self._seen)
        self._seen = done


def download(
    name: str,
    to: str | Path,
    *,
    catalog: str | Path | None = None,
    only: Sequence[str] = (),
    patience: Patience | None = None,
    progress: Progress = _silent,
) -> list[Fetched]:
    """Fetch the files of a data set.

    Two downloads into one folder wait for each other, and the second keeps what the first has fetched.

    A file that is there and sound (by its SHA-256, or its content where none is published) is not fetched again. One
    that is not sound is set aside under the ending ``.unusable``. A transfer that breaks off leaves ``.part``, which
    the next call continues. Nothing unfinished ever has the name of the file.

    Args:
        name: ``"mosi"``, ``"mosei"``, or what else the catalogue has.
        to: folder, made when it is not there.
        catalog: a YAML file instead of the packaged one.
        only: files to fetch, as names or patterns such as ``"*COVAREP*"``; all when empty.
        patience: how long to wait and how often to try.
        progress: begins the display of each file that is fetched.

    Returns:
        What was done, a file each, in the order of the catalogue.

    Raises:
        InputError: the name is unknown, the folder cannot be written, pooch is not installed; or some files could not
            be fetched from anywhere: then the others are there, and the error lists, a file a line, what to fetch by
            hand, from which addresses, and where to put it.
    """
    _pooch()
    sets = read_catalog(catalog)
    if name not in sets:
        raise InputError.unknown("data set", name, sets, where=str(catalog or ""))
    wanted, folder = _chosen(sets[name], only), _folder(Path(to))
    with folder_lock(folder):
        found, failed = _all(wanted, folder, _Session(patience or Patience(), progress))
    if failed:
        raise InputError(_by_hand(name, folder, len(wanted), failed))
    return found


def _all(
    wanted: Sequence[RemoteFile], folder: Path, session: _Session
) -> tuple[list[Fetched], dict[RemoteFile, dict[str, str]]]:
    """What was done about the files that are there now, and why the others are not."""
    found: list[Fetched] = []
    failed: dict[RemoteFile, dict[str, str]] = {}
    for file in wanted:
        target = _target(folder, file)
        reasons: dict[str, str] = {}
        done = _kept(target, file) or session.from_anywhere(file, target, reasons)
        if done is None:
            failed[file] = reasons
        else:
            found.append(done)
    return found, failed


def _pooch() -> Any:
    try:
        return importlib.import_module("pooch")  # here, to keep `import comodal` light
    except ImportError as error:
        raise InputError("downloads need pooch; install it with: pip install 'comodal[download]'") from error


def _chosen(remote: RemoteSet, only: Sequence[str]) -> list[RemoteFile]:
    names = [file.path for file in remote.files]
    for pattern in only:
        if not any(fnmatchcase(each, pattern) for each in names):
            raise InputError.unknown("file", pattern, names, where=remote.name)
    return [file for file in remote.files if not only or any(fnmatchcase(file.path, pattern) for pattern in only)]


def _folder(to: Path) -> Path:
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{to}: not a folder to write to ({error.strerror}); choose another") from error
    return to


def _target(folder: Path, file: RemoteFile) -> Path:
    """Where a file goes; a link inside the folder may not lead out of it."""
    target = folder / file.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target.parent}: not a folder to write to ({error.strerror}); choose another") from error
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{target}: leads out of {folder} by a link; remove the link")
    if target.is_dir():
        raise InputError(f"{target}: a folder has the name of the file; remove or rename it")
    return target


def _kept(target: Path, file: RemoteFile) -> Fetched | None:
    """A sound file that is there; one that is not sound makes way."""
    if not target.is_file():
        return None
    try:
        sha256 = _sha256(target) if file.sha256 else ""
        if (sha256 == file.sha256) if file.sha256 else not problem_of(target, file.kind):
            return Fetched(target, "kept", "", target.stat().st_size, sha256)
        target.replace(target.with_name(f"{target.name}.unusable"))
    except OSError as error:
        raise InputError(f"{target}: cannot be read or moved ({error.strerror}); check its rights") from error
    return None


@dataclass
class _Session:
    """One call of :func:`download`: a host that is down is not waited for again for every file."""

    patience: Patience
    progress: Progress
    silent_hosts: set[str] = field(default_factory=set)

    def from_anywhere(self, file: RemoteFile, target: Path, reasons: dict[str, str]) -> Fetched | None:
        """From the first address that gives it; why another did not is noted in ``reasons``."""
        meter = _Meter(self.progress, file.path)
        for url in file.urls:
            host = urlsplit(url).netloc
            if host in self.silent_hosts:
                reasons[url] = "the server did not answer before"
                continue
            try:
                return self._from(url, file, target, meter)
            except TransferError as error:
                reasons[url] = str(error)
                self.silent_hosts |= {host} if error.unreachable else set()
        return None

    def _from(self, url: str, file: RemoteFile, target: Path, meter: _Meter) -> Fetched:
        """Pooch checks the hash and gives the file its name; the transfer is ours, since Pooch's does not resume."""
        part = target.with_name(f"{target.name}.part")
        resumed = False

        def downloader(url: str, output_file: str, _: object) -> None:
            nonlocal resumed
            resumed = transfer(url, part, kind=file.kind, patience=self.patience, report=meter.report)
            part.replace(output_file)
            part.with_name(f"{part.name}.json").unlink(missing_ok=True)

        expected = f"sha256:{file.sha256}" if file.sha256 else None
        try:
            with _quiet():
                _pooch().retrieve(url, expected, fname=target.name, path=target.parent, downloader=downloader)
        except InputError:
            raise
        except ValueError as error:
            raise TransferError("the file has another SHA-256 than the catalogue says") from error
        except OSError as error:
            raise InputError(f"{target}: cannot be written ({error.strerror}); choose another folder") from error
        action = "resumed" if resumed else "downloaded"
        return Fetched(target, action, url, target.stat().st_size, file.sha256 or _sha256(target))


def _sha256(path: Path) -> str:
    return str(_pooch().file_hash(str(path)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Pooch announces every file; that is for the caller to do."""
    logger = _pooch().get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _by_hand(name: str, folder: Path, wanted: int, failed: dict[RemoteFile, dict[str, str]]) -> str:
    head = (
        f"{name}: {len(failed)} of {wanted} files could not be fetched; run it again later, or get them by hand, "
        f"put them into {folder}, and run it again to have them checked:"
    )
    lines = [head]
    for file, reasons in failed.items():
        tried = "; ".join(f"{url} ({reason})" for url, reason in reasons.items())
        lines.append(f"  {folder / file.path} from {tried}")
    return "\n".join(lines)
