"""Run the command in this process, as a user's shell would see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from comodal.cli import main


class Result(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def comodal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command in an empty folder; takes a line as one would type it, or words."""
    monkeypatch.chdir(tmp_path)

    def run(line: str, *more: str) -> Result:
        try:
            status = main([*line.split(), *more])
        except SystemExit as leaving:  # --help and --version
            status = int(leaving.code or 0)
        return Result(status, *capsys.readouterr())

    return run
