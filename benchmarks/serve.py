"""Response time of the live page: a real server on loopback, one click at a time, and fifty at once.

    python benchmarks/serve.py [FOLDER]

FOLDER is made by `comodal train` or `comodal compare`, with weights; without one a small model is trained on the
embedded data. A time covers connection, request, prediction, dependency and answer.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import uvicorn

from comodal.evaluation.data_config import DataConfig
from comodal.evaluation.experiment import train
from comodal.evaluation.runs import open_runs
from comodal.explain.explain import explained_run
from comodal.serve.app import build_app
from comodal.serve.live_model import LiveModel
from comodal.serve.security import allowed_hosts
from comodal.serve.start import listen
from comodal.training.config import PenaltyConfig, RunConfig, TrainingConfig

CLICKS = 300


def small_run(folder: Path) -> Path:
    """Train early fusion with a penalty for a few epochs."""
    penalty = PenaltyConfig(measure="kl", weight=0.3)
    config = RunConfig(penalty=penalty, training=TrainingConfig(max_epochs=3))
    train(DataConfig(source="synthetic"), config, out=folder)
    return folder


def click(port: int, model: LiveModel, number: int) -> float:
    """Return the milliseconds of one request."""
    first, second = list(model.modalities)[:2]
    name = model.ids[number % len(model.ids)]
    act = f'{{"{first}": {{"act": "noise", "severity": 0.5}}, "{second}": {{"act": "off"}}}}'
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/predict",
        data=f'{{"id": "{name}", "modalities": {act}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Print median and 95th percentile."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        runs = open_runs(sys.argv[1] if len(sys.argv) > 1 else small_run(Path(scratch) / "run"))
        model = LiveModel.of(runs, explained_run(runs))
        bound = listen("127.0.0.1", 0)
        app = build_app(model, "<!doctype html>", names=allowed_hosts("127.0.0.1", ()))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        port = bound.getsockname()[1]
        alone = [click(port, model, number) for number in range(CLICKS)][10:]
        with ThreadPoolExecutor(max_workers=50) as pool:
            crowd = list(pool.map(lambda number: click(port, model, number), range(CLICKS)))
        server.should_exit = True
        thread.join()
    print(f"{model.facts['arm']}, {len(model.ids)} utterances, {CLICKS} clicks")
    for name, times in (("one at a time", alone), ("50 at once", crowd)):
        print(f"{name:14} median {np.median(times):6.1f} ms   95th percentile {np.percentile(times, 95):6.1f} ms")


if __name__ == "__main__":
    main()
