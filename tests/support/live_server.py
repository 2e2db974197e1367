"""A short real run, and its live page behind a real server on loopback."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.serve.start import listen
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig


def short_run(folder: Path, *, measure: str = "kl", seed: int = 0) -> Path:
    """Two epochs of early fusion on 120 samples, tested on 800."""
    penalty = PenaltyConfig(measure=measure, weight=0.3)
    config = RunConfig(seed=seed, penalty=penalty, training=TrainingConfig(max_epochs=2, batch_size=32))
    train(DataConfig(source="synthetic:redundant"), config, out=folder)
    return folder


@contextmanager
def running(app: Any) -> Iterator[int]:
    """The port that an application answers on."""
    bound = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", server_header=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def request(
    port: int, path: str, *, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; ``body`` goes as JSON unless it is bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if data is None else {"Content-Type": "application/json"}
        connection.request(method, path, data, {**kind, **(headers or {})})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def asked(port: int, question: Any) -> dict[str, Any]:
    """The answer to a question, which must be a good one."""
    status, _, body = request(port, "/api/predict", method="POST", body=question)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found
