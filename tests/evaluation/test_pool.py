"""Workers do not outlive the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from comodal.evaluation.pool import run_each

pytestmark = pytest.mark.slow

DEADLINE = 60.0


def endless(folder: str) -> None:
    """Work that tells which process does it and has no end."""
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(10 * DEADLINE)


def alive(pid: int) -> bool:
    """Whether a process is there and is more than an entry that nobody has asked for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks Linux which processes there are")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_workers_end_with_the_process_that_started_them(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, __file__, str(tmp_path)])
    workers: list[int] = []
    try:
        until = time.monotonic() + DEADLINE
        while len(workers) < 2:
            assert process.poll() is None
            assert time.monotonic() < until, "no workers in time"
            time.sleep(0.05)
            workers = [int(each.name) for each in tmp_path.iterdir()]
        assert all(map(alive, workers)), "the check below would pass on workers that never were"
        process.send_signal(number)
        process.wait(DEADLINE)
        while any(map(alive, workers)):
            assert time.monotonic() < until + DEADLINE, "a worker is still there"
            time.sleep(0.05)
    finally:
        process.kill()
        for pid in filter(alive, workers):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    list(run_each(endless, [sys.argv[1]] * 2, 2))
