from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from comodal.contracts import InputError
from comodal.data.whole_folder import whole_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_target_appears_whole_at_the_end(tmp_path):
    with whole_folder(tmp_path / "a" / "set") as partial:
        (partial / "file").write_text("x")
        assert names(tmp_path / "a") == [".set.partial"]
    assert names(tmp_path / "a") == ["set"]
    assert names(tmp_path / "a" / "set") == ["file"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_when_it_fails(tmp_path, error):
    def fail():
        with whole_folder(tmp_path / "set") as partial:
            (partial / "features").mkdir()
            (partial / "features" / "0").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_not_touched(tmp_path, kind):
    target = tmp_path / "set"
    if kind == "folder":
        target.mkdir()
        (target / "precious").write_text("x")
    elif kind == "file":
        target.write_text("precious")
    else:
        target.symlink_to("nowhere")
    with (
        pytest.raises(InputError, match="set: exists already; choose another folder, or remove it"),
        whole_folder(target),
    ):
        raise AssertionError("not reached")
    assert names(tmp_path) == ["set"]
    assert kind != "folder" or names(target) == ["precious"]


def test_what_was_left_by_one_that_was_killed_is_removed(tmp_path):
    left = tmp_path / ".set.partial"
    (left / "features").mkdir(parents=True)
    (left / "features" / "0.arrow").write_text("half")
    (left / "1.frames").write_text("half")
    (left / "link").symlink_to(tmp_path)
    with whole_folder(tmp_path / "set") as partial:
        assert names(partial) == []
    assert names(tmp_path) == ["set"]


def test_a_second_one_waits_and_finds_the_work_done(tmp_path):
    order, began = [], threading.Event()

    def second():
        began.wait()
        try:
            with whole_folder(tmp_path / "set"):
                order.append("second made it")
        except InputError:
            order.append("second refused")

    thread = threading.Thread(target=second)
    thread.start()
    with whole_folder(tmp_path / "set") as partial:
        began.set()
        time.sleep(0.2)
        (partial / "file").write_text("x")
        order.append("first")
    thread.join()
    assert order == ["first", "second refused"]
    assert names(tmp_path) == ["set"]


def test_a_second_one_does_it_when_the_first_fails(tmp_path):
    began, done = threading.Event(), []

    def second():
        began.wait()
        with whole_folder(tmp_path / "set") as partial:
            (partial / "second").write_text("x")
        done.append(True)

    thread = threading.Thread(target=second)
    thread.start()

    def first():
        with whole_folder(tmp_path / "set") as partial:
            (partial / "first").write_text("x")
            began.set()
            time.sleep(0.2)
            raise KeyError

    with pytest.raises(KeyError):
        first()
    thread.join()
    assert done
    assert names(tmp_path) == ["set"]
    assert names(tmp_path / "set") == ["second"]


def test_without_locks_each_has_a_folder_of_its_own_and_leftovers_stay(tmp_path, monkeypatch):
    """They may belong to a conversion that still runs."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    other = tmp_path / ".set.partial"
    other.mkdir()
    (other / "file").write_text("in use")
    with whole_folder(tmp_path / "set") as partial:
        assert partial != other
        (partial / "file").write_text("x")
    assert names(tmp_path) == [".set.partial", "set"]
    assert names(other) == ["file"]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(list(Path("/dev/fd").iterdir()))
    with whole_folder(tmp_path / "set") as partial:
        (partial / "file").write_text("x")
    assert names(tmp_path) == ["set"]
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_the_folder_above_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises(OSError, match="taken"), whole_folder(tmp_path / "taken" / "set"):
        raise AssertionError("not reached")
