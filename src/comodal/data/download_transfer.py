"""One address to one partial file: resumed where it broke off, tried again where that may help."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from comodal.contracts import InputError
from comodal.data.download_content import HEAD, problem_at_start, problem_of

__all__ = ["Patience", "Report", "TransferError", "transfer"]

Report = Callable[[int, "int | None"], None]
"""Told the bytes that are there so far, and how many it will be where the server says so."""

_CHUNK = 2**18
_LONGEST_WAIT = 60.0
_GAIN = 2**20
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Attributes:
        timeout: seconds without a byte.
        attempts: tries in a row that gain less than a megabyte.
        backoff: seconds before the second try, doubled before each further one.
    """

    timeout: float = 30.0
    attempts: int = 5
    backoff: float = 1.0


class TransferError(Exception):
    """An address did not give the file.

    Attributes:
        temporary: whether trying again may help.
        unreachable: whether the server did not answer at all.
    """

    def __init__(self, reason: str, *, temporary: bool = False, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.temporary = temporary
        self.unreachable = unreachable


def transfer(url: str, part: Path, *, kind: str, patience: Patience, report: Report) -> bool:
    """Fetch an address into a partial file.

    What an earlier call left there is continued if it came from the same address and the server says that the file
    has not changed since; otherwise it is fetched anew.

    Args:
        url: address.
        part: the partial file; beside it, a note says where its bytes are from.
        kind: what the content must be.
        patience: how long to wait and how often to try.
        report: told how far it is.

    Returns:
        Whether bytes of an earlier try were kept.

    Raises:
        TransferError: the address does not give the whole file; what came stays where it may be continued.
        InputError: the file cannot be written.
    """
    failures, resumed, farthest = 0, False, _size(part)
    while True:
        try:
            resumed |= _attempt(url, part, kind, patience.timeout, report)
        except TransferError as error:
            # Farther than ever, not than last time: a server without ranges begins anew each time.
            failures = 1 if _size(part) - farthest >= _GAIN else failures + 1
            farthest = max(farthest, _size(part))
            if not error.temporary or failures >= patience.attempts:
                raise
            time.sleep(min(patience.backoff * 2 ** (failures - 1), _LONGEST_WAIT))
        else:
            return resumed


def _attempt(url: str, part: Path, kind: str, timeout: float, report: Report) -> bool:
    have, note = _kept(url, part)
    start, total = have, note.get("total")
    done = have
    if not have or have != total:
        with _answer(url, have, note, timeout, part) as response:
            start, total = _span(response, have, note, part)
            stream = _Body(response)
            head = b"" if start else stream.exactly(HEAD)
            problem = "" if start else problem_at_start(head, kind)
            if problem:
                raise TransferError(problem)
            _remember(url, part, response, total)
            done = _receive(stream, head, part, (start, total), report)
    if total is not None and done < total:
        raise TransferError(f"the connection broke off at {done} of {total} bytes", temporary=True)
    problem = problem_of(part, kind) if total in (None, done) else f"more than the announced {total} bytes came"
    if problem:
        # Of unknown length, it may be whole the next time; of the length that was announced, it will not be.
        _forget(part)
        raise TransferError(problem, temporary=total is None)
    return start > 0


class _Body:
    """Bytes of an answer as they come, so that none is lost where the connection breaks off."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def some(self) -> bytes:
        try:
            found: bytes = self._response.read1(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransferError(f"the connection broke off ({_reason(error)})", temporary=True) from error
        return found

    def exactly(self, count: int) -> bytes:
        """That many bytes, fewer at the end."""
        found = b""
        while len(found) < count and (more := self.some()):
            found += more
        return found


def _receive(stream: _Body, head: bytes, part: Path, span: tuple[int, int | None], report: Report) -> int:
    done, total = span
    chunk = head
    with _opened(part, "ab" if done else "wb") as handle:
        report(done, total)
        while (total is None or done <= total) and (chunk or (chunk := stream.some())):
            _write(handle, chunk, part)
            done += len(chunk)
            report(done, total)
            chunk = b""
    return done


def _answer(url: str, have: int, note: dict[str, Any], timeout: float, part: Path) -> Any:
    """The open answer; compressed ones are not asked for, since ranges would count compressed bytes."""
    headers = {"User-Agent": "comodal", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        headers |= {"If-Range": note["validator"]} if note["validator"] else {}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the catalogue allows http(s) alone
        return urllib.request.urlopen(request, timeout=timeout)  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            _forget(part)
        temporary = error.code in _TEMPORARY or (error.code == 416 and have > 0)
        raise TransferError(f"the server answered {error.code} {error.reason}", temporary=temporary) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = f"the server did not answer ({_reason(error)})"
        raise TransferError(reason, temporary=True, unreachable=True) from error


def _span(response: Any, have: int, note: dict[str, Any], part: Path) -> tuple[int, int | None]:
    """First byte of the answer, and bytes of the whole file where known."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TransferError("the server compressed its answer")
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() and length.isascii() else None
    if response.status == 200:
        return 0, size
    if response.status != 206 or not have:
        raise TransferError(f"the server answered {response.status}")
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    whole = int(total) if total.isdecimal() and total.isascii() else None
    if not span.startswith(f"{have}-") or whole is None or note["total"] not in (None, whole):
        _forget(part)
        raise TransferError("the server continued with other bytes", temporary=True)
    return have, whole


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _kept(url: str, part: Path) -> tuple[int, dict[str, Any]]:
    """Bytes that may be continued, and what is known of them."""
    try:
        note: dict[str, Any] = json.loads(_note(part).read_text(encoding="utf-8"))
        known = isinstance(note["validator"], str) and isinstance(note["total"], int | None)
        have = part.stat().st_size if known and note["url"] == url and (note["validator"] or note["total"]) else 0
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0, {}
    return (have, note) if have else (0, {})


def _remember(url: str, part: Path, response: Any, total: int | None) -> None:
    tag = response.headers.get("ETag", "")
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
    text = json.dumps({"url": url, "validator": validator, "total": total})
    with _opened(_note(part), "wb") as handle:
        _write(handle, text.encode(), _note(part))


def _forget(part: Path) -> None:
    for path in (part, _note(part)):
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _opened(path: Path, mode: str) -> BinaryIO:
    try:
        return path.open(mode)  # type: ignore[return-value]
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({_reason(error)}); choose another folder") from error


def _write(handle: BinaryIO, content: bytes, path: Path) -> None:
    try:
        handle.write(content)
        handle.flush()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({_reason(error)}); make room and run it again") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
