"""A conversion of a single file that is killed at any moment leaves nothing or the whole set, and can be repeated.

Run as ``python test_killed_conversion.py FILE FOLDER [plain]`` it converts the file in a forked process for every
moment, and prints what each left behind; with ``plain`` it writes straight into the folder, as nobody should.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodal.cli import data_commands, main  # noqa: F401 - imported once, before the processes are forked
from comodal.data import cache, folds, load, store  # noqa: F401

CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}
RANDOM_MOMENTS = 10
SPLITS = ("train", "valid", "test")


def convert(file: Path, folder: Path) -> None:
    """Convert in this process, and end it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os._exit(main(["data", "convert", str(file), str(folder)]))


def killed_before(event: int, file: Path, folder: Path) -> bool:
    """Convert in a process that is killed before it opens, makes, renames or removes something for the n-th time."""
    if (process := os.fork()) == 0:
        seen = itertools.count(1)

        def hook(name: str, arguments: tuple[Any, ...]) -> None:
            if name in CHANGES and str(folder.parent) in str(arguments[0]) and next(seen) == event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        convert(file, folder)
    status = os.waitpid(process, 0)[1]
    assert status in {0, signal.SIGKILL}, "neither converted nor killed"
    return status != 0


def killed_after(seconds: float, file: Path, folder: Path) -> None:
    """Convert in a process that is killed after some time, if it still runs."""
    if (process := os.fork()) == 0:
        convert(file, folder)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def state(folder: Path) -> dict[str, str]:
    """Return the files of a folder and the digest of each."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@contextlib.contextmanager
def plain_folder(folder: Path) -> Iterator[Path]:
    """Make a folder, as `atomic_folder` does not."""
    folder.mkdir()
    yield folder


def at_every_moment(file: Path, folder: Path) -> dict[str, Any]:
    """Return how often a killed conversion left nothing, the whole set or a part, and what it left when not killed."""
    whole, found = folder.with_name("whole"), {"nothing": 0, "whole": 0, "part": 0}
    started = time.monotonic()
    assert not killed_before(0, file, whole)
    duration, wanted = time.monotonic() - started, state(whole)

    def count() -> None:
        left = state(folder) if folder.exists() else None
        found["nothing" if left is None else "whole" if left == wanted else "part"] += 1
        shutil.rmtree(folder, ignore_errors=True)

    events = 0
    while killed_before(events + 1, file, folder):
        events += 1
        count()
    shutil.rmtree(folder, ignore_errors=True)
    for _ in range(RANDOM_MOMENTS):
        killed_after(random.Random().uniform(0.0, 1.2 * duration), file, folder)
        count()
    again = not killed_before(0, file, folder) and state(folder) == wanted
    return {**found, "events": events, "again": again, "files": list(wanted)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Thirty samples in one file."""
    from pickle_files import write_pickle

    rng = np.random.default_rng(0)
    path = tmp_path / "samples.pkl"
    parts = {name: {"audio": rng.normal(size=(10, 4, 3)), "text": rng.normal(size=(10, 4, 2))} for name in SPLITS}
    write_pickle(path, {name: {**part, "labels": rng.uniform(-3, 3, size=(10, 1, 1))} for name, part in parts.items()})
    return path


def outcome(file: Path, folder: Path, *more: str) -> dict[str, Any]:
    folder.parent.mkdir()
    command = [sys.executable, __file__, str(file), str(folder), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_a_killed_conversion_leaves_nothing_or_the_whole_set(file: Path, tmp_path: Path) -> None:
    found = outcome(file, tmp_path / "sets" / "mine")
    assert found["part"] == 0
    assert found["events"] > len(found["files"]) >= 3
    assert found["nothing"] >= found["events"] - 1
    assert found["again"]


@pytest.mark.slow
def test_a_conversion_straight_into_the_folder_is_caught(file: Path, tmp_path: Path) -> None:
    assert outcome(file, tmp_path / "sets" / "mine", "plain")["part"] > 0


if __name__ == "__main__":
    if sys.argv[3:] == ["plain"]:
        store.atomic_folder = plain_folder
    print(json.dumps(at_every_moment(Path(sys.argv[1]), Path(sys.argv[2]))))
