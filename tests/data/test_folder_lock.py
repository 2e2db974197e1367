"""One at a time in a folder: the lock, and two downloads of one file at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress

import pytest
import yaml
from loopback import whole

from comodal.contracts import InputError
from comodal.data.download import download
from comodal.data.download_transfer import Patience
from comodal.data.folder_lock import folder_lock

CONTENT = b"[1, 2, 3]"


def until(happened):
    for _ in range(2000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


@pytest.fixture
def two_at_once(server, tmp_path):
    """Downloads one file twice into one folder, and lets the server answer when a condition holds."""
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(yaml.safe_dump({"toy": {"locations": [server.base], "files": [{"path": "a", "kind": "text"}]}}))
    let_go = threading.Event()

    def answered(handler):
        let_go.wait(20)
        whole(CONTENT)(handler)

    def fetch():
        return download("toy", tmp_path / "to", catalog=catalog, patience=Patience(timeout=30))[0]

    def run(condition):
        server.acts["/a"] = [answered]
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(fetch)
            until(lambda: server.asked)
            second = pool.submit(fetch)
            until(condition)
            let_go.set()
            return [first.result(), second.result()]

    yield run
    let_go.set()


def test_a_second_download_waits_and_keeps_what_the_first_fetched(server, two_at_once, caplog):
    done = two_at_once(lambda: "waiting for it" in caplog.text)
    assert [each.action for each in done] == ["downloaded", "kept"]
    assert len(server.asked) == 1
    assert done[0].path.read_bytes() == CONTENT


def test_without_the_lock_both_would_ask(server, two_at_once, monkeypatch):
    monkeypatch.setattr("comodal.data.download.folder_lock", nullcontext)
    with suppress(InputError, OSError):
        two_at_once(lambda: len(server.asked) == 2)
    assert len(server.asked) >= 2


def test_a_file_that_a_killed_process_has_left_holds_nobody(tmp_path, caplog):
    (tmp_path / ".lock").touch()
    with folder_lock(tmp_path):
        assert "waiting" not in caplog.text


def test_an_error_lets_go(tmp_path, caplog):
    with pytest.raises(KeyError), folder_lock(tmp_path):
        raise KeyError
    with folder_lock(tmp_path):
        assert "waiting" not in caplog.text


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match="not a folder to write to"), folder_lock(tmp_path):
        pass
