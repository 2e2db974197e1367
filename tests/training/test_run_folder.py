from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from refusals import refused

from comodal.atomic_write import write_text
from comodal.contracts.json_records import read_json
from comodal.training.run_folder import METRICS, RunFolder, read_config

CONFIG = {"seed": 1, "training": {"lr": 0.1, "sizes": (1, 2)}}


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_folder_keeps_the_config_and_the_versions(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "deep" / "run", CONFIG)
    assert read_config(folder.path) == {"seed": 1, "training": {"lr": 0.1, "sizes": [1, 2]}}
    versions = read_json(folder.path / "environment.json")["packages"]
    assert {"comodal", "torch", "accelerate"} <= set(versions)
    assert not folder.finished


def test_the_same_config_opens_it_again_and_another_does_not(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).finish({"mae": 1.5})
    again = RunFolder(tmp_path, CONFIG)
    assert again.finished
    assert again.metrics() == {"mae": 1.5}
    with refused("mismatch", tmp_path, "training.lr", 0.1, 0.2):
        RunFolder(tmp_path, {**CONFIG, "training": {"lr": 0.2, "sizes": (1, 2)}})
    with refused("mismatch", "new", 3):
        RunFolder(tmp_path, {**CONFIG, "new": 3})
    with refused("mismatch", "seed", 1):
        RunFolder(tmp_path, {"training": CONFIG["training"]})
    assert again.metrics() == {"mae": 1.5}


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("all of it")
    with refused("exists", tmp_path):
        RunFolder(tmp_path, CONFIG)
    assert files(tmp_path) == {"thesis.tex"}


def test_what_a_killed_opening_left_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.17.partial").write_text("se")
    (tmp_path / "environment.json").write_text("{}")
    RunFolder(tmp_path, CONFIG)
    assert read_config(tmp_path)["seed"] == 1


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    for path in (tmp_path / "run", tmp_path / "run" / "below"):
        with refused("cannot_write", path):
            RunFolder(path, CONFIG)


def test_a_full_disk_is_an_error_of_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_text", full_disk)
    with refused("cannot_write", "No space left on device"):
        RunFolder(tmp_path / "run", CONFIG)
    assert files(tmp_path / "run") == set()
    monkeypatch.undo()
    RunFolder(tmp_path / "run", CONFIG)


@pytest.mark.parametrize("text", ["seed: [", "- 1", ""])
def test_a_damaged_config_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with refused("damaged", "config.yaml"):
        RunFolder(tmp_path, CONFIG)
    assert (tmp_path / "config.yaml").read_text() == text


def test_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_text(tmp_path / "ours", "x")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("text", [None, '{"a": '])
def test_missing_or_damaged_json_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / METRICS).write_text(text)
    with refused("missing" if text is None else "damaged", METRICS):
        read_json(tmp_path / METRICS)
