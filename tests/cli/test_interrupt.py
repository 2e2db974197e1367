"""The command is killed or interrupted in mid-training, started again, and ends with the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from comodal.cli import main

pytestmark = pytest.mark.slow

LINE = (
    "train synthetic:single --fusion lfn --penalty.measure mine --penalty.critic_steps 2 --penalty.fresh_batches true "
    "--training.max_epochs 40 --training.patience 40 --training.batch_size 32 --json --out"
)
DEADLINE = 120.0


def start(out: Path) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("comodal")), *LINE.split(), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_checkpoint(out: Path, process: subprocess.Popen[str]) -> Path:
    until = time.monotonic() + DEADLINE
    while not (found := list(out.rglob("last.ckpt"))):
        assert process.poll() is None, f"ended before its first checkpoint: {process.communicate()}"
        assert time.monotonic() < until, "no checkpoint in time"
        time.sleep(0.01)
    return found[0]


def trained_weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(next(out.rglob("weights.safetensors")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    threads = torch.get_num_threads()
    assert main([*LINE.split(), str(out)]) == 0
    torch.set_num_threads(threads)
    return trained_weights(out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_and_started_again_it_ends_with_the_same_weights(
    number: signal.Signals, undisturbed: dict[str, torch.Tensor], comodal: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = start(out)
    try:
        checkpoint = first_checkpoint(out, process)
        process.send_signal(number)
        printed, error = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
        process.communicate()
    assert not (out / "metrics.json").exists(), "it was finished before it could be stopped"
    assert printed == ""
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert len(error.splitlines()) == (number != signal.SIGKILL)
    epochs = torch.load(checkpoint, weights_only=True)["state"]["epoch"]
    assert 0 < epochs < 40, "it was stopped in the middle"
    assert comodal(LINE, str(out)).status == 0
    resumed = trained_weights(out)
    assert resumed.keys() == undisturbed.keys()
    assert [name for name in resumed if not torch.equal(resumed[name], undisturbed[name])] == []
