from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from refusals import refused

from comodal.atomic_write import atomic_folder, write_atomic, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "deep" / "file"
    write_atomic(path, lambda partial: partial.write_text("old"))

    def half(partial: Path) -> None:
        partial.write_text("ne")
        raise failure

    with pytest.raises(type(failure)):
        write_atomic(path, half)
    assert path.read_text() == "old"
    assert names(path.parent) == ["file"]
    write_atomic(path, lambda partial: partial.write_text("new"))
    assert path.read_text() == "new"


def test_half_a_file_is_never_visible(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seen: list[list[str]] = []

    def slow(partial: Path) -> None:
        partial.write_text("half")
        seen.append([name for name in names(tmp_path) if not name.startswith(".")])

    write_atomic(path, slow)
    assert seen == [[]]
    assert names(tmp_path) == ["file"]


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    for path in (tmp_path / "folder" / "file", tmp_path / "folder" / "deep" / "file"):
        with pytest.raises(OSError, match="folder"):
            write_atomic(path, lambda partial: partial.write_text("x"))


def test_a_text_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with refused("cannot_write", tmp_path / "folder" / "file"):
        write_text(tmp_path / "folder" / "file", "x")


def test_the_target_appears_whole_at_the_end(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "set") as partial:
        (partial / "file").write_text("x")
        assert "set" not in names(tmp_path / "a")
    assert names(tmp_path / "a") == ["set"]
    assert names(tmp_path / "a" / "set") == ["file"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_when_it_fails(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "set") as partial:
            (partial / "features").mkdir()
            (partial / "features" / "0").write_text("x")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_not_touched(tmp_path: Path, kind: str) -> None:
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


def test_a_kill_leaves_the_name_free(tmp_path: Path) -> None:
    target = tmp_path / "set"
    code = (
        "import os, signal, sys; from pathlib import Path; from comodal.atomic_write import atomic_folder\n"
        "with atomic_folder(Path(sys.argv[1])) as partial:\n"
        "    (partial / 'file').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    with atomic_folder(target) as partial:
        (partial / "file").write_text("whole")
    assert names(target) == ["file"]


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
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


def test_the_first_to_finish_wins(tmp_path: Path) -> None:
    with refused("exists", "set"), atomic_folder(tmp_path / "set") as slow:
        (slow / "slow").write_text("x")
        with atomic_folder(tmp_path / "set") as fast:
            (fast / "fast").write_text("x")
    assert names(tmp_path) == ["set"]
    assert names(tmp_path / "set") == ["fast"]


def test_the_folder_above_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises(OSError, match="taken"), atomic_folder(tmp_path / "taken" / "set"):
        raise AssertionError("not reached")
