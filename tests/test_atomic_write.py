from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from refusals import refused

from comodal.atomic_write import write_atomic, write_text


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


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
