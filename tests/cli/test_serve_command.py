from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live_server import request, short_run

from comodal.serve.start import listen

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("served") / "run")


def test_the_page_answers_until_it_is_interrupted(run: Path) -> None:
    command = [str(Path(sys.executable).with_name("comodal")), "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"early/kl, seed 0: http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends\)\n", line)
        assert found, line
        port = int(found[1])
        status, _, page = request(port, "/")
        assert (status, b'id="live"' in page) == (200, True)
        assert request(port, "/", headers={"Host": "example.org"})[0] == 400
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--port", "0"], "nowhere: not a run folder"),
        (["RUN", "--port", "0", "--arm", "early/kI"], "unknown arm 'early/kI': did you mean 'early/kl'"),
        (["RUN", "--port", "0", "--seed", "7"], "unknown seed 7"),
        (["RUN", "--port", "0", "--host", "0.0.0.0"], "--host 0.0.0.0 listens on every address"),
        (["RUN", "--port", "99999"], "--port 99999: give a number from 0 to 65535"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    comodal: Callable[..., object], run: Path, arguments: list[str], message: str
) -> None:
    result = comodal("serve", *(str(run) if word == "RUN" else word for word in arguments))
    assert result.status == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_a_port_in_use_is_said_before_anything_is_loaded(comodal: Callable[..., object]) -> None:
    with listen("127.0.0.1", 0) as bound:
        result = comodal("serve", "nowhere", "--port", str(bound.getsockname()[1]))
    assert result.status == 2
    assert "give another --port, 0 for any that is free" in result.err
