from __future__ import annotations

import gc
import hashlib
import json
import os
import time

import pytest
from refusals import refused

from comodal.data import cache
from comodal.data.cache import source_digests
from comodal.data.manifest import digest


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.pkl"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def counted(monkeypatch):
    """Files that were really read."""
    read = []
    monkeypatch.setattr(cache, "digest", lambda path: (read.append(path.name), digest(path))[1])
    return read


def settle(*paths):
    """As if they had been written an hour ago; the time of change of an inode cannot be set, so the clock is."""
    for path in paths:
        os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def later(monkeypatch):
    now = time.time
    monkeypatch.setattr(cache.time, "time", lambda: now() + 60)


def test_digest_is_that_of_the_content(file):
    assert digest(file) == sha256(b"one")
    assert source_digests([file]) == {"data.pkl": sha256(b"one")}


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_what_cannot_be_read(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    for call in (lambda: digest(path), lambda: source_digests([path])):
        with refused("cannot_read", path):
            call()


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "X.h5").write_text(name)
    found = source_digests([tmp_path / "a" / "X.h5", tmp_path / "b" / "X.h5"])
    assert found == {"a/X.h5": sha256(b"a"), "b/X.h5": sha256(b"b")}


@pytest.mark.usefixtures("later")
def test_a_file_is_read_once(file, tmp_path, counted):
    memory = tmp_path / "cache" / "digests.json"
    first = source_digests([file], memory=memory)
    assert source_digests([file], memory=memory) == first
    assert counted == ["data.pkl"]


def test_a_file_that_was_just_written_is_not_trusted_to_stay(file, tmp_path, counted):
    """It may change again within one tick of the clock of its times, and keep its size."""
    memory = tmp_path / "digests.json"
    source_digests([file], memory=memory)
    times = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source_digests([file], memory=memory) == {"data.pkl": sha256(b"two")}
    assert len(counted) == 2


@pytest.mark.usefixtures("later")
def test_content_of_the_same_size_and_time_is_seen(file, tmp_path):
    """As `cp -p` makes it."""
    settle(file)
    memory = tmp_path / "digests.json"
    source_digests([file], memory=memory)
    times = file.stat()
    time.sleep(0.02)  # a tick of the clock of the file system
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source_digests([file], memory=memory) == {"data.pkl": sha256(b"two")}


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": 1}', "\ud800", "[" * 100_000])
@pytest.mark.usefixtures("later")
def test_a_damaged_memory_is_made_again(file, tmp_path, content):
    memory = tmp_path / "digests.json"
    memory.write_bytes(content.encode("utf-8", "surrogatepass"))
    gc.collect()  # or files of other tests are closed at the bottom of the recursion, where there is no room for it
    assert source_digests([file], memory=memory) == {"data.pkl": sha256(b"one")}
    assert list(json.loads(memory.read_text()).values()) == [sha256(b"one")]


@pytest.mark.usefixtures("later")
def test_a_memory_that_cannot_be_kept_costs_time_only(file, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is needed")
    assert source_digests([file], memory=tmp_path / "taken" / "digests.json") == {"data.pkl": sha256(b"one")}


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with refused("cannot_read", "pipe"):
        digest(tmp_path / "pipe")
