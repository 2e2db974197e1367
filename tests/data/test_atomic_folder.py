from __future__ import annotations

import os

import pytest
from refusals import refused

from comodal.atomic_write import atomic_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_target_appears_whole_at_the_end(tmp_path):
    with atomic_folder(tmp_path / "a" / "set") as partial:
        (partial / "file").write_text("x")
        assert "set" not in names(tmp_path / "a")
    assert names(tmp_path / "a") == ["set"]
    assert names(tmp_path / "a" / "set") == ["file"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_when_it_fails(tmp_path, error):
    def fail():
        with atomic_folder(tmp_path / "set") as partial:
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
    with refused("exists", "set"), atomic_folder(target):
        raise AssertionError("not reached")
    assert names(tmp_path) == ["set"]
    assert kind != "folder" or names(target) == ["precious"]


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path):
    old, running = tmp_path / ".set.old.partial", tmp_path / ".set.running.partial"
    for left in (old, running):
        (left / "features").mkdir(parents=True)
        (left / "features" / "0.npy").write_text("half")
    for path in (old / "features" / "0.npy", old / "features", old):
        os.utime(path, (0, 0))
    os.utime(running, (0, 0))  # but a file in it was written just now
    with atomic_folder(tmp_path / "set") as partial:
        assert names(partial) == []
    assert names(tmp_path) == [".set.running.partial", "set"]


def test_the_first_to_finish_wins(tmp_path):
    with refused("exists", "set"), atomic_folder(tmp_path / "set") as slow:
        (slow / "slow").write_text("x")
        with atomic_folder(tmp_path / "set") as fast:
            (fast / "fast").write_text("x")
    assert names(tmp_path) == ["set"]
    assert names(tmp_path / "set") == ["fast"]


def test_the_folder_above_cannot_be_made(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises(OSError, match="taken"), atomic_folder(tmp_path / "taken" / "set"):
        raise AssertionError("not reached")
