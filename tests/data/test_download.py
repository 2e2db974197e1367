"""Downloads from a server on loopback that does everything servers do to those who need a file."""

from __future__ import annotations

import hashlib
import importlib
import shlex
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
import yaml
from loopback import lengthless, status, whole
from refusals import refused

from comodal.contracts import InputError
from comodal.data.download import download

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>" * 20
FILE = {"path": "a.csd"}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A computational sequence of 80 kB."""
    path = tmp_path_factory.mktemp("hdf5") / "x.csd"
    with h5py.File(path, "w") as file:
        file["words/data/video/features"] = np.random.default_rng(0).normal(size=(100, 100))
    return path.read_bytes()


@pytest.fixture
def fetch(server, tmp_path):
    """Downloads the files of a catalogue written for the test, below ``tmp_path / "to"``."""

    def call(*files, locations=None, **options):
        entry = {"locations": [server.base] if locations is None else locations, "files": list(files)}
        catalog = tmp_path / f"catalog-{threading.get_ident()}.yaml"  # two calls at once must not write one file
        catalog.write_text(yaml.safe_dump({"toy": entry}))
        return download("toy", tmp_path / "to", **{"catalog": catalog, "timeout": 0.5, "waits": (0.001,), **options})

    return call


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "to").iterdir() if path.name != ".lock")


def test_a_file_is_fetched_once_and_then_kept(server, fetch, content, tmp_path):
    server.acts["/a.csd"] = [whole(content)]
    (first,) = fetch(FILE)
    assert first.path == tmp_path / "to" / "a.csd"
    assert first.path.read_bytes() == content
    assert (first.action, first.url, first.size) == ("downloaded", f"{server.base}/a.csd", len(content))
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    (second,) = fetch(FILE)
    assert (second.action, second.url) == ("kept", "")
    assert server.asked == ["/a.csd"]
    assert left(tmp_path) == ["a.csd"]


def test_a_display_has_one_bar_per_file_and_ends_at_its_size(server, fetch, content):
    bars, sums = [], {}

    def begin(name, total):
        bars.append((name, total))
        return lambda count: sums.update({name: sums.get(name, 0) + count})

    server.acts = {"/a.csd": [whole(content)], "/b.csd": [whole(content)]}
    fetch(FILE, {"path": "b.csd"}, progress=begin)
    assert bars == [("a.csd", len(content)), ("b.csd", len(content))]
    assert sums == {"a.csd": len(content), "b.csd": len(content)}


def test_a_known_hash_decides(server, fetch, content, tmp_path):
    known = {**FILE, "sha256": hashlib.sha256(content).hexdigest()}
    changed = content[:-1] + b"?"
    server.acts["/a.csd"] = [whole(changed), whole(content)]
    with refused_files("SHA256"):
        fetch(known)
    assert left(tmp_path) == []
    assert [each.action for each in fetch(known) + fetch(known)] == ["downloaded", "kept"]
    (tmp_path / "to" / "a.csd").write_bytes(changed)
    assert fetch(known)[0].action == "downloaded"
    assert left(tmp_path) == ["a.csd", "a.csd.unusable"]
    assert (tmp_path / "to" / "a.csd").read_bytes() == content


class refused_files:
    """As `refused`, for the one error of several lines: a command per file and address."""

    def __init__(self, *named):
        self.named, self.lines = named, []

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert isinstance(error, InputError)
        assert error.code == "unavailable"
        self.lines = str(error).splitlines()
        assert all(name in str(error) for name in self.named), str(error)
        return True


@pytest.mark.parametrize("first", [status(403), status(404), whole(PAGE)], ids=["403", "404", "page"])
def test_the_next_location_is_asked(server, fetch, content, first):
    server.acts = {"/1/a.csd": [first], "/2/a.csd": [whole(content)]}
    (done,) = fetch(FILE, locations=[f"{server.base}/1", f"{server.base}/2/"])
    assert server.asked == ["/1/a.csd", "/2/a.csd"]
    assert done.path.read_bytes() == content


def test_an_overloaded_server_is_asked_again(server, fetch, content):
    server.acts["/a.csd"] = [status(500), status(503), whole(content)]
    assert fetch(FILE, waits=(0.001, 0.001))[0].path.read_bytes() == content
    server.acts["/b.csd"] = [status(500)]
    with refused_files("500"):
        fetch({"path": "b.csd"})
    assert server.asked[-2:] == ["/b.csd", "/b.csd"]


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (whole(PAGE), "hdf5"),
        (whole(PAGE), "text"),
        (whole(b""), "hdf5"),
        (whole(b" \n"), "text"),
        (whole(b"a\0b"), "text"),
        (whole(b"abcdef", send=3), "text"),
    ],
)
def test_what_is_not_the_file_gets_no_name(server, fetch, tmp_path, act, kind):
    server.acts["/a.csd"] = [act]
    with refused_files("a.csd"):
        fetch({**FILE, "kind": kind})
    assert left(tmp_path) == []


def test_a_truncated_body_gets_no_name(server, fetch, content, tmp_path):
    """Less than announced; less than the file itself states; the same without any announcement."""
    for act in (whole(content, send=-1), whole(content[:-1]), lengthless(content[:-1])):
        server.acts["/a.csd"] = [act]
        with refused_files("a.csd"):
            fetch(FILE)
        assert left(tmp_path) == []
    server.acts["/a.csd"] = [lengthless(content)]
    assert fetch(FILE)[0].path.read_bytes() == content


def test_a_part_that_was_left_is_not_taken_for_the_file(server, fetch, content, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.csd.part").write_bytes(content[:100])
    server.acts["/a.csd"] = [whole(content)]
    assert fetch(FILE)[0].path.read_bytes() == content
    assert left(tmp_path) == ["a.csd"]


def test_a_silent_server_is_waited_for_once(server, fetch, content):
    """It takes the connection and answers nothing; the files after the first do not wait for it again."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=16)
    locations = [f"http://127.0.0.1:{silent.getsockname()[1]}", server.base]
    server.acts = {"/a.csd": [whole(content)], "/b.csd": [whole(content)]}
    with silent:
        done = fetch(FILE, {"path": "b.csd"}, locations=locations, timeout=0.1)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert [each.action for each in done] == ["downloaded"] * 2


def test_when_every_location_fails_the_error_lists_commands(server, fetch, content, tmp_path):
    server.acts = {"/a.csd": [whole(content)], "/labels/b.csd": [status(403)], "/c.csd": [whole(PAGE)]}
    files = [FILE, {"path": "b.csd", "at": "labels/b.csd", "locations": [f"{server.base}/else"]}, {"path": "c.csd"}]
    with refused_files("2 of 3") as caught:
        fetch(*files)
    to = tmp_path / "to"
    commands = [shlex.split(line, comments=True) for line in caught.lines[1:]]
    expected = [("b.csd", "labels/b.csd"), ("b.csd", "else"), ("c.csd", "c.csd")]
    assert commands == [
        ["curl", "-fL", "-C", "-", "-o", str(to / name), f"{server.base}/{below}"] for name, below in expected
    ]
    assert "403" in caught.lines[1]
    assert "404" in caught.lines[2]
    assert left(tmp_path) == ["a.csd"]
    (to / "b.csd").write_bytes(content)
    (to / "c.csd").write_bytes(content)
    assert [each.action for each in fetch(*files)] == ["kept"] * 3


def test_some_files_alone(server, fetch, content, tmp_path):
    server.acts = {f"/{name}": [whole(content)] for name in ("a.csd", "b.csd", "sub/c.csd")}
    files = [FILE, {"path": "b.csd"}, {"path": "sub/c.csd"}]
    assert [each.path.name for each in fetch(*files, only=["b*", "sub/*"])] == ["b.csd", "c.csd"]
    assert (tmp_path / "to" / "sub" / "c.csd").is_file()
    with refused("unknown_name", "b.cds", "b.csd"):
        fetch(*files, only=["b.cds"])


def test_places_that_cannot_be_written(server, fetch, content, tmp_path):
    server.acts = {"/a.csd": [whole(content)], "/sub/a.csd": [whole(content)]}
    to, outside = tmp_path / "to", tmp_path / "outside"
    to.write_text("a file")
    with refused("cannot_write", to):
        fetch(FILE)
    to.unlink()
    outside.mkdir()
    (to / "a.csd").mkdir(parents=True)
    with refused("exists", to / "a.csd"):
        fetch(FILE)
    (to / "a.csd.part").mkdir()
    (to / "a.csd").rmdir()
    with refused("cannot_write", to / "a.csd"):
        fetch(FILE)
    (to / "sub").symlink_to(outside)
    with refused("unsafe", to / "sub" / "a.csd"):
        fetch({"path": "sub/a.csd"})
    assert list(outside.iterdir()) == []
    (to / ".lock").unlink()
    (to / ".lock").mkdir()
    with refused("cannot_write", to):
        fetch(FILE)


def test_unknown_names_and_a_missing_pooch(fetch, tmp_path, monkeypatch):
    with refused("unknown_name", "mosie", "mosi"):
        download("mosie", tmp_path)

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with refused("needs_package", "pooch"):
        fetch(FILE)


def test_a_second_download_waits_and_keeps_what_the_first_fetched(server, fetch, content):
    answering = threading.Event()

    def answered(handler):
        answering.wait(20)
        whole(content)(handler)

    server.acts["/a.csd"] = [answered]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(fetch, FILE, timeout=30) for _ in range(2)]
        while not server.asked:
            time.sleep(0.01)
        answering.set()
        assert sorted(each.result()[0].action for each in both) == ["downloaded", "kept"]
    assert server.asked == ["/a.csd"]
