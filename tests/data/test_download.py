"""Downloads from a server on loopback that does everything servers do to those who need a file."""

from __future__ import annotations

import hashlib
import importlib
import json
import socket

import h5py
import numpy as np
import pytest
import yaml
from loopback import answer, chunked, lengthless, ranged, status, whole

from comodal.contracts import InputError
from comodal.data.download import download
from comodal.data.download_transfer import Patience

QUICK = Patience(timeout=0.3, attempts=3, backoff=0.001)
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>" * 20


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A computational sequence of 80 kB."""
    path = tmp_path_factory.mktemp("hdf5") / "x.csd"
    with h5py.File(path, "w") as file:
        file["words/data/video/features"] = np.random.default_rng(0).normal(size=(100, 100))
    return path.read_bytes()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetches the files of a catalogue written for the test, below ``tmp_path / "to"``."""

    def call(*files, locations=None, **options):
        entry = {"locations": [server.base] if locations is None else locations, "files": list(files)}
        catalog = tmp_path / "catalog.yaml"
        catalog.write_text(yaml.safe_dump({"toy": entry}))
        return download("toy", tmp_path / "to", **{"catalog": catalog, "patience": QUICK, **options})

    call.left = lambda: left(tmp_path)
    return call


FILE = {"path": "a.csd"}


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "to").iterdir() if path.name != ".lock")


def test_a_file_is_fetched_once_and_then_kept(server, fetch, content, tmp_path):
    server.acts["/a.csd"] = [whole(content)]
    (first,) = fetch(FILE)
    assert first.path == tmp_path / "to" / "a.csd"
    assert first.path.read_bytes() == content
    assert (first.action, first.url, first.size) == ("downloaded", f"{server.base}/a.csd", len(content))
    assert first.sha256 == hashlib.sha256(content).hexdigest()
    assert str(first) == f"{first.path}: downloaded from {first.url}, {first.size} bytes, sha256 {first.sha256}"
    (second,) = fetch(FILE)
    assert (second.action, second.url) == ("kept", "")
    assert str(second) == f"{second.path}: kept"
    assert len(server.asked) == 1
    assert left(tmp_path) == ["a.csd"]


def test_a_display_has_one_bar_a_file_and_ends_at_its_size(server, fetch, content):
    """Also where a transfer begins anew."""
    bars, sums = [], {}

    def begin(name, total):
        bars.append((name, total))
        return lambda count: sums.update({name: sums.get(name, 0) + count})

    server.acts = {
        "/a.csd": [whole(content, send=30_000), whole(content)],
        "/b.csd": [ranged(content, send=9), ranged(content)],
    }
    fetch(FILE, {"path": "b.csd"}, progress=begin)
    assert bars == [("a.csd", len(content)), ("b.csd", len(content))]
    assert sums == {"a.csd": len(content), "b.csd": len(content)}


def test_a_known_hash_decides(server, fetch, content, tmp_path):
    known = {**FILE, "sha256": hashlib.sha256(content).hexdigest()}
    changed = content[:-1] + b"?"
    server.acts["/a.csd"] = [whole(changed), whole(content)]
    with pytest.raises(InputError, match="another SHA-256"):
        fetch(known)
    assert left(tmp_path) == []
    assert [each.action for each in fetch(known) + fetch(known)] == ["downloaded", "kept"]
    (tmp_path / "to" / "a.csd").write_bytes(changed)
    assert fetch(known)[0].action == "downloaded"
    assert left(tmp_path) == ["a.csd", "a.csd.unusable"]
    assert (tmp_path / "to" / "a.csd").read_bytes() == content


def test_a_wrong_hash_goes_on_to_the_next_location(server, fetch, content):
    known = {**FILE, "sha256": hashlib.sha256(content).hexdigest()}
    server.acts = {"/1/a.csd": [whole(content[:-1] + b"?")], "/2/a.csd": [whole(content)]}
    (done,) = fetch(known, locations=[f"{server.base}/1", f"{server.base}/2/"])
    assert done.url.endswith("/2/a.csd")
    assert done.path.read_bytes() == content


def test_dropped_connections_are_resumed(server, fetch, content):
    server.acts["/a.csd"] = [ranged(content, send=30_000), ranged(content, send=20_000), ranged(content)]
    (done,) = fetch(FILE)
    assert (done.action, done.path.read_bytes()) == ("resumed", content)
    assert server.ranges() == [None, "bytes=30000-", "bytes=50000-"]
    assert server.asked[1][2] == '"one"'


def test_a_later_call_resumes(server, fetch, content, tmp_path):
    server.acts["/a.csd"] = [ranged(content, send=30_000), status(503)]
    with pytest.raises(InputError, match="503"):
        fetch(FILE)
    assert left(tmp_path) == ["a.csd.part", "a.csd.part.json"]
    server.acts["/a.csd"] = [ranged(content)]
    (done,) = fetch(FILE)
    assert (done.action, done.path.read_bytes()) == ("resumed", content)
    assert server.ranges()[-1] == "bytes=30000-"
    assert left(tmp_path) == ["a.csd"]


def test_a_part_that_is_whole_is_not_fetched_again(server, fetch, content, tmp_path):
    """A kill between the last byte and the new name."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.csd.part").write_bytes(content)
    note = {"url": f"{server.base}/a.csd", "validator": "", "total": len(content)}
    (tmp_path / "to" / "a.csd.part.json").write_text(json.dumps(note))
    assert fetch(FILE)[0].path.read_bytes() == content
    assert server.asked == []


def test_a_file_that_changed_is_not_glued_to_its_old_beginning(server, fetch, content):
    other = content[:-100] + b"x" * 100
    server.acts["/a.csd"] = [ranged(content, send=30_000), ranged(other, tag='"two"')]
    (done,) = fetch(FILE)
    assert (done.action, done.path.read_bytes()) == ("downloaded", other)


def test_without_a_tag_the_length_must_agree(server, fetch, content):
    server.acts["/a.csd"] = [ranged(content, tag="", send=30_000), ranged(content + b"longer", tag="")]
    (done,) = fetch(FILE)
    assert done.path.read_bytes() == content + b"longer"
    assert server.ranges() == [None, "bytes=30000-", None]


def test_a_part_from_another_address_is_not_continued(server, fetch, content):
    server.acts = {"/1/a.csd": [ranged(content, send=30_000)], "/2/a.csd": [ranged(content)]}
    once = Patience(timeout=0.3, attempts=1)
    (done,) = fetch(FILE, locations=[f"{server.base}/1", f"{server.base}/2"], patience=once)
    assert (done.action, done.path.read_bytes()) == ("downloaded", content)
    assert server.ranges() == [None, None]


@pytest.mark.parametrize("note", [b"", b"[]", b"{", b'{"url": 1}', b'{"url": "u", "validator": 3, "total": "x"}'])
def test_a_part_without_a_sound_note_is_not_continued(server, fetch, content, tmp_path, note):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.csd.part").write_bytes(b"something else")
    (tmp_path / "to" / "a.csd.part.json").write_bytes(note)
    server.acts["/a.csd"] = [ranged(content)]
    assert fetch(FILE)[0].path.read_bytes() == content


def test_servers_that_ignore_ranges_are_read_anew(server, fetch, content):
    server.acts["/a.csd"] = [whole(content, send=30_000), whole(content)]
    (done,) = fetch(FILE)
    assert (done.action, done.path.read_bytes()) == ("downloaded", content)


def test_a_range_that_cannot_be_is_read_anew(server, fetch, content):
    server.acts["/a.csd"] = [ranged(content, send=30_000), status(416), ranged(content)]
    assert fetch(FILE)[0].path.read_bytes() == content
    assert server.ranges() == [None, "bytes=30000-", None]


def test_other_bytes_than_those_asked_for_are_not_taken(server, fetch, content):
    def elsewhere(handler):
        answer(handler, 206, content[:100], {"Content-Length": 100, "Content-Range": f"bytes 0-99/{len(content)}"})

    server.acts["/a.csd"] = [ranged(content, send=30_000), elsewhere, ranged(content)]
    assert fetch(FILE)[0].path.read_bytes() == content


def test_more_bytes_than_announced_are_not_taken(server, fetch, content, tmp_path):
    def too_many(handler):
        start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        fields = {"Content-Length": len(content), "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        answer(handler, 206, content, fields)

    server.acts["/a.csd"] = [ranged(content, send=30_000), too_many]
    with pytest.raises(InputError, match="more than the announced"):
        fetch(FILE)
    assert left(tmp_path) == []


def test_an_overloaded_server_is_asked_again(server, fetch, content):
    server.acts["/a.csd"] = [status(500), status(503), whole(content)]
    assert fetch(FILE)[0].path.read_bytes() == content


def test_patience_ends(server, fetch):
    server.acts["/a.csd"] = [status(500)]
    with pytest.raises(InputError, match="the server answered 500"):
        fetch(FILE)
    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_refusal_is_not_asked_again_and_the_next_location_is(server, fetch, content, code):
    server.acts = {"/1/a.csd": [status(code)], "/2/a.csd": [whole(content)]}
    (done,) = fetch(FILE, locations=[f"{server.base}/1", f"{server.base}/2"])
    assert [path for path, _, _ in server.asked] == ["/1/a.csd", "/2/a.csd"]
    assert done.path.read_bytes() == content


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (PAGE, "hdf5", "a web page came"),
        (b"\xef\xbb\xbf\n " + PAGE, "text", "a web page came"),
        (b"PK\x03\x04" + bytes(200), "hdf5", "no HDF5 file"),
        (b"", "hdf5", "an empty file"),
        (b"  \n", "text", "an empty file"),
        (b"\x89HDF\r\n\x1a\n", "hdf5", "cut short"),
        (b"a\0b", "text", "no text"),
    ],
)
def test_a_page_with_status_200_is_no_file(server, fetch, body, kind, message):
    server.acts["/a.csd"] = [whole(body)]
    with pytest.raises(InputError, match=message):
        fetch({**FILE, "kind": kind})
    assert fetch.left() == []


def test_a_page_does_not_spoil_what_came_before(server, fetch, content):
    server.acts["/a.csd"] = [ranged(content, send=30_000), whole(PAGE)]
    with pytest.raises(InputError, match="a web page came"):
        fetch(FILE)
    server.acts["/a.csd"] = [ranged(content)]
    assert fetch(FILE)[0].action == "resumed"


def test_a_truncated_body_is_no_file(server, fetch, content, tmp_path):
    """Less than announced; less than the file itself says, announced as whole; the same without any announcement."""
    for act in (whole(content, send=-1), whole(content[:-1]), lengthless(content[:-1]), chunked(content, end=False)):
        server.acts["/a.csd"] = [act]
        with pytest.raises(InputError, match=r"broke off|cut short"):
            fetch(FILE)
        assert "a.csd" not in left(tmp_path)


def test_answers_without_a_length_are_read_to_their_end(server, fetch, content, tmp_path):
    for act in (lengthless(content), chunked(content)):
        server.acts["/a.csd"] = [act]
        assert fetch(FILE)[0].path.read_bytes() == content
        (tmp_path / "to" / "a.csd").unlink()


def test_compressed_answers_are_refused(server, fetch, content):
    server.acts["/a.csd"] = [whole(content, **{"Content-Encoding": "gzip"})]
    with pytest.raises(InputError, match="compressed its answer"):
        fetch(FILE)


def accepted(listening):
    """Connections that were waiting for an answer."""
    while True:
        try:
            connection, address = listening.accept()
        except BlockingIOError:
            return
        connection.close()
        yield address


def test_a_silent_server_is_waited_for_once(server, fetch, content):
    """It takes the connection and says nothing; the files after the first do not wait for it again."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=16)
    locations = [f"http://127.0.0.1:{silent.getsockname()[1]}", server.base]
    server.acts = {"/a.csd": [whole(content)], "/b.csd": [whole(content)]}
    connections = Patience(timeout=0.1, attempts=2, backoff=0.001)
    with silent:
        done = fetch(FILE, {"path": "b.csd"}, locations=locations, patience=connections)
        silent.setblocking(False)
        taken = list(accepted(silent))
    assert [each.action for each in done] == ["downloaded"] * 2
    assert len(taken) == connections.attempts


def test_a_server_that_stops_in_the_middle_is_resumed(server, fetch, content):
    def stalls(handler):
        whole(content, send=30_000)(handler)
        handler.wfile.flush()
        server.released.wait(2)

    def slow(handler):
        server.released.wait(0.05)
        ranged(content)(handler)

    server.acts["/a.csd"] = [stalls, slow]
    (done,) = fetch(FILE)
    assert (done.action, done.path.read_bytes()) == ("resumed", content)


def test_a_closed_port_and_nonsense_are_no_answer(server, fetch):
    def nonsense(handler):
        handler.wfile.write(b"\x00\x01 not http\r\n\r\n")

    server.acts["/a.csd"] = [nonsense]
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=r"did not answer.*did not answer"):
        fetch(FILE, locations=[closed, server.base])


def test_when_every_location_fails_the_error_says_what_to_do_by_hand(server, fetch, content, tmp_path):
    server.acts = {"/a.csd": [whole(content)], "/labels/b.csd": [status(403)], "/c.csd": [whole(PAGE)]}
    files = [FILE, {"path": "b.csd", "at": "labels/b.csd", "locations": [f"{server.base}/else"]}, {"path": "c.csd"}]
    with pytest.raises(InputError) as error:
        fetch(*files)
    head, b, c = str(error.value).split("\n")
    to = tmp_path / "to"
    assert head.startswith(
        f"toy: 2 of 3 files could not be fetched; run it again later, or get them by hand, put them into {to}"
    )
    assert b.startswith(f"  {to / 'b.csd'} from {server.base}/labels/b.csd (the server answered 403")
    assert f"{server.base}/else (the server answered 404" in b
    assert c == f"  {to / 'c.csd'} from {server.base}/c.csd (a web page came instead of the file)"
    assert left(tmp_path) == ["a.csd"]
    (to / "b.csd").write_bytes(content)
    (to / "c.csd").write_bytes(content)
    assert [each.action for each in fetch(*files)] == ["kept"] * 3


def test_a_page_saved_by_hand_is_set_aside(server, fetch, content, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.csd").write_bytes(PAGE)
    with pytest.raises(InputError, match="404"):
        fetch(FILE)
    assert left(tmp_path) == ["a.csd.unusable"]
    server.acts["/a.csd"] = [whole(content)]
    assert fetch(FILE)[0].action == "downloaded"


def test_some_files_alone(server, fetch, content, tmp_path):
    server.acts = {f"/{name}": [whole(content)] for name in ("a.csd", "b.csd", "sub/c.csd")}
    files = [FILE, {"path": "b.csd"}, {"path": "sub/c.csd"}]
    assert [each.path.name for each in fetch(*files, only=["b*", "sub/*"])] == ["b.csd", "c.csd"]
    assert (tmp_path / "to" / "sub" / "c.csd").is_file()
    with pytest.raises(InputError, match=r"unknown file 'b.cds': did you mean 'b.csd'"):
        fetch(*files, only=["b.cds"])


def test_places_that_cannot_be_written(server, fetch, content, tmp_path):
    server.acts = {"/a.csd": [whole(content)], "/sub/a.csd": [whole(content)]}
    to, outside = tmp_path / "to", tmp_path / "outside"
    to.write_text("a file")
    with pytest.raises(InputError, match="not a folder to write to"):
        fetch(FILE)
    to.unlink()
    outside.mkdir()
    (to / "a.csd").mkdir(parents=True)
    with pytest.raises(InputError, match="a folder has the name of the file"):
        fetch(FILE)
    (to / "a.csd.part").mkdir()
    (to / "a.csd").rmdir()
    with pytest.raises(InputError, match="cannot be written"):
        fetch(FILE)
    (to / "sub").symlink_to(outside)
    with pytest.raises(InputError, match="leads out of"):
        fetch({"path": "sub/a.csd"})
    assert list(outside.iterdir()) == []


def test_unknown_names_and_a_missing_pooch(fetch, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"unknown data set 'mosie': did you mean 'mosi'"):
        download("mosie", tmp_path)

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install 'comodal\[download\]'"):
        fetch(FILE)
