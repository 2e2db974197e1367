"""A campaign of damaged files against one reader, in a child process that may crash, hang or eat memory."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple

WORKER = Path(__file__).with_name("fuzz_worker.py")
GOOD = ("read", "refused")
_START_UP = 300.0
_MOST_FAULTS = 10


class Outcome(NamedTuple):
    """What came of a case: ``verdict`` is one of :data:`GOOD`, or says what is wrong with the reader."""

    case: int
    kind: str
    file: str
    verdict: str
    detail: str


class Child:
    """A worker with some cases to do.

    Args:
        name: of the format.
        cases: numbers, in a row.
        folder: for its files; it is made.
        reader: ``module:function``.
    """

    def __init__(self, name, cases, folder, reader):
        command = [sys.executable, str(WORKER), name, str(cases.start), str(cases.stop), str(folder), reader, "remove"]
        self._errors = folder.with_suffix(".txt")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, env={**os.environ, "OMP_NUM_THREADS": "1"}
            )
        self._lines = queue.Queue()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self):
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def answer(self, patience):
        """The next line, ``None`` where it ended, ``"late"`` where nothing came for so many seconds."""
        try:
            return self._lines.get(timeout=patience)
        except queue.Empty:
            return "late"

    def end(self, patience):
        """Its exit status and the end of what it wrote as errors; one that does not end within some seconds is killed.

        That of one that was told to end by nobody says what ended it, so that it is waited for first.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        self._thread.join()
        self._process.stdout.close()
        return self._process.wait(), self._errors.read_text(errors="replace")[-2000:]


def campaign(name, cases, *, folder, reader="whole_reading:read", patience=30.0):
    """Run cases of a format; after a fault of the worker the next one goes on behind it.

    Args:
        name: of the format.
        cases: their numbers, a range of step 1.
        folder: for the files.
        reader: ``module:function`` of what takes a path and an empty folder.
        patience: seconds after which a case hangs.

    Returns:
        One outcome a case; fewer where too many went wrong to go on.
    """
    outcomes, first, children = [], cases.start, 0
    while first < cases.stop and children <= _MOST_FAULTS:
        children += 1
        outcomes += _one_child(name, range(first, cases.stop), folder / f"child{children}", reader, patience)
        first = outcomes[-1].case + 1
    return outcomes


def _one_child(name, cases, folder, reader, patience):
    """Outcomes up to the end of the child, its fault included."""
    child, outcomes, running = Child(name, cases, folder, reader), [], None
    wait = _START_UP
    while isinstance(answer := child.answer(wait), list):
        wait = patience
        if answer[0] == "begun":
            running = answer[1]
        elif answer[0] == "done":
            outcomes.append(Outcome(*answer[1:]))
            running = None
    code, errors = child.end(0 if answer == "late" else patience)
    fault = f"killed by signal {-code}" if code < 0 else f"ended with status {code}"
    fault = f"hung for {wait:g} s" if answer == "late" else fault
    if running is not None:
        return [*outcomes, Outcome(running, "", "", fault, errors)]
    if not outcomes:
        raise RuntimeError(f"the worker {fault} before its first case: {errors}")
    return outcomes


def report(name, outcomes):
    """Every fault with how to replay it, and what came of the rest."""
    lines = []
    for each in outcomes:
        if each.verdict not in GOOD:
            what = f"{each.file} {each.kind}" if each.file else "a replay tells the file"
            lines += [
                f"{name}, case {each.case} ({what}): {each.verdict}: {each.detail}",
                f"  replay: python tests/support/{WORKER.name} {name} {each.case} {each.case + 1} FOLDER",
            ]
    return "\n".join([*lines, f"{name}: {dict(Counter(each.verdict for each in outcomes))}"])
