"""The child process that reads damaged files: one case after another, so that whatever it does harms nobody else.

Replay one case, and keep its files, with ``python tests/support/fuzz_worker.py FORMAT CASE CASE+1 FOLDER``.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

from format_samples import FORMAT_SAMPLES
from mutations import mutated

from comodal.contracts import InputError

MOST_GROWTH = 400 * 2**20
"""Bytes that reading a few kilobytes may take at most, on top of what the libraries take."""

MOST_ADDRESSED = 1500 * 2**20
"""Bytes that it may ask for at most, whether it uses them or not."""

LONGEST_MESSAGE = 1500


class Sample:
    """The files that a writer makes, by their names from its folder, and what reading them gives."""

    def __init__(self, write, folder):
        folder.mkdir(parents=True)
        self.opened = write(folder).relative_to(folder)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def lay(files, folder):
    """Write files; also what lies in the place of one and is none."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content == "folder":
            path.mkdir()
        elif content == "link":
            path.symlink_to(folder / "nowhere")
        elif content == "pipe":
            os.mkfifo(path)


def verdict(read, path, folder, exact):
    """What came of a file: ``read``, ``refused``, or what is wrong with the reader, and the particulars."""
    try:
        found = read(folder / "files" / path, folder / "scratch")
    except InputError as error:
        return refusal(error, folder)
    except BaseException as error:  # whatever it is, it is what is looked for
        return f"raised {type(error).__name__}", str(error)
    return ("read", "") if found[: len(exact)] == exact else ("read something else", "it was cut or has checksums")


def refusal(error, folder):
    """A refusal has to be one line that names the file and a remedy, and not to hide that memory ran out."""
    text = str(error)
    causes, cause = [], error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(each, MemoryError) for each in causes) or re.search("allocate|emory is short", text):
        return "memory", f"refused only where memory ended: {text}"
    if not text.isprintable() or len(text) > LONGEST_MESSAGE + len(str(folder)):
        return "refused badly", f"not one short printable line: {text[:LONGEST_MESSAGE]!r}"
    if str(folder) not in text or not re.search("; .|: give |did you mean", text):
        return "refused badly", f"names no file or no remedy: {text}"
    return "refused", text


def status(field):
    """A field of this process in bytes, 0 where the system does not tell."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"{field}:\s+(\d+) kB", text)
    return int(found[1]) * 1024 if found else 0


def limit_memory():
    """What asks for far too much gets a MemoryError rather than the machine's last page."""
    import resource

    most = status("VmData") + MOST_ADDRESSED
    if status("VmData"):
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


class Campaign:
    """The cases of one format.

    Args:
        name: of the format.
        root: a folder for the files.
        reader: ``module:function`` of what takes a path and an empty folder.
        keep: leave the files of every case where they are.
    """

    def __init__(self, name, root, reader, *, keep):
        module, _, function = reader.partition(":")
        self.name, self.root, self.keep = name, root, keep
        self.read = getattr(importlib.import_module(module), function)
        samples = {
            other: [Sample(write, root / "samples" / other / str(k)) for k, write in enumerate(writers)]
            for other, writers in FORMAT_SAMPLES.items()
        }
        self.samples = samples.pop(name)
        self.foreign = [data for each in samples.values() for sample in each for data in sample.files.values()]
        for k, sample in enumerate(self.samples):
            lay(sample.files, root / f"whole{k}")
            (root / f"scratch{k}").mkdir()
            sample.content = self.read(root / f"whole{k}" / sample.opened, root / f"scratch{k}")

    def case(self, number):
        """Kind, file, verdict and particulars of one case."""
        sample = self.samples[number % len(self.samples)]
        done = mutated(sample.files, self.foreign, self.name, number // len(self.samples))
        folder = self.root / str(number)
        lay(done.files, folder / "files")
        (folder / "scratch").mkdir()
        opened = sample.opened if number % 5 or isinstance(done.files[done.file], str) else Path(done.file)
        exact = sample.content[: certain(done, sample.files) if opened == sample.opened else 0]
        found = verdict(self.read, opened, folder, exact)
        if not self.keep:
            shutil.rmtree(folder)
        return done.kind, done.file, *found


def certain(done, whole):
    """How much of the content is as in the original if anything is read, as the end of a slice: ``None`` for all.

    A file that lacks its end has to be seen as such; of a CSV at least the rows. Archives and converted data sets have
    checksums of everything.
    """
    if "set/dataset.json" in whole:
        return 0 if (done.kind, done.file) == ("wrong file", "set/dataset.json") else None
    if done.kind in ("cut", "emptied"):
        return _IDS if done.file.endswith(".csv") else None
    sealed = done.file.endswith(".npz") and whole[done.file][:2] == b"PK" and done.kind not in _RESEALED
    return None if sealed else 0


_IDS = 1
"""What :func:`whole_reading.contents` begins with."""

_RESEALED = ("rebuilt", "wrong file", "swapped")


def main(name, first, last, folder, *options):
    """Run some cases, and tell of each before and after on standard output."""
    reader, keep = options or ("whole_reading:read", "keep")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints shall not pass for an answer
    os.fsync = lambda _: None  # the disk is not what is tried
    campaign = Campaign(name, Path(folder), reader, keep=keep == "keep")
    warnings.simplefilter("error")
    limit_memory()
    before = status("VmHWM")
    print(json.dumps(["ready"]), file=out)
    for number in range(int(first), int(last)):
        print(json.dumps(["begun", number]), file=out)
        found = list(campaign.case(number))
        grown = status("VmHWM") - before
        if grown > MOST_GROWTH:
            found[2:] = "memory", f"grew by {grown >> 20} MiB"
        print(json.dumps(["done", number, *found]), file=out)
        if grown > MOST_GROWTH:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
