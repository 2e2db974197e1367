from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import refused

from comodal.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint
from comodal.training.config import RunConfig
from comodal.training.fit import FitResult

Run = Callable[..., FitResult]
Config = Callable[..., RunConfig]


def full_disk(path: Path, data: bytes) -> int:
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_is_a_plain_torch_file_with_the_config(run: Run, config: Config, tmp_path: Path) -> None:
    run(config(max_epochs=1, penalty={"measure": "mine"}), folder=tmp_path)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert kept["config"] == config(max_epochs=1, penalty={"measure": "mine"}).to_dict()
    assert [path.name for path in tmp_path.glob("*.ckpt")] == [CHECKPOINT]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_one_is_refused_and_left_alone(share: float, run: Run, config: Config, tmp_path: Path) -> None:
    run(config(max_epochs=1), folder=tmp_path)
    path = tmp_path / CHECKPOINT
    part = path.read_bytes()[: int(share * path.stat().st_size)]
    path.write_bytes(part)
    with refused("damaged", path):
        run(config(max_epochs=1), folder=tmp_path)
    assert path.read_bytes() == part


def test_one_of_another_configuration_is_refused(run: Run, config: Config, tmp_path: Path) -> None:
    run(config(max_epochs=1), folder=tmp_path)
    with refused("mismatch", tmp_path / CHECKPOINT):
        run(config(max_epochs=1, lr=0.5), folder=tmp_path)
    assert load_checkpoint(None, config()) is None


def test_a_full_disk_keeps_the_previous_one_whole(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "below"
    save_checkpoint(folder, config(), {"step": 1})
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with refused("cannot_write", folder / CHECKPOINT, "No space left on device"):
        save_checkpoint(folder, config(), {"step": 2})
    assert load_checkpoint(folder, config()) == {"step": 1}
    assert [each.name for each in folder.iterdir()] == [CHECKPOINT]


def test_a_disk_that_fills_up_ends_the_run_which_goes_on_later(
    run: Run, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(config())
    writes: list[Path] = []
    write = Path.write_bytes

    def fills_up(path: Path, data: Any) -> int:
        writes.append(path)
        return write(path, data) if len(writes) < 2 else full_disk(path, data)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    with refused("cannot_write", "No space left on device"):
        run(config(), folder=tmp_path)
    monkeypatch.undo()
    resumed = run(config(), folder=tmp_path)
    assert resumed.history == undisturbed.history
